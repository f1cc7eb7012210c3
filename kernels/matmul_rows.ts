/**
 * `matmul` for x·Wᵀ with at most four rows, as generation has them: a form for what is bound by reading W once.
 *
 * Meaning and WebAssembly form are those of `matmul`; only M ≤ 4, TRANSPOSE_A 0 and TRANSPOSE_B 1 are possible
 * (`fitsRows`).
 * @module
 */
import { type Kernel, spread } from "./kernel.ts";
import { variantsOf } from "./kernel_text.ts";
import { matmul, type MatmulShape } from "./matmul.ts";
import source from "./matmul_rows.wgsl" with { type: "text" };

/** Columns of one workgroup. */
const COLUMNS = 8;

export const matmulRows: Kernel<MatmulShape> = {
  ...matmul,
  name: "matmul_rows",
  source,
  variants: variantsOf<MatmulShape>(source, { wide: { fits: ({ N, K }) => N % 4 === 0 && K % 4 === 0 } }),
  grid: ({ N }) => spread(Math.ceil(N / COLUMNS)),
};

/** Whether `matmulRows` can do it. */
export function fitsRows({ M, TRANSPOSE_A, TRANSPOSE_B }: Pick<MatmulShape, "M" | "TRANSPOSE_A" | "TRANSPOSE_B">) {
  return M <= 4 && TRANSPOSE_A === 0 && TRANSPOSE_B === 1;
}
