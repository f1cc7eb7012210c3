import { strict as assert } from "node:assert";
import { checkKernel, gpuTest, noise, U } from "../tests/kernels/check.ts";
import { evaluate, innerProduct } from "../tests/kernels/finite_differences.ts";
import { columnSum } from "./column_sum.ts";
import { sketch, SKETCH_BUCKETS } from "./sketch.ts";

/** Both passes. */
function sketchOf(x: ArrayLike<number>, seed: number, BLOCKS = 3): Float64Array {
  const shape = { COUNT: x.length, BLOCKS };
  const [partial] = evaluate(sketch, { shape, inputs: { x, seed: [seed] }, outputs: ["partial"] });
  const sum = { N: BLOCKS, C: SKETCH_BUCKETS, ACCUMULATE: 0 };
  return evaluate(columnSum, { shape: sum, inputs: { dy: partial }, outputs: ["sum"] })[0];
}

const COUNT = 5000, SEEDS = 600;
const even = Float64Array.from(noise(COUNT, 1));
/** Half its energy in one place of each row of 256, as a feature of a model that is larger than the others. */
const spiked = even.map((value, i) => i % SKETCH_BUCKETS === 7 ? 16 * value : value);
const related = spiked.map((value, i) => value + even[COUNT - 1 - i]!);

for (const [title, x, y] of [["even", even, related], ["spiked", spiked, related]] as const) {
  Deno.test(`inner products of sketches are right in the mean and stray as theory says, for ${title} vectors`, () => {
    const exact = innerProduct(x, y);
    let sum = 0, squares = 0;
    for (let seed = 0; seed < SEEDS; seed++) {
      const found = innerProduct(sketchOf(x, seed), sketchOf(y, seed));
      sum += found;
      squares += (found - exact) ** 2;
    }
    // Var = (|x|²·|y|² + ⟨x, y⟩²) / 256, less the pairs that never meet: those of a value with itself and of a row.
    const bound = (innerProduct(x, x) * innerProduct(y, y) + exact ** 2) / SKETCH_BUCKETS;
    const error = Math.abs(sum / SEEDS - exact) / Math.sqrt(bound / SEEDS), share = squares / SEEDS / bound;
    assert.ok(error < 3, `the mean of ${SEEDS} is ${error} standard errors off`);
    // A variance out of 600 draws strays by 6 %, more where few values have the energy; 20 rows never meet themselves.
    assert.ok(share > 0.75 && share < 1.25, `the variance is ${share} of what theory says`);
  });
}

Deno.test("a sketch is linear, has all of a vector's values, and another seed gives another", () => {
  const [a, b] = [sketchOf(even, 5), sketchOf(spiked, 5)];
  sketchOf(even.map((value, i) => value + spiked[i]!), 5).forEach((value, i) => {
    assert.ok(Math.abs(value - a[i]! - b[i]!) < 1e-12, `bucket ${i}`);
  });
  const ones = new Float64Array(SKETCH_BUCKETS).fill(1);
  assert.deepEqual(sketchOf(ones, 9).map(Math.abs), ones); // one value a bucket
  assert.notDeepEqual(sketchOf(ones, 9), sketchOf(ones, 10));
});

Deno.test("a sketch does not depend on the number of blocks", () => {
  const one = sketchOf(even, 5, 1);
  sketchOf(even, 5, 64).forEach((value, i) => assert.ok(Math.abs(value - one[i]!) < 1e-12, `bucket ${i}`));
});

for (const [COUNT, BLOCKS] of [[1, 1], [255, 3], [5000, 7], [8192, 64]] as const) {
  gpuTest(`sketch on a GPU equals its reference for ${COUNT} values in ${BLOCKS} blocks`, async () => {
    const rows = Math.ceil(COUNT / SKETCH_BUCKETS / BLOCKS); // a bucket adds one value of each
    for (const seed of [0, 77, 0xffff_ffff]) {
      await checkKernel(sketch, {
        shape: { COUNT, BLOCKS },
        inputs: { x: noise(COUNT, 1, 3), seed: [seed] },
        tolerances: { partial: () => rows * U * 3 * rows },
      });
    }
  });
}
