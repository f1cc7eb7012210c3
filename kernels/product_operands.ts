/**
 * Writes the WGSL by which the operands of a tiled product come from storage, and wait in workgroup memory.
 *
 * What is done with them is `tiled_product.ts`. A slice is of one depth of a tile, K-major, and padded so that a column
 * of it is not in one bank. What lies beyond the edge of a matrix is replaced by its last row or column, since those sums
 * are not stored; what is beyond K must be 0.
 *
 * The one thing to know before editing: a slice in blocks has vectors of four neighbouring rows or columns, of one k.
 * Where storage has neighbours of K beside each other instead, an invocation takes four rows of four of them and turns
 * them. Nothing is converted on the way: a slice of f16 takes half the memory, and an infinity stays one.
 * @module
 */
import { isStaged, lanesOf, type Tiling } from "./tiling.ts";

export interface ProductOptions {
  /** Name of the count of columns of the result. Default N. */
  readonly columns?: string;
  /**
   * Whether K is cut in SPLIT parts (`partLength`), one for each layer of the grid. Then `store` gets the part's index
   * first. Default false.
   */
  readonly isSplit?: boolean;
  /**
   * Whether op(b) is two matrices side by side. Then half of a tile is of the first and half of the second, and `store`
   * gets both sums of a place. Default false.
   */
  readonly isPaired?: boolean;
  /** How many values a place of storage has, of each operand and of the result: 4 only of a tiling in blocks. Default 1. */
  readonly widths?: Readonly<Record<"a" | "b" | "y", 1 | 4>>;
  /** Whether a subgroup's invocations tell each other rows of a, in a tiling for that; else each reads all. Default false. */
  readonly tells?: boolean;
}

type Operand = "a" | "b";

/** Words, or vectors, from one k to the next. */
export function strideOf(side: number, staging: Tiling["staging"]): number {
  return (staging === "scalar" ? side : side / 4) + 1;
}

/** The declaration of a slice; of one in blocks also of the vectors in it. */
export function sliceOf(operand: Operand, tiling: Tiling, { widths }: ProductOptions): string[] {
  const { BK, staging } = tiling, size = BK * strideOf(sideOf(operand, tiling), staging);
  if (staging !== "blocks") {
    return [`var<workgroup> ${operand}_slice: array<${staging === "vec4" ? "vec4f" : "f32"}, ${size}>;`];
  }
  const stored = `stored_${operand}`;
  return [
    `alias four_${operand} = ${widths?.[operand] === 4 ? stored : `vec4<${stored}>`};`,
    `var<workgroup> ${operand}_slice: array<four_${operand}, ${size}>;`,
  ];
}

/** Each invocation brings its share of a slice, along the rows that are in storage. */
export function sliceLoads(operand: Operand, tiling: Tiling): string[] {
  const isAcross = operand === "a" ? "TRANSPOSE_A == 1u" : "TRANSPOSE_B == 0u"; // neighbours in storage are of one k
  if (tiling.staging !== "blocks") return quarterLoads(operand, tiling, isAcross);
  return [
    `    if (${isAcross}) {`,
    ...blockLoads(operand, tiling),
    "    } else {",
    ...turnedLoads(operand, tiling),
    "    }",
  ];
}

function quarterLoads(operand: Operand, tiling: Tiling, isAcross: string): string[] {
  const { BK, staging } = tiling, side = sideOf(operand, tiling), lanes = lanesOf(tiling);
  const places = staging === "vec4" ? side / 4 : side;
  const element = (quarter: number) => {
    const line = lineAt(operand, `place${quarter === 0 ? "" : ` + ${quarter * side / 4}u`}`);
    return operand === "a" ? `a_at(${line}, k)` : `b_at(k, ${line})`;
  };
  const value = staging === "vec4" ? `vec4f(${range(4).map(element).join(", ")})` : element(0);
  return range(BK * places / lanes).flatMap((turn) => [
    "    {",
    `      let i = lane${turn === 0 ? "" : ` + ${turn * lanes}u`};`,
    `      let place = select(i / ${BK}u, i % ${places}u, ${isAcross});`,
    `      let depth = select(i % ${BK}u, i / ${places}u, ${isAcross});`,
    `      let k = first_k + depth;`,
    `      ${operand}_slice[depth * ${strideOf(side, staging)}u + place] = ${value};`,
    "    }",
  ]);
}

/** Vectors of the slice that are vectors of storage. */
function blockLoads(operand: Operand, tiling: Tiling): string[] {
  const { BK, staging } = tiling, side = sideOf(operand, tiling), lanes = lanesOf(tiling);
  return range(BK * side / 4 / lanes).flatMap((turn) => [
    "      {",
    `        let i = lane${turn === 0 ? "" : ` + ${turn * lanes}u`};`,
    `        let place = i % ${side / 4}u;`,
    `        let depth = i / ${side / 4}u;`,
    `        ${operand}_slice[depth * ${strideOf(side, staging)}u + place] = ` +
    `${operand}_across(${firstOf(operand)}, 4u * place, first_k + depth);`,
    "      }",
  ]);
}

