/**
 * Writes the WGSL of a product of matrices for one tiling: the one place outside `*.wgsl` where shaders are written.
 *
 * An operation's own `.wgsl` has its constants, its bindings and `store`, which says what becomes of a finished value;
 * added here is `main`, which makes the values. What differs between tilings is how often things are repeated: sums
 * have names of their own and the products of one depth stand one after the other, since arrays that a loop goes over
 * do not stay in registers, and each turn of a loop costs a counter and a bound. Only the loop along K is one.
 *
 * The one thing to know before editing: an invocation's rows are not neighbours but a quarter of the tile apart, and so
 * are its columns. A vector of four is one value of each quarter. So neighbouring invocations touch neighbouring words of
 * storage however an operand lies there, and no row need start at a multiple of four.
 *
 * After what an operation declares, M, K, TRANSPOSE_A, TRANSPOSE_B and the name in `columns` must have a meaning.
 * @module
 */
import { lanesOf, type Tiling } from "./tiling.ts";

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
}

/** Every part of K but the last is a multiple of it: of the depth of every tiling. */
const PART_MULTIPLE = 32;

/** How long the parts of K are; the last is shorter, or even empty. */
export function partLength(K: number, split: number): number {
  return Math.ceil(Math.ceil(K / split) / PART_MULTIPLE) * PART_MULTIPLE;
}

/** The whole text. */
export function tiledProduct(operation: string, tiling: Tiling, options: ProductOptions = {}): string {
  const { BM, BN, TN, staging } = tiling, { columns = "N", isSplit = false, isPaired = false } = options;
  const isStaged = staging !== "none", across = BN / TN;
  return [
    operation.trimEnd(),
    "",
    ...(isStaged ? [slice("a", BM, tiling), slice("b", BN, tiling), ""] : []),
    `@compute @workgroup_size(${lanesOf(tiling)})`,
    "fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {",
    `  let first_row = select(group.y, group.x, M <= ${columns}) * ${BM}u;`,
    `  let first_column = select(group.x, group.y, M <= ${columns}) * ${isPaired ? BN / 2 : BN}u;`,
    `  let ty = lane / ${across}u;`,
    `  let tx = lane % ${across}u;`,
    ...(isSplit
      ? [
        `  let part_length = ((K + SPLIT - 1u) / SPLIT + ${
          PART_MULTIPLE - 1
        }u) / ${PART_MULTIPLE}u * ${PART_MULTIPLE}u;`,
        "  let start = min(K, group.z * part_length);",
        "  let end = min(K, start + part_length);",
      ]
      : ["  let start = 0u;", "  let end = K;"]),
    ...sumsOf(tiling).flat().map((sum) => `  var ${sum} = vec4f();`),
    "",
    ...(isStaged ? stagedLoop(tiling) : directLoop(tiling)),
    "",
    ...stores(tiling, options),
    "}",
    "",
    ...elements(tiling, options),
    "",
  ].join("\n");
}

/** A slice of one depth in workgroup memory: K-major, and padded so that a column of it is not in one bank. */
function slice(operand: "a" | "b", side: number, { BK, staging }: Tiling): string {
  return `var<workgroup> ${operand}_slice: array<${staging === "vec4" ? "vec4f" : "f32"}, ${
    BK * strideOf(side, staging)
  }>;`;
}

function strideOf(side: number, staging: Tiling["staging"]): number {
  return (staging === "vec4" ? side / 4 : side) + 1;
}

function stagedLoop(tiling: Tiling): string[] {
  const { BK } = tiling;
  return [
    `  for (var first_k = start; first_k < end; first_k += ${BK}u) {`,
    ...loads("a", tiling),
    ...loads("b", tiling),
    "    workgroupBarrier();",
    ...range(BK).flatMap((k) => stagedProducts(k, tiling)),
    "    workgroupBarrier();",
    "  }",
  ];
}

/** Each invocation brings its share of a slice, along the rows that are in storage. */
function loads(operand: "a" | "b", tiling: Tiling): string[] {
  const { BM, BN, BK, staging } = tiling, isRows = operand === "a", side = isRows ? BM : BN;
  const places = staging === "vec4" ? side / 4 : side, lanes = lanesOf(tiling);
  const along = isRows ? "TRANSPOSE_A == 1u" : "TRANSPOSE_B == 0u"; // neighbours in storage are neighbours of one k
  const element = (quarter: number) => {
    const place = `place${quarter === 0 ? "" : ` + ${quarter * side / 4}u`}`;
    return isRows ? `a_at(row_at(first_row, ${place}), k)` : `b_at(k, column_at(first_column, ${place}))`;
  };
  const value = staging === "vec4" ? `vec4f(${range(4).map(element).join(", ")})` : element(0);
  return range(BK * places / lanes).flatMap((turn) => [
    "    {",
    `      let i = lane${turn === 0 ? "" : ` + ${turn * lanes}u`};`,
    `      let place = select(i / ${BK}u, i % ${places}u, ${along});`,
    `      let depth = select(i % ${BK}u, i / ${places}u, ${along});`,
    `      let k = first_k + depth;`,
    `      ${operand}_slice[depth * ${strideOf(side, staging)}u + place] = ${value};`,
    "    }",
  ]);
}

