/**
 * Writes the WGSL of a product of matrices for GPUs with matrix units, which Dawn's experimental subgroup matrices give
 * access to: a subgroup multiplies squares of 8 or 16 values a side in one operation.
 *
 * Like `tiled_product.ts` it adds `main` to an operation's own text, and operands are read by the same functions; so
 * edges need no care: what lies beyond them is replaced while a slice is brought to workgroup memory, and is not stored.
 * Which devices have such units is asked in `runtime/device/matrix_units.ts`, and whether they compute rightly in
 * `runtime/device/product_check.ts`.
 *
 * The one thing to know before editing: a square of sums lies across the lanes of its subgroup, nobody knows how. So the
 * finished sums go through workgroup memory, square by square, before `store` gets them.
 * @module
 */
import type { GpuFeature } from "./kernel.ts";
import { operandFunctions } from "./product_operands.ts";
import { lanesOf, type Tiling } from "./tiling.ts";

/** A tiling whose tiles are made by four subgroups of 32 lanes, each with a part of its own. */
export interface MatrixTiling extends Tiling {
  readonly needs: GpuFeature;
  /** What the units multiply; they add in f32. */
  readonly component: "f32" | "f16";
  /** Values of a side of their squares, in all three directions. */
  readonly side: 8 | 16;
  /** How many subgroups are above, and beside, each other. */
  readonly subgroups: readonly [rows: number, columns: number];
}

/** Lanes of a subgroup: what NVIDIA and Apple have. Where it is not so, the self-test says that products are wrong. */
export const SUBGROUP_LANES = 32;

/** The operations of the units as WGSL, of which a test has others that any GPU can run. */
export interface MatrixUnits {
  /** Parameters of `main` and lines at its beginning that say what `subgroup` (its index) and `subgroup_lane` are. */
  readonly parameters: readonly string[];
  readonly beginning: readonly string[];
  /** Type of a square of sums; a variable of it begins with zeros. */
  sums(tiling: MatrixTiling): string;
  /** A square of an operand, in a slice with rows of `stride` values. */
  left(tiling: MatrixTiling, offset: string, stride: number): string;
  right(tiling: MatrixTiling, offset: string, stride: number): string;
  /** The sums and what the product of two squares adds. */
  multiplied(left: string, right: string, sums: string): string;
  /** Writes a square of sums to `results`. */
  written(tiling: MatrixTiling, offset: string, sums: string): string;
}

export const SUBGROUP_MATRICES: MatrixUnits = {
  parameters: ["@builtin(subgroup_id) subgroup: u32", "@builtin(subgroup_invocation_id) subgroup_lane: u32"],
  beginning: [],
  sums: ({ side }) => `subgroup_matrix_result<f32, ${side}, ${side}>`,
  left: ({ side, component }, offset, stride) =>
    `subgroupMatrixLoad<subgroup_matrix_left<${component}, ${side}, ${side}>, row_major>(&a_slice, ${offset}, ${stride}u)`,
  right: ({ side, component }, offset, stride) =>
    `subgroupMatrixLoad<subgroup_matrix_right<${component}, ${side}, ${side}>, row_major>(&b_slice, ${offset}, ${stride}u)`,
  multiplied: (left, right, sums) => `subgroupMatrixMultiplyAccumulate(${left}, ${right}, ${sums})`,
  written: ({ side }, offset, sums) => `subgroupMatrixStore<row_major>(&results, ${offset}, ${sums}, ${side}u)`,
};

/** Rows of a slice are so many bytes longer, so that a column of it is not in one bank; squares stay aligned. */
const PADDING_BYTES = 16;

export interface MatrixProductOptions {
  /** Name of the count of columns of the result. Default N. */
  readonly columns?: string;
  readonly units?: MatrixUnits;
}