/** Blocks of four by four. Where not all invocations are needed, the first bring those of a, the last those of b. */
function turnedLoads(operand: Operand, tiling: Tiling): string[] {
  const { BK, staging } = tiling, side = sideOf(operand, tiling), lanes = lanesOf(tiling);
  const blocks = BK / 4 * side / 4, own = operand === "a" ? "lane" : `(${lanes - 1}u - lane)`;
  return range(Math.ceil(blocks / lanes)).flatMap((turn) => [
    (turn + 1) * lanes > blocks ? `      if (${own} < ${blocks - turn * lanes}u) {` : "      {",
    `        let i = ${own}${turn === 0 ? "" : ` + ${turn * lanes}u`};`,
    `        let place = i / ${BK / 4}u;`,
    `        let depth = i % ${BK / 4}u * 4u;`,
    ...range(4).map((j) =>
      `        let line${j} = ${operand}_along(${lineAt(operand, `4u * place + ${j}u`)}, first_k + depth);`
    ),
    ...range(4).map((j) =>
      `        ${operand}_slice[(depth + ${j}u) * ${strideOf(side, staging)}u + place] = ` +
      `four_${operand}(${range(4).map((line) => `line${line}.${"xyzw"[j]}`).join(", ")});`
    ),
    "      }",
  ]);
}

function sideOf(operand: Operand, { BM, BN }: Tiling): number {
  return operand === "a" ? BM : BN;
}

function firstOf(operand: Operand): string {
  return operand === "a" ? "first_row" : "first_column";
}

/** The row of a, or column of b, at a place of the tile. */
function lineAt(operand: Operand, place: string): string {
  return `${operand === "a" ? "row_at" : "column_at"}(${firstOf(operand)}, ${place})`;
}

/** The functions that the loads call. */
export function operandFunctions(tiling: Tiling, options: ProductOptions): string[] {
  return [
    "fn row_at(first: u32, place: u32) -> u32 {",
    `  return select(min(first + place, M - 1u), first + place, M % ${tiling.BM}u == 0u);`,
    "}",
    "",
    "fn column_at(first: u32, place: u32) -> u32 {",
    ...columnAt(tiling, options),
    "}",
    ...(tiling.staging === "blocks" ? blockFunctions(tiling, options) : elementFunctions(tiling, options)),
  ];
}

function columnAt({ BN }: Tiling, { columns = "N", isPaired = false }: ProductOptions): string[] {
  const width = isPaired ? BN / 2 : BN;
  const inside = (place: string) => `select(min(${place}, ${columns} - 1u), ${place}, ${columns} % ${width}u == 0u)`;
  if (!isPaired) return [`  return ${inside("first + place")};`];
  return [
    `  let column = first + place % ${width}u;`,
    `  return ${inside("column")} + select(0u, ${columns}, place >= ${width}u);`,
  ];
}

function elementFunctions(tiling: Tiling, options: ProductOptions): string[] {
  const guard = isStaged(tiling) ? [outside(tiling.BK, "0.0")] : [];
  return [
    "",
    "fn a_at(row: u32, k: u32) -> f32 {",
    ...guard,
    "  return f32(a[select(row * K + k, k * M + row, TRANSPOSE_A == 1u)]);",
    "}",
    "",
    "fn b_at(k: u32, column: u32) -> f32 {",
    ...guard,
    `  return f32(b[select(k * ${allColumns(options)} + column, column * K + k, TRANSPOSE_B == 1u)]);`,
    "}",
  ];
}

/**
 * For each operand `_across`, four rows or columns of one k, and `_along`, four k of one row or column. With one value in
 * a place they are read one by one; with four, a vector is inside a matrix or outside, as a whole.
 */
function blockFunctions({ BK }: Tiling, options: ProductOptions): string[] {
  return (["a", "b"] as const).flatMap((operand) => {
    const line = operand === "a" ? "row_at" : "column_at", four = `four_${operand}`, stored = `stored_${operand}`;
    const across = (place: string) => `k * ${operand === "a" ? "M" : allColumns(options)} + ${line}(first, ${place})`;
    const isWide = options.widths?.[operand] === 4;
    const values = range(4).map((j) => `${operand}[${across(`place + ${j}u`)}]`).join(", ");
    const valuesAlong = range(4).map((j) => `${operand}_one(line, k + ${j}u)`).join(", ");
    return [
      "",
      `fn ${operand}_across(first: u32, place: u32, k: u32) -> ${four} {`,
      outside(BK, `${four}()`),
      `  return ${isWide ? `${operand}[(${across("place")}) / 4u]` : `${four}(${values})`};`,
      "}",
      "",
      `fn ${operand}_along(line: u32, k: u32) -> ${four} {`,
      ...(isWide ? [outside(BK, `${four}()`)] : []),
      `  return ${isWide ? `${operand}[(line * K + k) / 4u]` : `${four}(${valuesAlong})`};`,
      "}",
      ...(isWide ? [] : [
        "",
        `fn ${operand}_one(line: u32, k: u32) -> ${stored} {`,
        outside(BK, `${stored}()`),
        `  return ${operand}[line * K + k];`,
        "}",
      ]),
    ];
  });
}

function outside(BK: number, zero: string): string {
  return `  if (K % ${BK}u != 0u && k >= K) { return ${zero}; }`;
}

/** Columns of op(b). */
function allColumns({ columns = "N", isPaired = false }: ProductOptions): string {
  return isPaired ? `(2u * ${columns})` : columns;
}

function range(count: number): number[] {
  return Array.from({ length: count }, (_, i) => i);
}
