/**
 * Writes the WGSL of a product of matrices for one tiling: the one place outside `*.wgsl` where shaders are written, with
 * `product_operands.ts`, which writes how operands come from storage.
 *
 * An operation's own `.wgsl` has its constants, its bindings and `store`, which says what becomes of a finished value;
 * added here is `main`, which makes the values. What differs between tilings is how often things are repeated: sums
 * have names of their own and the products of one depth stand one after the other, since arrays that a loop goes over
 * do not stay in registers, and each turn of a loop costs a counter and a bound. Only the loop along K is one.
 *
 * The one thing to know before editing: an invocation's rows are not neighbours but a quarter of the tile apart, and so
 * are its columns. A vector of four is one value of each quarter. So neighbouring invocations touch neighbouring words of
 * storage however an operand lies there, and no row need start at a multiple of four. Only where operands are staged in
 * blocks a vector is four neighbours, and then there is a second text, whose places in storage have four values. A
 * tiling for subgroups has a second text too; in its first, for devices without them, each invocation reads all rows.
 *
 * After what an operation declares, M, K, TRANSPOSE_A, TRANSPOSE_B and the name in `columns` must have a meaning.
 * @module
 */
import type { KernelVariant, Shape } from "./kernel.ts";
import { operandFunctions, type ProductOptions, sliceLoads, sliceOf, strideOf } from "./product_operands.ts";
import { isStaged, lanesOf, type Tiling } from "./tiling.ts";

/** What decides whether rows of operands and result are multiples of four. */
export type ProductSides = Readonly<Record<"M" | "K" | "columns" | "TRANSPOSE_A" | "TRANSPOSE_B", number>>;

/** Every part of K but the last is a multiple of it: of the depth of every tiling. */
const PART_MULTIPLE = 32;

/** How long the parts of K are; the last is shorter, or even empty. */
export function partLength(K: number, split: number): number {
  return Math.ceil(Math.ceil(K / split) / PART_MULTIPLE) * PART_MULTIPLE;
}

export interface VariantOptions<S extends Shape> extends ProductOptions {
  sides(shape: S): ProductSides;
  /**
   * Whether there are texts for rows of which only some are multiples of four, as products with logits have them where a
   * vocabulary is odd. Default false.
   */
  readonly mixes?: boolean;
}

/**
 * The variants of a tiling's text: by subgroups, if it is for these; with four values in a place, if it is in blocks and
 * the rows are multiples of four.
 */
export function productVariants<S extends Shape>(
  operation: string,
  tiling: Tiling,
  { sides, mixes = false, ...options }: VariantOptions<S>,
): readonly KernelVariant<S>[] {
  if (tiling.staging === "subgroups") {
    return [{
      name: "subgroups",
      source: tiledProduct(operation, tiling, { ...options, tells: true }),
      needs: "broadcasts",
    }];
  }
  if (tiling.staging !== "blocks") return [];
  return WIDE.slice(0, mixes ? WIDE.length : 1).map(({ name, widths: { a, b, y } }) => ({
    name,
    source: tiledProduct(operation, tiling, { ...options, widths: { a, b, y } }),
    ...(y === 4 && { width: y }),
    ...(a === b && b === y ? {} : { widths: { a, b } }),
    fits(shape) {
      const { M, K, columns, TRANSPOSE_A, TRANSPOSE_B } = sides(shape);
      const rows = { a: TRANSPOSE_A === 1 ? M : K, b: TRANSPOSE_B === 1 ? K : columns, y: columns };
      return rows.a % a === 0 && rows.b % b === 0 && rows.y % y === 0;
    },
  }));
}

/** Those of products with logits whose rows are odd: that makes them, and those that take their gradient as a. */
const WIDE = [
  { name: "vec4", widths: { a: 4, b: 4, y: 4 } },
  { name: "vec4 to one", widths: { a: 4, b: 4, y: 1 } },
  { name: "vec4 but a", widths: { a: 1, b: 4, y: 4 } },
] as const;

/** The whole text. */
export function tiledProduct(operation: string, tiling: Tiling, options: ProductOptions = {}): string {
  const { BM, BN, TN } = tiling, { columns = "N", isSplit = false, isPaired = false, tells = false } = options;
  const waits = isStaged(tiling), across = BN / TN;
  const parameters = [
    "@builtin(workgroup_id) group: vec3u",
    "@builtin(local_invocation_index) lane: u32",
    ...(tells ? ["@builtin(subgroup_invocation_id) lane_of_subgroup: u32"] : []),
  ];
  return [
    operation.trimEnd(),
    "",
    ...(waits ? [...sliceOf("a", tiling, options), ...sliceOf("b", tiling, options), ""] : []),
    `@compute @workgroup_size(${lanesOf(tiling)})`,
    `fn main(${parameters.join(", ")}) {`,
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
    ...(waits ? stagedLoop(tiling) : directLoop(tiling, tells)),
    "",
    ...stores(tiling, options),
    "}",
    "",
    ...operandFunctions(tiling, options),
    "",
  ].join("\n");
}

function stagedLoop(tiling: Tiling): string[] {
  const { BK } = tiling;
  return [
    `  for (var first_k = start; first_k < end; first_k += ${BK}u) {`,
    ...sliceLoads("a", tiling),
    ...sliceLoads("b", tiling),
    "    workgroupBarrier();",
    ...range(BK).flatMap((k) => stagedProducts(k, tiling)),
    "    workgroupBarrier();",
    "  }",
  ];
}