/** The products of one depth. */
function stagedProducts(k: number, tiling: Tiling): string[] {
  const { BM, BN, TM, TN, staging } = tiling, rows = BM / TM, columns = BN / TN;
  const vector = (operand: "a" | "b", side: number, first: string, step: number) => (group: number) => {
    const at = (offset: number) =>
      `${operand}_slice[${k * strideOf(side, staging) + group * step + offset}u + ${first}]`;
    const read = staging === "vec4" ? at(0) : `vec4f(${range(4).map((q) => at(q * side / 4)).join(", ")})`;
    return `      let ${operand}${group} = ${read};`;
  };
  return [
    "    {",
    ...range(TM / 4).map(vector("a", BM, "ty", rows)),
    ...range(TN / 4).map(vector("b", BN, "tx", columns)),
    ...additions(tiling).map((line) => `    ${line}`),
    "    }",
  ];
}

/** Without workgroup memory: four depths in a turn of the loop, then those that are left, one by one. */
function directLoop(tiling: Tiling): string[] {
  const { BM, BN, BK, TM, TN } = tiling, rows = BM / TM, columns = BN / TN;
  const row = (group: number, quarter: number) => `row${4 * group + quarter}`;
  const column = (group: number, quarter: number) => `column${4 * group + quarter}`;
  const vectors = (k: string) => [
    ...range(TM / 4).map((g) => `let a${g} = vec4f(${range(4).map((q) => `a_at(${row(g, q)}, ${k})`).join(", ")});`),
    ...range(TN / 4).map((g) => `let b${g} = vec4f(${range(4).map((q) => `b_at(${k}, ${column(g, q)})`).join(", ")});`),
  ];
  const body = (k: string) => ["{", ...vectors(k).map((line) => `  ${line}`), ...additions(tiling), "}"];
  return [
    ...range(TM).map((i) => `  let row${i} = row_at(first_row, ty + ${(i >> 2) * rows + (i & 3) * BM / 4}u);`),
    ...range(TN).map((i) =>
      `  let column${i} = column_at(first_column, tx + ${(i >> 2) * columns + (i & 3) * BN / 4}u);`
    ),
    "  var k = start;",
    `  for (; k + ${BK}u <= end; k += ${BK}u) {`,
    ...range(BK).flatMap((depth) => body(`k + ${depth}u`)).map((line) => `    ${line}`),
    "  }",
    "  for (; k < end; k++) {",
    ...body("k").map((line) => `    ${line}`),
    "  }",
  ];
}

/** What the vectors of one depth add to the sums. */
function additions(tiling: Tiling): string[] {
  return sumsOf(tiling).flatMap((sums, row) =>
    sums.map((sum, group) => `  ${sum} = fma(vec4f(a${row >> 2}.${"xyzw"[row & 3]}), b${group}, ${sum});`)
  );
}

/** Names of the sums: for each row of an invocation, a vector for every four of its columns. */
function sumsOf({ TM, TN }: Tiling): string[][] {
  return range(TM).map((row) => range(TN / 4).map((group) => `sum${row}_${group}`));
}

function stores(tiling: Tiling, { columns = "N", isSplit = false, isPaired = false }: ProductOptions): string[] {
  const { BM, BN, TM, TN } = tiling, part = isSplit ? "group.z, " : "";
  return sumsOf(tiling).flatMap((sums, row) => [
    "  {",
    `    let row = first_row + ty + ${(row >> 2) * (BM / TM) + (row & 3) * BM / 4}u;`,
    ...sums.flatMap((sum, group) =>
      range(isPaired ? 2 : 4).map((quarter) => {
        const offset = group * (BN / TN) + quarter * BN / 4, value = `${sum}.${"xyzw"[quarter]}`;
        const values = isPaired ? `${value}, ${sum}.${"xyzw"[quarter + 2]}` : value;
        return `    if (row < M && first_column + tx + ${offset}u < ${columns}) ` +
          `{ store(${part}row, first_column + tx + ${offset}u, ${values}); }`;
      })
    ),
    "  }",
  ]);
}

/**
 * How an operand is read. Rows and columns beyond its edge are replaced by its last, since their sums are not stored;
 * what is beyond K must be 0.
 */
function elements({ BM, BN, BK, staging }: Tiling, { columns = "N", isPaired = false }: ProductOptions): string[] {
  const guard = staging === "none" ? [] : [`  if (K % ${BK}u != 0u && k >= K) { return 0.0; }`];
  const all = isPaired ? `(2u * ${columns})` : columns, width = isPaired ? BN / 2 : BN;
  const inside = (place: string) => `select(min(${place}, ${columns} - 1u), ${place}, ${columns} % ${width}u == 0u)`;
  return [
    "fn row_at(first: u32, place: u32) -> u32 {",
    `  return select(min(first + place, M - 1u), first + place, M % ${BM}u == 0u);`,
    "}",
    "",
    "fn column_at(first: u32, place: u32) -> u32 {",
    ...(isPaired
      ? [
        `  let column = first + place % ${width}u;`,
        `  return ${inside("column")} + select(0u, ${columns}, place >= ${width}u);`,
      ]
      : [`  return ${inside("first + place")};`]),
    "}",
    "",
    "fn a_at(row: u32, k: u32) -> f32 {",
    ...guard,
    "  return f32(a[select(row * K + k, k * M + row, TRANSPOSE_A == 1u)]);",
    "}",
    "",
    "fn b_at(k: u32, column: u32) -> f32 {",
    ...guard,
    `  return f32(b[select(k * ${all} + column, column * K + k, TRANSPOSE_B == 1u)]);`,
    "}",
  ];
}

function range(count: number): number[] {
  return Array.from({ length: count }, (_, i) => i);
}
