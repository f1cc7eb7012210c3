/**
 * A random projection of a large vector to 256 numbers that keeps inner products: the first of two passes.
 *
 * Each value goes with a random sign into one of 256 buckets. Over the choice of `seed` the inner product of two
 * sketches is that of the vectors in the mean, with a variance of at most (|x|²·|y|² + ⟨x, y⟩²) / 256. Of 256 values in
 * a row each goes into another bucket (a random XOR of its place in the row), so a row is read at once and nothing is
 * added to by two at the same time. BLOCKS sets of rows have sums of their own; `column_sum` adds them.
 *
 * Signs and buckets are whole-number arithmetic on a value's place and the seed: the same on every device.
 *
 * Charikar, Chen and Farach-Colton 2002, "Finding frequent items in data streams", §3 (the count sketch).
 * @module
 */
import { defineKernel, reads, readsWords, spread, writes } from "./kernel.ts";
import source from "./sketch.wgsl" with { type: "text" };
import wasmSource from "./sketch.as" with { type: "text" };

/** Numbers of a sketch. */
export const SKETCH_BUCKETS = 256;

export type SketchShape = {
  readonly COUNT: number;
  /** Sets of rows; a few for each core of the device. The last ones may be empty. */
  readonly BLOCKS: number;
};

export const sketch = defineKernel<SketchShape>()({
  name: "sketch",
  source,
  bindings: {
    x: reads(({ COUNT }) => COUNT),
    seed: readsWords(() => 1),
    /** BLOCKS rows of 256. */
    partial: writes(({ BLOCKS }) => SKETCH_BUCKETS * BLOCKS),
  },
  grid: ({ BLOCKS }) => spread(BLOCKS),
  flops: ({ COUNT }) => COUNT,
  reference({ x, seed, partial }, { COUNT, BLOCKS }) {
    const rowCount = Math.ceil(COUNT / SKETCH_BUCKETS), rowsEach = Math.ceil(rowCount / BLOCKS);
    const signKey = mix(seed[0]!), rowKey = mix(~seed[0]!);
    partial.fill(0);
    for (let i = 0; i < COUNT; i++) {
      const row = Math.floor(i / SKETCH_BUCKETS), block = Math.floor(row / rowsEach);
      const bucket = (i ^ mix(row ^ rowKey)) & (SKETCH_BUCKETS - 1);
      const isNegative = mix(i ^ signKey) < 0;
      partial[SKETCH_BUCKETS * block + bucket]! += isNegative ? -x[i]! : x[i]!;
    }
  },
  wasm: {
    source: wasmSource,
    entry: "sketch",
    args: ({ COUNT, BLOCKS }) => [COUNT, BLOCKS],
    items: ({ BLOCKS }) => BLOCKS,
  },
});

/** Scatters the bits of a 32-bit word: the finalizer of MurmurHash3 (Appleby 2011). */
function mix(word: number): number {
  let bits = word;
  bits = Math.imul(bits ^ (bits >>> 16), 0x85ebca6b);
  bits = Math.imul(bits ^ (bits >>> 13), 0xc2b2ae35);
  return bits ^ (bits >>> 16);
}
