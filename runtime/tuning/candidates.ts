/**
 * Which forms of a product are worth measuring: few, since each is compiled.
 * @module
 */
import { BY_SHAPE, type ProductChoice, type ProductUse, ROWS } from "../../kernels/product_choice.ts";
import type { GpuFeature } from "../../kernels/kernel.ts";
import { matrixFormsFor } from "../../kernels/matmul_matrix.ts";
import { fitsRows } from "../../kernels/matmul_rows.ts";
import { TILINGS } from "../../kernels/tiling.ts";

export const MOST_CANDIDATES = 8;

/** So many tiles of 64 × 64 keep every GPU busy: then only tiles differ; below, cutting along K may help. */
const MANY_TILES = 512;
/** Parts of K shorter than this are never faster. */
const SHORTEST_PART = 128;
const MOST_PARTS = 16;

/** For many tiles, larger ones first. */
const LARGE = ["128x128x8_8x8", "128x128x8_8x8_blocks", "128x64x16_8x8", "128x64x8_8x8_blocks", "64x128x16_8x4"];
const MIDDLE = ["64x64x8_8x8_blocks", "64x128x16_8x4_scalar", "64x64x16_8x4", "64x64x16_4x4", "64x64x8_8x8"];
const SMALL = ["32x32x16_4x4", "32x32x4_4x4_direct"];

/** For devices whose workgroup memory is hardly faster than their caches: software drivers among them. */
const BY_SUBGROUPS = ["16x128x1_16x4_subgroups"];

/** The one by shape first, then those of the device's matrix units and subgroups, then others; at most `MOST_CANDIDATES`. */
export function candidatesFor(use: ProductUse, features: ReadonlySet<GpuFeature> = new Set()): ProductChoice[] {
  const { M, N, K } = use, tiles = Math.ceil(M / 64) * Math.ceil(N / 64);
  const whole = (names: readonly string[]) => names.map((form) => ({ form, split: 1 }));
  const inParts = (names: readonly string[], counts: readonly number[]) =>
    counts.flatMap((count) => {
      const split = Math.min(count, MOST_PARTS, Math.floor(K / SHORTEST_PART));
      return split > 1 ? names.map((form) => ({ form, split })) : [];
    });
  const many = Math.ceil(MANY_TILES / tiles);
  const found = tiles >= MANY_TILES ? whole([...LARGE, ...MIDDLE, ...SMALL]) : [
    ...(fitsRows(use) ? whole([ROWS]) : []),
    ...whole(["64x64x16_4x4", "32x32x16_4x4", "64x64x8_8x8_blocks"]),
    ...inParts(["64x64x16_4x4"], [many, Math.ceil(many / 2)]),
    ...whole(["32x64x16_4x8_blocks", "32x32x4_4x4_direct", "64x64x16_4x4_scalar"]),
    ...inParts(["64x64x8_8x8_blocks", "32x32x16_4x4"], [Math.ceil(many / 2)]),
    ...whole(["64x64x16_8x4"]),
    ...inParts(["64x128x16_8x4"], [Math.ceil(many / 2)]),
  ];
  const units = whole(matrixFormsFor(features, use.areF16 === true).map(({ name }) => name));
  const told = whole(features.has("broadcasts") ? BY_SUBGROUPS : []);
  const sensible = [BY_SHAPE.product(use), ...units, ...told, ...found.filter((choice) => isSensible(choice, use))];
  const distinct = new Map(sensible.map((choice) => [`${choice.form} ${choice.split}`, choice]));
  return [...distinct.values()].slice(0, MOST_CANDIDATES);
}

/** Whether most of a tile lies inside the result; the smallest always may. */
function isSensible({ form }: ProductChoice, { M, N }: ProductUse): boolean {
  const tiling = TILINGS.find(({ name }) => name === form);
  return tiling === undefined || SMALL.includes(form) || (tiling.BM < 2 * M && tiling.BN < 2 * N);
}
