/**
 * Rotary position embedding: turns pairs of values of each head by angles that grow with the token's position.
 *
 * N tokens; a row has ROW values, of which the first ROTATED_HEADS heads of D are turned and the rest copied (a packed
 * row is query, key, value heads, and values are not turned). Pairs are (j, j + D/2), the halves form of Llama in
 * transformers, not the interleaved form of the paper. A row of the table has the cosines, then the sines, of the D/2
 * angles of a position; P positions. With `INVERSE` it turns back, which is its backward pass.
 *
 * Su et al. 2021, arXiv 2104.09864, eq. 34.
 * @module
 */
import { defineKernel, reads, readsStored, readsWords, spread, writesStored } from "./kernel.ts";
import { variantsOf } from "./kernel_text.ts";
import source from "./rope.wgsl" with { type: "text" };
import wasmSource from "./rope.as" with { type: "text" };

export type RopeShape = {
  readonly N: number;
  readonly ROTATED_HEADS: number;
  readonly ROW: number;
  /** Even. */
  readonly D: number;
  readonly P: number;
  /** 1 turns by the opposite angle. */
  readonly INVERSE: number;
  /** 1 adds to `y`, 0 overwrites it. */
  readonly ACCUMULATE: number;
};

export const rope = defineKernel<RopeShape>()({
  name: "rope",
  source,
  bindings: {
    x: readsStored(({ N, ROW }) => N * ROW),
    positions: readsWords(({ N }) => N),
    table: reads(({ P, D }) => P * D),
    y: writesStored(({ N, ROW }) => N * ROW),
  },
  grid: ({ N, ROW }) => spread(Math.ceil(N * ROW / 256)),
  variants: variantsOf(source, {
    wide: {
      fits: ({ ROW, D }) => ROW % 4 === 0 && D % 8 === 0,
      grid: ({ N, ROW }) => spread(Math.ceil(N * ROW / 4 / 256)),
    },
  }),
  flops: ({ N, ROTATED_HEADS, D }) => 3 * N * ROTATED_HEADS * D,
  moves: ({ N, P }) => ({ table: Math.min(1, N / P) }),
  reference({ x, positions, table, y }, { N, ROTATED_HEADS, ROW, D, INVERSE, ACCUMULATE }) {
    if (ACCUMULATE === 0) y.fill(0);
    const half = D / 2;
    for (let n = 0; n < N; n++) {
      for (let head = 0; head < ROTATED_HEADS; head++) {
        for (let j = 0; j < half; j++) {
          const a = n * ROW + head * D + j, b = a + half, angle = positions[n]! * D + j;
          const cos = table[angle]!, sin = (INVERSE === 1 ? -1 : 1) * table[angle + half]!;
          y[a]! += x[a]! * cos - x[b]! * sin;
          y[b]! += x[b]! * cos + x[a]! * sin;
        }
      }
      for (let i = n * ROW + ROTATED_HEADS * D; i < (n + 1) * ROW; i++) y[i]! += x[i]!;
    }
  },
  wasm: {
    source: wasmSource,
    entry: "rope",
    args: ({ ROTATED_HEADS, ROW, D, INVERSE, ACCUMULATE }) => [ROTATED_HEADS, ROW, D, INVERSE, ACCUMULATE],
    items: ({ N }) => N,
  },
});

export interface RopeTableOptions {
  /** Rows of the table. */
  readonly positionCount: number;
  /** D. */
  readonly headSize: number;
  /** Angle j of position p is p · base^(−2j/D); `rope_theta` of a Hugging Face config. */
  readonly base: number;
}

/** The table (P, D), computed in f64 and rounded once: a GPU's sine is good to 11 bits only. */
export function ropeTable({ positionCount, headSize, base }: RopeTableOptions): Float32Array<ArrayBuffer> {
  const table = new Float32Array(positionCount * headSize), half = headSize / 2;
  for (let p = 0; p < positionCount; p++) {
    for (let j = 0; j < half; j++) {
      const angle = p * base ** (-2 * j / headSize);
      table[p * headSize + j] = Math.cos(angle);
      table[p * headSize + half + j] = Math.sin(angle);
    }
  }
  return table;
}
