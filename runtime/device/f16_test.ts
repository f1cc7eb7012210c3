import { strict as assert } from "node:assert";
import { gpuTest, testDevice } from "../../tests/kernels/check.ts";
import { asF16, type Device, type Span } from "./device.ts";
import { openPlainDevice } from "./plain.ts";
import { selfTestF16 } from "./f16.ts";

Deno.test("selfTestF16() passes the references, and leaves nothing allocated", async () => {
  const device = openPlainDevice();
  assert.equal(await selfTestF16(device), null);
  assert.equal(device.memory().bytes, 0);
});

gpuTest("selfTestF16() passes a GPU that stores f16", async () => {
  const device = await testDevice();
  assert.equal(await selfTestF16(device), device.storesF16 ? null : "it cannot store f16");
});

Deno.test("selfTestF16() says of a device without f16 that it has none", async () => {
  assert.equal(await selfTestF16({ ...openPlainDevice(), storesF16: false }), "it cannot store f16");
});

/** A device that changes what it is asked to read of f16. */
function corrupting(change: (value: number) => number): Device {
  const plain = openPlainDevice();
  return {
    ...plain,
    async read(spans: readonly Span[]) {
      const found = await plain.read(spans);
      spans.forEach(({ type }, i) => {
        if (type === "f16") asF16(found[i]!).forEach((value, j, values) => values[j] = change(value));
      });
      return found;
    },
  };
}

const scenes: readonly [string, (value: number) => number, RegExp][] = [
  ["saturates instead of overflowing", (x) => Math.max(-65_504, Math.min(65_504, x)), /it makes 65504 of 65520 in f16/],
  ["overflows too soon", (x) => x > 65_000 ? Infinity : x, /it makes Infinity of 65504 in f16/],
  ["keeps only 9 bits", (x) => Math.round(x * 512) / 512, /it makes .* of 0.333.* in f16/],
  ["loses NaN", (x) => Number.isNaN(x) ? 0 : x, /it makes 0 of NaN in f16/],
  ["computes sums wrongly", (x) => Math.abs(x) < 2 || Math.abs(x) > 10 ? x : x * 1.01, /its matmul gives .* in f16/],
];

for (const [what, change, problem] of scenes) {
  Deno.test(`selfTestF16() names what is wrong with a device that ${what}`, async () => {
    assert.match(await selfTestF16(corrupting(change)) ?? "nothing", problem);
  });
}

Deno.test("selfTestF16() accepts a device that makes zeros of numbers too small to be normal", async () => {
  assert.equal(await selfTestF16(corrupting((x) => Math.abs(x) < 2 ** -14 ? 0 : x)), null);
});
