/**
 * Which text of a kernel a GPU compiles for a shape, and what the compiler gets: the one place where both are decided.
 *
 * A text is the kernel's own or one of its variants, with lines before it that say how values lie in memory
 * (`stored.ts`) and how a workgroup reduces (`reduction.ts`). Compiling is `runtime/device/webgpu_pipelines.ts`.
 *
 * The one thing to know before editing: `variantsOf` makes variants of one and the same source, which differ in these
 * lines alone. A variant with a source of its own is for what has another algorithm.
 * @module
 */
import { type GpuFeature, type Kernel, type KernelVariant, type Shape, spread, type Widths } from "./kernel.ts";
import { reductionLines } from "./reduction.ts";
import { accessLines, type F16Bindings, type PlaceWidths, storedLines, widthLines } from "./stored.ts";

/** One text of a kernel, for one shape. */
export interface KernelText {
  /** The kernel's name, and the variant's: "layer_norm vec4". */
  readonly name: string;
  readonly source: string;
  readonly needs: GpuFeature | undefined;
  readonly width: 1 | 4;
  readonly widths: Widths | undefined;
  readonly grid: readonly [number, number, number];
}

/** What a shader says before it uses a feature, where the compiler wants to be told. */
export function directivesOf(feature: GpuFeature): readonly string[] {
  const isMatrix = feature === "subgroup-matrix" || feature === "subgroup-matrix-f16";
  return ["enable subgroups;", ...(isMatrix ? ["enable chromium_experimental_subgroup_matrix;"] : [])];
}

/** All texts that compute this shape, the best first; the kernel's own is the last, and needs nothing. */
export function textsOf<S extends Shape>(kernel: Kernel<S>, shape: S): readonly KernelText[] {
  const variants = (kernel.variants ?? []).filter(({ fits }) => fits === undefined || fits(shape));
  return [
    ...variants.map(({ name, source, needs, width, widths, grid = kernel.grid }): KernelText => {
      return { name: `${kernel.name} ${name}`, source, needs, width: width ?? 1, widths, grid: grid(shape) };
    }),
    {
      ...{ name: kernel.name, source: kernel.source, needs: undefined },
      ...{ width: 1, widths: undefined, grid: kernel.grid(shape) },
    },
  ];
}

/** The one that a device with these features runs. */
export function textFor<S extends Shape>(kernel: Kernel<S>, shape: S, features: ReadonlySet<GpuFeature>): KernelText {
  return textsOf(kernel, shape).find(({ needs }) => needs === undefined || features.has(needs))!;
}

export interface WgslOptions {
  readonly f16: F16Bindings;
  /**
   * Whether the compiler wants to be told which extensions a shader uses. Tint, Chrome's, must be; naga, Deno's and
   * Firefox's, refuses the line for subgroups.
   */
  readonly enables: boolean;
}

/** What the compiler gets. */
export function wgslOf(
  kernel: Pick<Kernel, "bindings" | "reduces">,
  { source, needs, ...places }: Pick<KernelText, "source" | "needs"> & PlaceWidths,
  { f16, enables }: WgslOptions,
): string {
  const { reduces } = kernel;
  const lines = [
    ...(f16.length === 0 ? [] : ["enable f16;"]),
    ...(needs === undefined || !enables ? [] : directivesOf(needs)),
    ...storedLines(kernel, f16, places),
    ...(/\breals\b/.test(source) ? widthLines(places.width) : []),
    ...accessLines(kernel, source, places),
    ...(reduces === undefined ? [] : reductionLines(reduces, needs === "subgroups" ? "subgroups" : "tree")),
  ];
  return lines.length === 0 ? source : `${lines.join("\n")}\n\n${source}`;
}

/** For which shapes a text may have four values in a place. */
export type WideForm<S extends Shape> = Required<Pick<KernelVariant<S>, "fits">> & Pick<KernelVariant<S>, "grid">;

/** That of a kernel with COUNT values, one a place and 256 places a workgroup. */
export const WIDE_COUNT: WideForm<{ readonly COUNT: number }> = {
  fits: ({ COUNT }) => COUNT % 4 === 0,
  grid: ({ COUNT }) => spread(Math.ceil(COUNT / 4 / 256)),
};

/** Variants of a text that says `reals` and `WIDTH`, or that reduces, or both. */
export function variantsOf<S extends Shape>(
  source: string,
  { wide, reduces = false }: { readonly wide?: WideForm<S>; readonly reduces?: boolean },
): readonly KernelVariant<S>[] {
  const subgroups = { name: "subgroups", source, needs: "subgroups" } as const;
  const vec4 = wide === undefined ? undefined : { name: "vec4", source, width: 4, ...wide } as const;
  return [
    ...(vec4 !== undefined && reduces ? [{ ...vec4, ...subgroups, name: "vec4 by subgroups" }] : []),
    ...(vec4 === undefined ? [] : [vec4]),
    ...(reduces ? [{ ...subgroups, name: "by subgroups" }] : []),
  ];
}
