import { strict as assert } from "node:assert";
import { checkKernel, gpuTest, noise, SLOW_BARRIERS } from "../tests/kernels/check.ts";
import { evaluate } from "../tests/kernels/finite_differences.ts";
import { quantiseInt8 } from "./quantise_int8.ts";

const exact = { residual: () => 0 };

/** Each line is a block of 4: the bounds of exponents, ties, signs, zeros and numbers that are treated as such. */
const EDGES = [
  [127, 0.5, 1.5, 2.5],
  [-127, -0.5, -1.5, -2.5],
  [127.00001, -126.5, 63, 1], // one float above: the exponent goes up
  [128, 64, -64.5, 3],
  [254, 253, -1, 1],
  [0, -0, 0, 0],
  [2 ** -101, -(2 ** -130), 0, 2 ** -149],
  [2 ** -100, 2 ** -107, 2 ** -108, -(2 ** -106)],
  [127 * 2 ** -106, 1.5 * 2 ** -106, 0, 0],
  [127 * 2 ** 121, 1, -1e30, -(2 ** 127)],
  [1e-3, 7e-6, -3e-6, 1e-9],
].flat().map(Math.fround);

Deno.test("quantiseInt8 takes the smallest power of two that fits, rounds halves to even, and keeps the rest", () => {
  const x = [127, 0.5, 1.5, -2.5, 127.5, -64, 3, 1];
  const [codes, scales, residual] = evaluate(quantiseInt8, {
    shape: { COUNT: 8, BLOCK: 4 },
    inputs: { x },
    outputs: ["codes", "scales", "residual"],
  });
  assert.deepEqual([...bytes(codes)], [127, 0, 2, -2, 64, -32, 2, 0]);
  assert.deepEqual([...scales], [127, 128]);
  assert.deepEqual([...residual], [0, 0.5, -0.5, -0.5, -0.5, 0, -1, 1]);
});

Deno.test("quantiseInt8 loses nothing: code, scale and residual give back every value exactly", () => {
  for (const [seed, scale] of [[1, 1], [2, 1e-20], [3, 1e30]] as const) {
    const COUNT = 512, BLOCK = 64, x = noise(COUNT, seed, scale);
    const [codes, scales, residual] = evaluate(quantiseInt8, {
      shape: { COUNT, BLOCK },
      inputs: { x },
      outputs: ["codes", "scales", "residual"],
    });
    bytes(codes).forEach((code, i) => {
      const step = 2 ** (scales[Math.floor(i / BLOCK)]! - 127);
      assert.equal(code * step + residual[i]!, x[i], `seed ${seed} at ${i}`);
      assert.ok(Math.abs(residual[i]!) <= step / 2, `seed ${seed} at ${i}`);
      assert.equal(Math.fround(residual[i]!), residual[i], `the residual is an f32, seed ${seed} at ${i}`);
    });
  }
});

gpuTest("quantiseInt8 on a GPU gives the same bits as its reference at every edge", async () => {
  await checkKernel(quantiseInt8, {
    shape: { COUNT: EDGES.length, BLOCK: 4 },
    inputs: { x: EDGES },
    tolerances: exact,
  });
}, { notOnSwiftShader: "it makes zeros of numbers too small to be normal, as WGSL lets it" });

for (const [COUNT, BLOCK] of [[12, 12], [512, 64], [1024, 256], [2048, 1024], [4 * 65_537, 4]] as const) {
  gpuTest(
    `quantiseInt8 on a GPU gives the same bits as its reference for ${COUNT} values in blocks of ${BLOCK}`,
    async () => {
      const size = noise(COUNT / BLOCK, 2, 60);
      const x = noise(COUNT, 1).map((value, i) => value * 2 ** size[Math.floor(i / BLOCK)]!);
      await checkKernel(quantiseInt8, { shape: { COUNT, BLOCK }, inputs: { x }, tolerances: exact });
    },
    COUNT / BLOCK > 65_535 ? { notOnSwiftShader: SLOW_BARRIERS } : {},
  );
}

function bytes(codes: Float64Array): Int8Array {
  return new Int8Array(Uint32Array.from(codes).buffer);
}
