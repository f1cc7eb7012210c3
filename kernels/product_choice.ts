/**
 * Which form a product of matrices has on a device: a tiling, and whether its sums are cut along K.
 *
 * Every choice gives the same values but for rounding; they differ in speed alone. Here is the contract, the choice for
 * devices that have one form (their WebAssembly or reference ignores the others), and the one for a GPU that nobody has
 * measured. What was measured is `runtime/tuning`.
 * @module
 */
import type { Kernel } from "./kernel.ts";
import { matmulForms, type MatmulShape } from "./matmul.ts";
import { matmulMatrixForms, MATRIX_TILINGS } from "./matmul_matrix.ts";
import { fitsRows, matmulRows } from "./matmul_rows.ts";
import { DEFAULT_TILING, type Tiling, TILINGS } from "./tiling.ts";

/** What a choice may depend on. */
export type ProductUse = Pick<MatmulShape, "M" | "N" | "K" | "TRANSPOSE_A" | "TRANSPOSE_B"> & {
  /** Whether an operand lies in memory as f16. */
  readonly inF16: boolean;
  /** Whether both do, which units that multiply f16 need. Default false. */
  readonly areF16?: boolean;
};

export interface ProductChoice {
  /** Name of a tiling, of one of matrix units (`matmul_matrix.ts`), or `ROWS`. */
  readonly form: string;
  /** Parts that K is cut in; 1 if the product is made whole. Only the tilings of `tiling.ts` make parts. */
  readonly split: number;
}

/** What a graph asks. */
export interface KernelChoice {
  /** Whether a product takes over the activation that follows it. */
  readonly fuses: boolean;
  product(use: ProductUse): ProductChoice;
}

/** The form of `matmul_rows`. */
export const ROWS = "rows";

/** One step for each product, all of one form: right on every device, fast where there is but one form. */
export const ONE_FORM: KernelChoice = { fuses: false, product: () => ({ form: DEFAULT_TILING.name, split: 1 }) };

/** By shape alone, for a GPU of any size: enough workgroups for a large one, tiles that a small one can hold. */
export const BY_SHAPE: KernelChoice = { fuses: true, product: choiceByShape };

/** For a software driver, whose workgroup memory is none: by subgroups, whatever the shape, and never in parts. */
export const BY_SUBGROUPS: KernelChoice = {
  fuses: true,
  product: (use) => ({ form: fitsRows(use) ? ROWS : TOLD.name, split: 1 }),
};

/** The kernel of a form. @throws {RangeError} if there is none of this name. */
export function formOf(form: string): Kernel<MatmulShape> {
  const kernel = form === ROWS ? matmulRows : matmulForms.get(form) ?? matmulMatrixForms.get(form);
  if (kernel !== undefined) return kernel;
  throw new RangeError(`There is no form '${form}' of a matrix product: ${FORMS.join(", ")}`);
}

/** The names of all forms. */
export const FORMS: readonly string[] = [ROWS, ...matmulForms.keys(), ...matmulMatrixForms.keys()];

/** Whether a form computes a product; on devices without what it needs, it does so as another form. */
export function fitsForm(form: string, use: ProductUse): boolean {
  if (form === ROWS) return fitsRows(use);
  return MATRIX_TILINGS.find(({ name }) => name === form)?.component !== "f16" || use.areF16 === true;
}

/** More than a hundred compute units have work, most of them for two workgroups at once. */
const ENOUGH_WORKGROUPS = 192;
/** A part of K is at least so long: adding the parts costs as much as some dozens of products. */
const SHORTEST_PART = 256;
const MOST_PARTS = 16;

const LARGE = tilingOf("64x128x16_8x4"), MIDDLE = DEFAULT_TILING, SMALL = tilingOf("32x32x16_4x4");
const TOLD = tilingOf("16x128x1_16x4_subgroups");

function choiceByShape(use: ProductUse): ProductChoice {
  if (fitsRows(use)) return { form: ROWS, split: 1 };
  const { M, N, K } = use;
  const fits = ({ BM, BN }: Tiling) => BM < 2 * M && BN < 2 * N; // else most of a tile lies beyond the edge
  const needed = ({ BM, BN }: Tiling) => Math.ceil(ENOUGH_WORKGROUPS / (Math.ceil(M / BM) * Math.ceil(N / BN)));
  const possible = Math.max(1, Math.min(MOST_PARTS, Math.floor(K / SHORTEST_PART)));
  for (const tiling of [LARGE, MIDDLE]) {
    if (fits(tiling) && needed(tiling) === 1) return { form: tiling.name, split: 1 };
  }
  if (fits(MIDDLE) && needed(MIDDLE) <= possible) return { form: MIDDLE.name, split: needed(MIDDLE) };
  return { form: SMALL.name, split: Math.min(needed(SMALL), possible) };
}

function tilingOf(name: string): Tiling {
  return TILINGS.find((tiling) => tiling.name === name)!;
}
