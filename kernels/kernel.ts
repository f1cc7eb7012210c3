/**
 * What a kernel is: one operation on storage buffers, its meaning and its fast forms, as plain data.
 *
 * A kernel is not a tensor operation: it knows no gradients, no graph and no device. `x.ts` holds the contract and the
 * reference, `x.wgsl` beside it how a GPU does it, `x.as` (where it exists) how WebAssembly does it. When they
 * disagree, the reference is right.
 *
 * The one thing to know before editing: **the keys of a shape are the `override` constants of the WGSL**, and **the
 * keys of `bindings`, in their order, are its bindings 0, 1, 2 … of group 0**. A test compares both with the text.
 * @module
 */

/** Compile-time numbers of one use of a kernel: sizes, and switches as 0 or 1. */
export type Shape = Readonly<Record<string, number>>;

/** Contents of a buffer, as the reference sees it: f64 in tests of the reference itself, f32 or f16 on devices. */
export type Numbers = Float16Array | Float32Array | Float64Array;
/** Ids, positions and packed codes. */
export type Words = Uint32Array;

/** A binding that is only read. */
export type Reads<S extends Shape = Shape> = {
  readonly access: "read";
  readonly type: "f32" | "u32";
  /** Whether the values may lie in memory as f16 (`stored.ts`); arithmetic is f32 all the same. */
  readonly stored?: boolean;
  length(shape: S): number;
};
/** A binding that is written, or read and written (`var<storage, read_write>`). */
export type Writes<S extends Shape = Shape> = {
  readonly access: "write";
  readonly type: "f32" | "u32";
  readonly stored?: boolean;
  length(shape: S): number;
};
export type Binding<S extends Shape = Shape> = Reads<S> | Writes<S>;

/**
 * A WebAssembly form of a kernel. Its source is AssemblyScript, compiled in memory into one module with the others
 * that a program needs, over one shared memory. It may import from `./simd`; its private names are its own.
 */
export interface WasmForm<S extends Shape = Shape> {
  /** Text of the `.as` file. */
  readonly source: string;
  /** Exported function: (…one pointer a binding, …args, scratch pointer, start item, stop item). */
  readonly entry: string;
  /** Plain numbers passed after the pointers. */
  args(shape: S): readonly number[];
  /**
   * How many independent items of work there are. Threads take contiguous ranges of them, so an item's result must not
   * depend on the range that it is in: this is what makes any number of threads give the same bits.
   */
  items(shape: S): number;
  /** Private f32 words that a thread needs while it works; none if absent. */
  scratchWords?(shape: S): number;
  /** How to have the machine's own library of matrix products do most of it, where there is one. */
  readonly product?: ProductForm<S>;
  /** How to do it together with the kernel before it. */
  readonly joint?: JointForm<S>;
}

/**
 * Of a kernel that follows another of the same shape on the same buffers: the work of both at once, which is less. Its
 * results are those of one after the other to the bit, so whether it is taken is a question of speed alone.
 */
export interface JointForm<S extends Shape = Shape> {
  /** Name of the one before. This one's bindings are among its bindings. */
  readonly after: string;
  /** Exported function of the same source: (…one pointer a binding of the one before, …args, scratch, start, stop). */
  readonly entry: string;
  items(shape: S): number;
  scratchWords(shape: S): number;
}

/** A kernel whose bindings include `a`, `b` and `y`, written as y = what `begin` leaves there + op(a)·op(b). */
export interface ProductForm<S extends Shape = Shape> {
  /**
   * Exported function of the same source that leaves in a block of y all but the product:
   * (…pointers and args as of `entry`, first row, last row, first column, last column; lasts excluded).
   */
  readonly begin: string;
  /** Operands are stored by rows without gaps; a transposed one the other way round. */
  of(shape: S): MatrixProduct;
}

/** y (M, N) = op(a) (M, K) · op(b) (K, N). */
export interface MatrixProduct {
  readonly M: number;
  readonly N: number;
  readonly K: number;
  readonly transposesA: boolean;
  readonly transposesB: boolean;
  /** Whether `begin` has anything to do; what y held is kept or not without it. */
  readonly begins: boolean;
  /** Whether the product is added to what y holds by then. */
  readonly adds: boolean;
}

/**
 * What a GPU may have beyond what WebGPU grants everywhere, and a variant may need: sums by subgroups; subgroups of at
 * least eight, whose first eight invocations tell the others a value; matrix units. f16 is told by `storesF16`.
 */
export type GpuFeature = "subgroups" | "broadcasts" | "subgroup-matrix" | "subgroup-matrix-f16";

/** What a workgroup can add up. */
export type ReducedType = "f32" | "vec2f" | "vec3f";

/** How many values one place of some bindings holds, by their names. */
export type Widths = Readonly<Record<string, 1 | 4>>;

