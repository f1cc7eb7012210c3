import { strict as assert } from "node:assert";
import { checkKernel, gpuTest, noise } from "../tests/kernels/check.ts";
import { evaluate } from "../tests/kernels/finite_differences.ts";
import { TOP_K_CHUNK, topK, type TopKShape } from "./top_k.ts";

/** `values` at the places given, zeros elsewhere. */
function at(count: number, values: Readonly<Record<number, number>>): Float64Array {
  const x = new Float64Array(count);
  for (const [i, value] of Object.entries(values)) x[Number(i)] = value;
  return x;
}

function kept(shape: TopKShape, x: ArrayLike<number>): [number[], number[]] {
  const [places, values] = evaluate(topK, { shape, inputs: { x }, outputs: ["places", "values"] });
  return [[...places], [...values]];
}

Deno.test("topK keeps the largest of each chunk in the order of their places, whatever their signs", () => {
  const x = at(TOP_K_CHUNK + 3000, { 0: -3, 70: 1, 4095: 2, 4096: 1, 4099: -5, 7000: 4 });
  assert.deepEqual(kept({ COUNT: x.length, KEPT: 2 }, x), [[0, 4095, 3, 2904], [-3, 2, -5, 4]]);
});

Deno.test("topK keeps the earlier of equals, and takes what is below 2^-100 for zero", () => {
  const x = at(TOP_K_CHUNK, { 9: 1, 40: -1, 41: 1, 4000: 7 });
  assert.deepEqual(kept({ COUNT: x.length, KEPT: 3 }, x), [[9, 40, 4000], [1, -1, 7]]);
  const tiny = at(TOP_K_CHUNK, { 2: 2 ** -101, 3000: -(2 ** -100), 3001: 2 ** -149 });
  assert.deepEqual(kept({ COUNT: tiny.length, KEPT: 2 }, tiny), [[0, 3000], [0, -(2 ** -100)]]);
});

Deno.test("topK fills a chunk that is too short with zeros beyond its end", () => {
  assert.deepEqual(kept({ COUNT: 3, KEPT: 5 }, [1, -2, 3]), [[0, 1, 2, 3, 4], [1, -2, 3, 0, 0]]);
});

for (const [COUNT, KEPT] of [[1, 1], [4096, 64], [5000, 512], [3 * 4096 + 7, 128], [8192, 4096]] as const) {
  gpuTest(`topK on a GPU makes the choice of its reference for ${KEPT} of each 4,096 of ${COUNT} values`, async () => {
    for (const x of examples(COUNT)) await checkKernel(topK, { shape: { COUNT, KEPT }, inputs: { x }, tolerances });
  });
}

const tolerances = { values: () => 0 };

/** Noise of all sizes; few sizes, so that there are ties; almost nothing. */
function examples(count: number): Float32Array[] {
  const exponents = noise(count, 2, 90);
  return [
    noise(count, 1).map((value, i) => value * 2 ** exponents[i]!),
    noise(count, 3, 3).map(Math.trunc),
    noise(count, 4, 30).map(Math.trunc),
    Float32Array.from({ length: count }, (_, i) => i % 700 === 5 ? 1e-3 : i % 3 === 0 ? 1e-38 : 0),
  ];
}
