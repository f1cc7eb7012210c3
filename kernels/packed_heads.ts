/**
 * Where the heads of packed query, key and value rows are: the one layout that all attention kernels share.
 *
 * A packed row is q (H·D), k (G·D), v (G·D). H is a multiple of G, and H / G neighbouring query heads share one
 * key-value head (grouped-query attention; G = H is the plain kind, G = 1 multi-query).
 * @module
 */

export type Heads = {
  /** Query heads. */
  readonly H: number;
  /** Key-value heads; divides H. */
  readonly G: number;
  /** Head size, at most `LARGEST_HEAD_SIZE`. */
  readonly D: number;
};

/** The largest head that the shaders have registers for. */
const LARGEST_HEAD_SIZE = 128;

/**
 * Words of a packed row. Every kernel that sees packed rows asks for it when it is prepared.
 * @throws {RangeError} if no kernel can do such heads.
 */
export function packedWidth({ H, G, D }: Heads): number {
  if (H % G !== 0) {
    throw new RangeError(
      `Cannot share ${G} key-value heads among ${H} query heads: choose a count of key-value heads that divides ${H}`,
    );
  }
  if (D > LARGEST_HEAD_SIZE) {
    throw new RangeError(
      `Cannot attend with heads of ${D} values: the kernels hold at most ${LARGEST_HEAD_SIZE}; choose more heads`,
    );
  }
  return (H + 2 * G) * D;
}

/** The key-value head that query head `h` looks at. */
export function keyValueHead({ H, G }: Heads, h: number): number {
  return Math.floor(h / (H / G));
}

/** Offsets, in words of a packed row, of query head `h` and of its key and value. */
export function headOffsets(heads: Heads, h: number): { readonly q: number; readonly k: number; readonly v: number } {
  const { H, G, D } = heads, g = keyValueHead(heads, h);
  return { q: h * D, k: (H + g) * D, v: (H + G + g) * D };
}

/** Σ a[aStart + d]·b[bStart + d] over the D values of a head. */
export function headDot(
  [a, aStart]: readonly [ArrayLike<number>, number],
  [b, bStart]: readonly [ArrayLike<number>, number],
  D: number,
): number {
  let sum = 0;
  for (let d = 0; d < D; d++) sum += a[aStart + d]! * b[bStart + d]!;
  return sum;
}

/** Queries or keys of an item of the WebAssembly forms, the `ROWS` of their texts: some strips of eight. */
export const ITEM_ROWS = 64;

/** `value` rounded up to whole panels of 4 rows, which the WebAssembly forms multiply. */
export function fours(value: number): number {
  return Math.ceil(value / 4) * 4;
}