/** Another text of a kernel, with the same contract, constants and bindings, for the shapes and devices that it fits. */
export interface KernelVariant<S extends Shape = Shape> {
  /** What is special about it, one word: "vec4". Unique in its kernel. */
  readonly name: string;
  readonly source: string;
  /** What a device must have; nothing if absent. */
  readonly needs?: GpuFeature;
  /** Whether it computes this shape; every shape if absent. */
  fits?(shape: S): boolean;
  /** The kernel's own if absent. */
  grid?(shape: S): readonly [number, number, number];
  /** Values that one place of its stored bindings, and of those of `reals`, holds (`stored.ts`); 1 if absent. */
  readonly width?: 4;
  /** Of stored bindings that differ from it. */
  readonly widths?: Widths;
}

export interface Kernel<S extends Shape = Shape> {
  /** snake_case, the same as the file's name. */
  readonly name: string;
  /**
   * WGSL with one entry point `main`, and an `override` for every key of the shape. Before it `kernel_text.ts` puts
   * lines that say what its stored bindings are, and how a workgroup reduces.
   */
  readonly source: string;
  readonly bindings: Readonly<Record<string, Binding<S>>>;
  /** Workgroups to dispatch; each dimension ≤ 65,535 (`spread` helps). */
  grid(shape: S): readonly [number, number, number];
  /** The specification: plain loops, one array a binding, by name. Accumulates in f64 when it is given f64. */
  reference(arrays: Readonly<Record<string, Numbers & Words>>, shape: S): void;
  /** Floating-point operations of one dispatch, for benchmarks and the profiler. */
  flops?(shape: S): number;
  /**
   * How often a dispatch moves the values of a binding between memory and the processor, for benchmarks and the
   * profiler; a fraction if it needs a part of them. Of bindings that are not named: once, and twice if it is written
   * with ACCUMULATE.
   */
  moves?(shape: S): Readonly<Record<string, number>>;
  readonly wasm?: WasmForm<S>;
  /** Texts that a GPU takes instead of `source`, the best first: the first that fits (`kernel_text.ts`). */
  readonly variants?: readonly KernelVariant<S>[];
  /** Type of what its workgroups reduce: then the functions of `reduction.ts` come before each of its texts. */
  readonly reduces?: ReducedType;
}

/** The arrays that a reference receives, by binding name: `b.x` is f32 or f64, `b.ids` is u32. */
export type Arrays<B> = {
  readonly [K in keyof B]: B[K] extends { readonly type: "u32" } ? Words : Numbers;
};

interface Definition<S extends Shape, B extends Readonly<Record<string, Binding<S>>>> {
  readonly name: string;
  readonly source: string;
  readonly bindings: B;
  grid(shape: S): readonly [number, number, number];
  reference(arrays: Arrays<B>, shape: S): void;
  flops?(shape: S): number;
  moves?(shape: S): Readonly<Partial<Record<keyof B, number>>>;
  readonly wasm?: WasmForm<S>;
  readonly variants?: readonly KernelVariant<S>[];
  readonly reduces?: ReducedType;
}

/** Checks a kernel's definition: the reference sees exactly the arrays that `bindings` declares. */
export function defineKernel<S extends Shape>() {
  return <B extends Readonly<Record<string, Binding<S>>>>(definition: Definition<S, B>): Kernel<S> =>
    definition as unknown as Kernel<S>; // the one place where names and arrays lose their static tie
}

/** An f32 binding that is only read. */
export function reads<S extends Shape>(length: (shape: S) => number) {
  return { access: "read", type: "f32", length } as const;
}

/** A u32 binding that is only read. */
export function readsWords<S extends Shape>(length: (shape: S) => number) {
  return { access: "read", type: "u32", length } as const;
}

/** An f32 binding that is written, or read and written. */
export function writes<S extends Shape>(length: (shape: S) => number) {
  return { access: "write", type: "f32", length } as const;
}

/** A binding of f32, or of f16 if its user has it so, that is only read. */
export function readsStored<S extends Shape>(length: (shape: S) => number) {
  return { access: "read", type: "f32", stored: true, length } as const;
}

/** A binding of f32, or of f16 if its user has it so, that is written, or read and written. */
export function writesStored<S extends Shape>(length: (shape: S) => number) {
  return { access: "write", type: "f32", stored: true, length } as const;
}

/** A u32 binding that is written, or read and written. */
export function writesWords<S extends Shape>(length: (shape: S) => number) {
  return { access: "write", type: "u32", length } as const;
}

const LARGEST_DIMENSION = 65_535;

/**
 * Spreads a count of workgroups over two grid dimensions. In WGSL the index is then
 * `group.x + group.y * groups.x` with `groups` the builtin `num_workgroups`, and may overshoot the count.
 */
export function spread(workgroupCount: number): readonly [number, number, number] {
  if (workgroupCount <= LARGEST_DIMENSION) return [Math.max(1, workgroupCount), 1, 1];
  const rows = Math.ceil(workgroupCount / LARGEST_DIMENSION);
  return [Math.ceil(workgroupCount / rows), rows, 1];
}
