/**
 * Blockwise int8 with scales that are powers of two: what travels of a pseudo-gradient.
 *
 * A block of BLOCK values has the smallest exponent e with max |x| ≤ 127 · 2^e; a code is x / 2^e rounded to the
 * nearest, halves to even; the residual is x − code · 2^e. All of this is exact in f32 and the exponent comes from the
 * bits, so every device gives the same codes: a peer can check another's. The values must be finite (`norm_final` has
 * counted those that are not) and at most 127 · 2^121, almost the largest f32.
 *
 * A word of `codes` has four codes in two's complement, the first in the lowest byte. A word of `scales` has e + 127,
 * or 0 for a block whose values are all below 2^−100: its codes are 0, which keeps subnormal numbers, that some devices
 * flush, out of the rest.
 * @module
 */
import { defineKernel, reads, spread, writes, writesWords } from "./kernel.ts";
import source from "./quantise_int8.wgsl" with { type: "text" };
import wasmSource from "./quantise_int8.as" with { type: "text" };

export type QuantiseInt8Shape = {
  /** A multiple of BLOCK. */
  readonly COUNT: number;
  /** A multiple of 4. */
  readonly BLOCK: number;
};

/** Blocks with nothing of this size or larger are zero. */
const SMALLEST = 2 ** -100;

export const quantiseInt8 = defineKernel<QuantiseInt8Shape>()({
  name: "quantise_int8",
  source,
  bindings: {
    x: reads(({ COUNT }) => COUNT),
    codes: writesWords(({ COUNT }) => COUNT / 4),
    scales: writesWords(({ COUNT, BLOCK }) => COUNT / BLOCK),
    residual: writes(({ COUNT }) => COUNT),
  },
  grid: ({ COUNT, BLOCK }) => spread(COUNT / BLOCK),
  flops: ({ COUNT }) => 4 * COUNT,
  reference({ x, codes, scales, residual }, { COUNT, BLOCK }) {
    codes.fill(0);
    for (let block = 0; block < COUNT / BLOCK; block++) {
      let largest = 0;
      for (let i = block * BLOCK; i < (block + 1) * BLOCK; i++) largest = Math.max(largest, Math.abs(x[i]!));
      const isZero = largest < SMALLEST;
      const exponent = isZero ? 0 : smallestExponent(largest);
      scales[block] = isZero ? 0 : exponent + 127;
      for (let i = block * BLOCK; i < (block + 1) * BLOCK; i++) {
        const code = isZero ? 0 : roundHalfToEven(x[i]! / 2 ** exponent);
        codes[i >> 2]! |= (code & 0xff) << 8 * (i & 3);
        residual[i] = x[i]! - code * 2 ** exponent;
      }
    }
  },
  wasm: {
    source: wasmSource,
    entry: "quantise_int8",
    args: ({ BLOCK }) => [BLOCK],
    items: ({ COUNT, BLOCK }) => COUNT / BLOCK,
  },
});

/** The smallest e with `largest` ≤ 127 · 2^e. */
function smallestExponent(largest: number): number {
  let exponent = -110; // below 2^−100 / 127
  while (largest > 127 * 2 ** exponent) exponent++;
  return exponent;
}

function roundHalfToEven(value: number): number {
  const floor = Math.floor(value), fraction = value - floor;
  if (fraction === 0.5) return floor % 2 === 0 ? floor : floor + 1;
  return fraction < 0.5 ? floor : floor + 1;
}