/** The whole text. M, K, TRANSPOSE_A, TRANSPOSE_B, the name in `columns` and `store(row, column, sum)` must have a meaning. */
export function matrixProduct(
  operation: string,
  tiling: MatrixTiling,
  { columns: width = "N", units = SUBGROUP_MATRICES }: MatrixProductOptions = {},
): string {
  const { BM, BN, BK, component, side, subgroups: [down, across] } = tiling, lanes = lanesOf(tiling);
  const padding = PADDING_BYTES / (component === "f16" ? 2 : 4), strideA = BK + padding, strideB = BN + padding;
  const rows = range(BM / down / side), columns = range(BN / across / side);
  const place = `subgroup * ${side * side}u`;
  return [
    operation.trimEnd(),
    "",
    `var<workgroup> a_slice: array<${component}, ${BM * strideA}>;`,
    `var<workgroup> b_slice: array<${component}, ${BK * strideB}>;`,
    `var<workgroup> results: array<f32, ${down * across * side * side}>;`,
    "",
    `@compute @workgroup_size(${lanes})`,
    `fn main(${
      ["@builtin(workgroup_id) group: vec3u", "@builtin(local_invocation_index) lane: u32", ...units.parameters]
        .join(", ")
    }) {`,
    ...units.beginning.map((line) => `  ${line}`),
    `  let first_row = select(group.y, group.x, M <= ${width}) * ${BM}u;`,
    `  let first_column = select(group.x, group.y, M <= ${width}) * ${BN}u;`,
    `  let own_row = subgroup / ${across}u * ${BM / down}u;`,
    `  let own_column = subgroup % ${across}u * ${BN / across}u;`,
    ...rows.flatMap((i) => columns.map((j) => `  var sums${i}_${j}: ${units.sums(tiling)};`)),
    "",
    `  for (var first_k = 0u; first_k < K; first_k += ${BK}u) {`,
    `    for (var i = lane; i < ${BM * BK}u; i += ${lanes}u) {`,
    `      let place = select(i / ${BK}u, i % ${BM}u, TRANSPOSE_A == 1u);`, // neighbours are neighbours in storage
    `      let depth = select(i % ${BK}u, i / ${BM}u, TRANSPOSE_A == 1u);`,
    `      a_slice[place * ${strideA}u + depth] = ${component}(a_at(row_at(first_row, place), first_k + depth));`,
    "    }",
    `    for (var i = lane; i < ${BN * BK}u; i += ${lanes}u) {`,
    `      let place = select(i / ${BK}u, i % ${BN}u, TRANSPOSE_B == 0u);`,
    `      let depth = select(i % ${BK}u, i / ${BN}u, TRANSPOSE_B == 0u);`,
    `      b_slice[depth * ${strideB}u + place] = ${component}(b_at(first_k + depth, column_at(first_column, place)));`,
    "    }",
    "    workgroupBarrier();",
    ...range(BK / side).flatMap((step) => [
      "    {",
      ...rows.map((i) =>
        `      let a${i} = ${units.left(tiling, `(own_row + ${i * side}u) * ${strideA}u + ${step * side}u`, strideA)};`
      ),
      ...columns.map((j) =>
        `      let b${j} = ${units.right(tiling, `${step * side * strideB}u + own_column + ${j * side}u`, strideB)};`
      ),
      ...rows.flatMap((i) =>
        columns.map((j) => `      sums${i}_${j} = ${units.multiplied(`a${i}`, `b${j}`, `sums${i}_${j}`)};`)
      ),
      "    }",
    ]),
    "    workgroupBarrier();",
    "  }",
    "",
    ...rows.flatMap((i) =>
      columns.flatMap((j) => [
        `  ${units.written(tiling, place, `sums${i}_${j}`)};`,
        "  workgroupBarrier();",
        `  for (var i = subgroup_lane; i < ${side * side}u; i += ${SUBGROUP_LANES}u) {`,
        `    let row = first_row + own_row + ${i * side}u + i / ${side}u;`,
        `    let column = first_column + own_column + ${j * side}u + i % ${side}u;`,
        `    if (row < M && column < ${width}) { store(row, column, results[${place} + i]); }`,
        "  }",
        "  workgroupBarrier();",
      ])
    ),
    "}",
    "",
    ...operandFunctions(tiling, { columns: width }),
    "",
  ].join("\n");
}

function range(count: number): number[] {
  return Array.from({ length: count }, (_, i) => i);
}
