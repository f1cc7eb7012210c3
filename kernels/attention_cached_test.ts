import { strict as assert } from "node:assert";
import { checkKernel, gpuTest, noise } from "../tests/kernels/check.ts";
import { evaluate } from "../tests/kernels/finite_differences.ts";
import { columnsOf, largest, relativeDistance } from "../tests/kernels/rows.ts";
import { attention } from "./attention.ts";
import { attentionCached } from "./attention_cached.ts";
import { cacheAppend, type CacheShape } from "./cache_append.ts";
import { packedWidth } from "./packed_heads.ts";

Deno.test("attentionCached, fed in chunks through cacheAppend, equals attention over the whole sequence", () => {
  const heads = { H: 4, G: 2, D: 3 }, T = 7, P = 9, width = packedWidth(heads), qkv = noise(T * width, 1, 2);
  const [wanted] = evaluate(attention, { shape: { B: 1, T, ...heads }, inputs: { qkv }, outputs: ["y"] });
  let keys: Float64Array = new Float64Array(P * heads.G * heads.D), values = keys;
  for (const chunk of [[0, 1, 2], [3], [4, 5, 6]]) {
    const shape = { N: chunk.length, P, ...heads }, first = chunk[0]!;
    const rows = { qkv: qkv.subarray(first * width, (first + chunk.length) * width), positions: chunk };
    [keys, values] = evaluate(cacheAppend, { shape, inputs: { ...rows, keys, values }, outputs: ["keys", "values"] });
    const [y] = evaluate(attentionCached, { shape, inputs: { ...rows, keys, values }, outputs: ["y"] });
    assert.deepEqual(y, wanted.slice(first * heads.H * heads.D, (first + chunk.length) * heads.H * heads.D));
  }
});

for (
  const { positions, ...shape } of [
    { N: 1, H: 1, G: 1, D: 1, P: 1, positions: [0] },
    { N: 3, H: 4, G: 2, D: 20, P: 7, positions: [6, 0, 0xffff_ffff] },
    { N: 5, H: 2, G: 1, D: 13, P: 5, positions: [4, 3, 2, 1, 5] },
  ]
) {
  gpuTest(`cacheAppend on a GPU writes ${shape.N} rows to positions ${positions} and nowhere else`, async () => {
    const { N, G, D, P } = shape, exact = () => 0;
    await checkKernel(cacheAppend, {
      shape,
      inputs: {
        qkv: noise(N * packedWidth(shape), 1),
        positions,
        keys: noise(P * G * D, 2),
        values: noise(P * G * D, 3),
      },
      tolerances: { keys: exact, values: exact },
    });
  });
}

// Keys go by in tiles of 64, and 64 invocations hold the outputs of a head: two each, one each, or several teams of them.
for (
  const { positions, ...shape } of [
    { N: 1, H: 1, G: 1, D: 1, P: 1, positions: [0] },
    { N: 4, H: 4, G: 2, D: 20, P: 150, positions: [0, 63, 64, 130] },
    { N: 2, H: 3, G: 1, D: 65, P: 70, positions: [69, 0xffff_ffff] },
    { N: 1, H: 2, G: 2, D: 128, P: 65, positions: [62] },
  ] satisfies readonly (CacheShape & { readonly positions: readonly number[] })[]
) {
  const { N, H, G, D, P } = shape;
  gpuTest(
    `attentionCached on a GPU equals its reference at ${positions} of ${P}, ${H} heads on ${G} of ${D}`,
    async () => {
      const seen = Math.min(Math.max(...positions) + 1, P) * G * D;
      const unseen = (value: number, i: number) => i < seen ? value : NaN; // must not be read
      const inputs = {
        qkv: noise(N * packedWidth(shape), 1, 2),
        positions,
        keys: noise(P * G * D, 2, 2).map(unseen),
        values: noise(P * G * D, 3, 2).map(unseen),
      };
      const [wanted] = evaluate(attentionCached, { shape, inputs, outputs: ["y"] });
      // As in `attention_test.ts`: relative to the largest value, and ten times less for a head as a whole.
      const { y } = await checkKernel(attentionCached, { shape, inputs, tolerances: { y: () => 2e-5 * 2 } });
      for (let h = 0; h < H; h++) {
        const at = { columns: H * D, first: h * D, count: D };
        const distance = relativeDistance(columnsOf(y!, at), columnsOf(wanted, at));
        assert.ok(largest(wanted) > 0 && distance <= 3e-6, `head ${h} is off by ${distance}`);
      }
    },
  );
}