/** The products of one depth. */
function stagedProducts(k: number, tiling: Tiling): string[] {
  const { BM, BN, TM, TN, staging } = tiling, rows = BM / TM, columns = BN / TN;
  const vector = (operand: "a" | "b", side: number, first: string, step: number) => (group: number) => {
    const at = (offset: number) =>
      `${operand}_slice[${k * strideOf(side, staging) + group * step + offset}u + ${first}]`;
    const quarters = () => range(4).map((q) => at(q * side / 4)).join(", ");
    const read = staging === "vec4" ? at(0) : `vec4f(${staging === "blocks" ? at(0) : quarters()})`;
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

/** Without workgroup memory: some depths in a turn of the loop, then those that are left, one by one. */
function directLoop(tiling: Tiling, tells: boolean): string[] {
  const { BN, BK, TN } = tiling, columns = BN / TN;
  const column = (group: number, quarter: number) => `column${4 * group + quarter}`;
  const vectors = (k: string) => [
    ...(tells ? toldRows(tiling, k) : ownRows(tiling, k)),
    ...range(TN / 4).map((g) => `let b${g} = vec4f(${range(4).map((q) => `b_at(${k}, ${column(g, q)})`).join(", ")});`),
  ];
  const body = (k: string) => ["{", ...vectors(k).map((line) => `  ${line}`), ...additions(tiling), "}"];
  return [
    ...(tells ? rowsToTell(tiling) : rowsToRead(tiling)),
    ...range(TN).map((i) =>
      `  let column${i} = column_at(first_column, tx + ${(i >> 2) * columns + (i & 3) * BN / 4}u);`
    ),
    "  var k = start;",
    ...(BK === 1 ? [] : [
      `  for (; k + ${BK}u <= end; k += ${BK}u) {`,
      ...range(BK).flatMap((depth) => body(`k + ${depth}u`)).map((line) => `    ${line}`),
      "  }",
    ]),
    "  for (; k < end; k++) {",
    ...body("k").map((line) => `    ${line}`),
    "  }",
  ];
}

/** Where in a tile the i-th row of the first invocations is. */
function rowOf({ BM, TM }: Tiling, i: number): number {
  return (i >> 2) * (BM / TM) + (i & 3) * BM / 4;
}

function rowsToRead(tiling: Tiling): string[] {
  return range(tiling.TM).map((i) => `  let row${i} = row_at(first_row, ty + ${rowOf(tiling, i)}u);`);
}

function ownRows({ TM }: Tiling, k: string): string[] {
  return range(TM / 4).map((g) =>
    `let a${g} = vec4f(${range(4).map((q) => `a_at(row${4 * g + q}, ${k})`).join(", ")});`
  );
}

/** Rows that an invocation tells its subgroup: every eighth. Those beyond the first eight of a subgroup read in vain. */
const TELLING = 8;

function rowsToTell({ TM }: Tiling): string[] {
  return range(TM / TELLING).map((turn) =>
    `  let row${turn} = row_at(first_row, lane_of_subgroup % ${TELLING}u + ${turn * TELLING}u);`
  );
}

function toldRows(tiling: Tiling, k: string): string[] {
  const told = (i: number) => {
    const row = rowOf(tiling, i);
    return `subgroupBroadcast(own${Math.floor(row / TELLING)}, ${row % TELLING}u)`;
  };
  return [
    ...range(tiling.TM / TELLING).map((turn) => `let own${turn} = a_at(row${turn}, ${k});`),
    ...range(tiling.TM / 4).map((g) => `let a${g} = vec4f(${range(4).map((q) => told(4 * g + q)).join(", ")});`),
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

/** Hands the sums over, those inside the result. */
function stores(tiling: Tiling, options: ProductOptions): string[] {
  const { BM, TM } = tiling, isBlocks = tiling.staging === "blocks";
  return sumsOf(tiling).flatMap((sums, row) => {
    const inBlocks = 4 * (row >> 2) * (BM / TM) + (row & 3);
    return [
      "  {",
      `    let row = first_row + ${isBlocks ? `4u * ty + ${inBlocks}u` : `ty + ${rowOf(tiling, row)}u`};`,
      ...(isBlocks ? rowOfBlocks(sums, tiling, options) : rowOfQuarters(sums, tiling, options)),
      "  }",
    ];
  });
}

function rowOfQuarters(sums: readonly string[], { BN, TN }: Tiling, options: ProductOptions): string[] {
  return sums.flatMap((sum, group) =>
    range(options.isPaired ? 2 : 4).map((quarter) => {
      const quarters = options.isPaired ? [quarter, quarter + 2] : [quarter];
      const values = quarters.map((part) => `${sum}.${"xyzw"[part]}`);
      return storeInside(`first_column + tx + ${group * (BN / TN) + quarter * BN / 4}u`, values, options);
    })
  );
}

/** Of two matrices, the first half of an invocation's sums are of the one and the second half of the other. */
function rowOfBlocks(sums: readonly string[], { BN, TN }: Tiling, options: ProductOptions): string[] {
  const { isPaired = false, widths } = options,
    width = widths?.y ?? 1,
    count = isPaired ? sums.length / 2 : sums.length;
  return range(count).flatMap((group) => {
    const values = isPaired ? [sums[group]!, sums[group + count]!] : [sums[group]!];
    return range(4 / width).map((part) => {
      const parts = width === 4 ? values : values.map((value) => `${value}.${"xyzw"[part]}`);
      return storeInside(`first_column + 4u * tx + ${4 * group * (BN / TN) + part}u`, parts, options);
    });
  });
}

function storeInside(
  column: string,
  values: readonly string[],
  { columns = "N", isSplit = false }: ProductOptions,
): string {
  const place = [...(isSplit ? ["group.z"] : []), "row", column];
  return `    if (row < M && ${column} < ${columns}) { store(${[...place, ...values].join(", ")}); }`;
}

function range(count: number): number[] {
  return Array.from({ length: count }, (_, i) => i);
}
