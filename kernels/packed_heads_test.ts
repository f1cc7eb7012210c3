import { strict as assert } from "node:assert";
import { headOffsets, packedWidth } from "./packed_heads.ts";

Deno.test("headOffsets() lets neighbouring query heads share a key-value head", () => {
  const heads = { H: 4, G: 2, D: 10 };
  assert.equal(packedWidth(heads), 80);
  assert.deepEqual([0, 1, 2, 3].map((h) => headOffsets(heads, h)), [
    { q: 0, k: 40, v: 60 },
    { q: 10, k: 40, v: 60 },
    { q: 20, k: 50, v: 70 },
    { q: 30, k: 50, v: 70 },
  ]);
});

Deno.test("packedWidth() refuses heads that no kernel can do, and says what to choose", () => {
  assert.throws(() => packedWidth({ H: 6, G: 4, D: 8 }), /share 4 key-value heads among 6 .* divides 6/);
  assert.throws(() => packedWidth({ H: 2, G: 2, D: 129 }), /heads of 129 values: .* at most 128; choose more heads/);
});
