/**
 * Int8 codes with a power-of-two scale for each block, as a fold reads them.
 *
 * The one thing to know: these loops are most of a fold. What they do in another order than the plain ones is whole
 * numbers only, so the bits are those of adding value after value, vector after vector.
 * @module
 */
import type { EncodedVector } from "./codec.ts";

const BIAS = 127;
/** With it, 127 · 2^(exponent − 127) is below 2^127: every code decodes to a finite f32. */
export const LARGEST_EXPONENT = 247;
const SCALES = Float64Array.from({ length: LARGEST_EXPONENT + 1 }, (_, exponent) => 2 ** (exponent - BIAS));

/** Of two codes, by their 16 bits, the sum of their squares: at most 2¹⁵. */
const squaresOfPairs = new Uint16Array(2 ** 16);
for (let pair = 0; pair < squaresOfPairs.length; pair++) {
  const low = pair << 24 >> 24, high = pair << 16 >> 24;
  squaresOfPairs[pair] = low * low + high * high;
}

export interface Int8Parts {
  readonly codes: Int8Array;
  /** One for each block, at most `LARGEST_EXPONENT`. */
  readonly exponents: Uint8Array;
  /** Values that share a scale: a power of two from 16 to 4096. */
  readonly block: number;
}

export class Int8Vector implements EncodedVector, Int8Parts {
  readonly length: number;
  readonly codes: Int8Array;
  readonly exponents: Uint8Array;
  readonly block: number;
  /** block = 2^shift. */
  readonly shift: number;

  constructor({ codes, exponents, block }: Int8Parts) {
    this.length = codes.length;
    this.codes = codes;
    this.exponents = exponents;
    this.block = block;
    this.shift = Math.log2(block);
  }

  normSquared(): number {
    const { codes, exponents, block, length } = this;
    // Pairs begin at even addresses: where codes do not, each block's first one stands alone.
    const first = codes.byteOffset & 1;
    const pairs = new Uint16Array(codes.buffer, codes.byteOffset + first, (length - first) >> 1);
    let sum = 0;
    for (let b = 0; b < exponents.length; b++) {
      const start = b * block, stop = Math.min(start + block, length), count = stop - start - first;
      let squares = 0; // below 2^31: 4096 · 2^14
      if (first === 1) squares = codes[start]! * codes[start]!;
      if ((count & 1) === 1) squares += codes[stop - 1]! * codes[stop - 1]!;
      const end = (start >> 1) + (count >> 1);
      for (let pair = start >> 1; pair < end; pair++) squares = (squares + squaresOfPairs[pairs[pair]!]!) | 0;
      const scale = SCALES[exponents[b]!]!;
      sum += squares * scale * scale;
    }
    return sum;
  }

  addTo(into: Float64Array, { start, share }: { readonly start: number; readonly share: number }): void {
    const { codes, block } = this, end = start + into.length;
    for (let at = start; at < end;) {
      // Scales are powers of two, so share × scale × code has the bits of share × value.
      const stop = Math.min(end, at - (at & (block - 1)) + block), factor = share * scaleAt(this, at);
      for (let i = at - start; at < stop; at++, i++) into[i] = into[i]! + factor * codes[at]!;
    }
  }
}

export type Four<T> = readonly [T, T, T, T];

/** What `addTo` of each does, one after the other, with every sum read and written once instead of four times. */
export function addFour(
  into: Float64Array,
  vectors: Four<Int8Vector>,
  { start, shares }: { readonly start: number; readonly shares: Four<number> },
): void {
  const [a, b, c, d] = vectors, [codesA, codesB, codesC, codesD] = [a.codes, b.codes, c.codes, d.codes];
  const smallest = Math.min(a.block, b.block, c.block, d.block), end = start + into.length;
  for (let at = start; at < end;) {
    const stop = Math.min(end, at - (at & (smallest - 1)) + smallest);
    const factorA = shares[0] * scaleAt(a, at), factorB = shares[1] * scaleAt(b, at);
    const factorC = shares[2] * scaleAt(c, at), factorD = shares[3] * scaleAt(d, at);
    for (let i = at - start; at < stop; at++, i++) {
      into[i] = into[i]! + factorA * codesA[at]! + factorB * codesB[at]! + factorC * codesC[at]! +
        factorD * codesD[at]!;
    }
  }
}

function scaleAt({ exponents, shift }: Int8Vector, at: number): number {
  return SCALES[exponents[at >>> shift]!]!;
}
