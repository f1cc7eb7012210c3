/**
 * How a product of matrices is cut into tiles: the table that the matmul family is made from.
 *
 * A workgroup makes a tile of BM × BN values of the result, an invocation TM × TN of them, in registers; along K it
 * goes BK deep at a time. No tiling is the best on every GPU, so that which one a product has is chosen
 * (`product_choice.ts`); all give the same values but for rounding. `tiled_product.ts` writes the WGSL.
 *
 * Every tiling keeps within what WebGPU grants everywhere: 16 KiB of workgroup memory and 256 invocations.
 * @module
 */

export interface Tiling {
  /** Unique; part of the names of kernels, and what stored measurements call it. */
  readonly name: string;
  readonly BM: number;
  readonly BN: number;
  readonly BK: number;
  readonly TM: number;
  readonly TN: number;
  /**
   * Where the operands of one depth wait: in workgroup memory, four values a word or one; there too, but in blocks of
   * neighbours, as they lie in storage (f16 stays f16 until it is multiplied), which come four at once where rows are
   * multiples of four; or nowhere: then each invocation reads storage itself and leaves sharing to the caches. With
   * subgroups that is so of b alone: all invocations of a workgroup have the same rows of a, and those of a subgroup read
   * eight of them each, by turns, and tell them one another.
   */
  readonly staging: "vec4" | "scalar" | "blocks" | "none" | "subgroups";
}

/** The tiling of a product that nobody chose one for: of those in the table the one that is nowhere far from the best. */
export const DEFAULT_TILING: Tiling = tiling("vec4", [64, 64, 16], [4, 4]);

export const TILINGS: readonly Tiling[] = [
  DEFAULT_TILING,
  tiling("scalar", [64, 64, 16], [4, 4]),
  tiling("vec4", [32, 32, 16], [4, 4]),
  tiling("vec4", [64, 64, 16], [8, 4]),
  tiling("vec4", [64, 128, 16], [8, 4]),
  tiling("scalar", [64, 128, 16], [8, 4]),
  tiling("vec4", [64, 64, 8], [8, 8]),
  tiling("vec4", [128, 64, 16], [8, 8]),
  tiling("vec4", [128, 128, 8], [8, 8]),
  tiling("blocks", [32, 64, 16], [4, 8]),
  tiling("blocks", [64, 64, 8], [8, 8]),
  tiling("blocks", [128, 64, 8], [8, 8]),
  tiling("blocks", [128, 128, 8], [8, 8]),
  tiling("none", [32, 32, 4], [4, 4]),
  tiling("subgroups", [16, 128, 1], [16, 4]),
];

/** Whether operands wait in workgroup memory. */
export function isStaged({ staging }: Tiling): boolean {
  return staging !== "none" && staging !== "subgroups";
}

/** Invocations of a workgroup. */
export function lanesOf({ BM, BN, TM, TN }: Tiling): number {
  return BM / TM * (BN / TN);
}

/**
 * Workgroups of a result of `rows` × `columns`. The shorter side runs fastest, so that what the caches must hold
 * meanwhile is the smaller operand.
 */
export function tileGrid(
  { BM, BN }: Tiling,
  { rows, columns, width = BN, parts = 1 }: {
    readonly rows: number;
    readonly columns: number;
    /** Columns of the result that a tile makes; BN if absent. */
    readonly width?: number;
    /** Slices of K that have workgroups of their own. */
    readonly parts?: number;
  },
): readonly [number, number, number] {
  const down = Math.ceil(rows / BM), across = Math.ceil(columns / width);
  return rows <= columns ? [down, across, parts] : [across, down, parts];
}

/** One kernel for each tiling, by its name; the default's has the name of the operation alone. */
export function forEachTiling<K>(operation: string, make: (tiling: Tiling, name: string) => K): ReadonlyMap<string, K> {
  return new Map(TILINGS.map((tiling) => {
    const name = tiling === DEFAULT_TILING ? operation : `${operation}_${tiling.name}`;
    return [tiling.name, make(tiling, name)];
  }));
}

function tiling(
  staging: Tiling["staging"],
  [BM, BN, BK]: readonly [number, number, number],
  [TM, TN]: readonly [number, number],
): Tiling {
  const kind = { vec4: "", scalar: "_scalar", blocks: "_blocks", none: "_direct", subgroups: "_subgroups" }[staging];
  return { name: `${BM}x${BN}x${BK}_${TM}x${TN}${kind}`, BM, BN, BK, TM, TN, staging };
}
