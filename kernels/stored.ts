/**
 * The WGSL that says how the values of a kernel lie in memory: as f32 or as f16 in half the bytes, and one or four of
 * them in a place.
 *
 * There is one text for all of it. It reads a stored binding `x` as `f32(x[i])` and writes `y` as `y[i] = to_y(value)`,
 * so all arithmetic is f32; the lines made here say what `stored_x`, `stored_y` and `to_y` are. Only bindings that the
 * contract calls `stored` have such names. A text that may have four values in a place says `reals` for f32, `WIDTH` for
 * how many it has, and `reals(x[i])`; of its bindings those that are `stored` or of `reals` are so, and others are not.
 * Where a variant has a stored binding otherwise (`widths`), its text does not read that one by `reals`.
 *
 * The one thing to know before editing: WGSL does not say what becomes of a value that is too large for f16, and drivers
 * differ (infinity, or the largest number). Training must see an overflow to skip the step, so the conversion itself
 * makes an infinity of what would round to more than 65,504.
 * @module
 */
import type { Kernel, Widths } from "./kernel.ts";

/** Names of the bindings that one use of a kernel has in memory as f16. */
export type F16Bindings = readonly string[];

/** Values up to 65,520 round to the largest f16; times 3e38, a larger one is an infinity of its sign. */
const CONVERSIONS = {
  1: "f16(select(value, value * 3.0e38, abs(value) >= 65520.0))",
  4: "vec4<f16>(select(value, value * 3.0e38, abs(value) >= vec4f(65520.0)))",
};

/** How many values a place of the stored bindings has: `width`, but of those that `widths` names. */
export interface PlaceWidths {
  readonly width: 1 | 4;
  readonly widths?: Widths | undefined;
}

/** What stored bindings are: a type for each, and a conversion for each that is written. */
export function storedLines(
  { bindings }: Pick<Kernel, "bindings">,
  f16: F16Bindings,
  { width: common, widths = {} }: PlaceWidths,
): string[] {
  return Object.entries(bindings).flatMap(([name, { access, stored }]) => {
    if (stored !== true) return [];
    const width = widths[name] ?? common;
    const real = width === 1 ? "f32" : "vec4f", half = width === 1 ? "f16" : "vec4<f16>";
    const isF16 = f16.includes(name);
    const conversion = `fn to_${name}(value: ${real}) -> stored_${name} { return ${
      isF16 ? CONVERSIONS[width] : "value"
    }; }`;
    return [`alias stored_${name} = ${isF16 ? half : real};`, ...(access === "write" ? [conversion] : [])];
  });
}

/**
 * Functions for texts that take several values at once, whatever a place holds; only those that the text calls. Where a
 * place has four, i must be a multiple of four.
 *
 * `x_from(i)`, of a binding with one value in a place always: those from the i-th on that are opposite one place of the
 * others. `x_four(i)`: four from the i-th on, of which those beyond the end are anything. And
 * `put_x(i, values, count)` writes the first `count` of four there, or all if there are more.
 */
export function accessLines(
  { bindings }: Pick<Kernel, "bindings">,
  source: string,
  { width: common, widths = {} }: PlaceWidths,
): string[] {
  const all = (element: (k: number) => string) => `vec4f(${[0, 1, 2, 3].map(element).join(", ")})`;
  return Object.entries(bindings).flatMap(([name, { stored = false }]) => {
    const width = widths[name] ?? common;
    const from = common === 1 ? `${name}[i]` : all((k) => `${name}[i + ${k}u]`);
    const four = width === 1 || !stored ? all((k) => `f32(${name}[i + ${k}u])`) : `vec4f(${name}[i / 4u])`;
    const put = width === 1
      ? [0, 1, 2, 3].map((k) => `  if (count > ${k}u) { ${name}[i + ${k}u] = to_${name}(values[${k}]); }`)
      : [`  ${name}[i / 4u] = to_${name}(values);`];
    return [
      ...(source.includes(`${name}_from(`) ? [`fn ${name}_from(i: u32) -> reals { return ${from}; }`] : []),
      ...(source.includes(`${name}_four(`) ? [`fn ${name}_four(i: u32) -> vec4f { return ${four}; }`] : []),
      ...(source.includes(`put_${name}(`) ? [`fn put_${name}(i: u32, values: vec4f, count: u32) {`, ...put, "}"] : []),
    ];
  });
}

/**
 * What texts of one and of four values in a place have in common. `across` adds the values of a place, `highest` takes
 * the largest; `places` are the indices of its values, if places are counted, and `indices` their type.
 */
export function widthLines(width: 1 | 4): string[] {
  return width === 1
    ? [
      "alias reals = f32;",
      "alias indices = u32;",
      "const WIDTH = 1u;",
      "fn across(values: reals) -> f32 { return values; }",
      "fn highest(values: reals) -> f32 { return values; }",
      "fn places(place: u32) -> indices { return place; }",
    ]
    : [
      "alias reals = vec4f;",
      "alias indices = vec4u;",
      "const WIDTH = 4u;",
      "fn across(values: reals) -> f32 { return (values.x + values.y) + (values.z + values.w); }",
      "fn highest(values: reals) -> f32 { return max(max(values.x, values.y), max(values.z, values.w)); }",
      "fn places(place: u32) -> indices { return vec4u(4u * place) + vec4u(0u, 1u, 2u, 3u); }",
    ];
}
