/**
 * The WGSL of a kernel for one choice of how its values lie in memory: as f32, or as f16 in half the bytes.
 *
 * There is one text for both. It reads a stored binding `x` as `f32(x[i])` and writes `y` as `y[i] = to_y(value)`, so
 * all arithmetic is f32; the lines made here say what `stored_x`, `stored_y` and `to_y` are. Only bindings that the
 * contract calls `stored` have such names.
 *
 * The one thing to know before editing: WGSL does not say what becomes of a value that is too large for f16, and drivers
 * differ (infinity, or the largest number). Training must see an overflow to skip the step, so the conversion itself
 * makes an infinity of what would round to more than 65,504.
 * @module
 */
import type { Kernel } from "./kernel.ts";

/** Names of the bindings that one use of a kernel has in memory as f16. */
export type F16Bindings = readonly string[];

/** Values up to 65,520 round to the largest f16; times 3e38, a larger one is an infinity of its sign. */
const CONVERSION = "f16(select(value, value * 3.0e38, abs(value) >= 65520.0))";

/** The text that a compiler gets. */
export function wgslOf({ source, bindings }: Pick<Kernel, "source" | "bindings">, f16: F16Bindings): string {
  const lines = f16.length === 0 ? [] : ["enable f16;"];
  for (const [name, { access, stored }] of Object.entries(bindings)) {
    if (stored !== true) continue;
    const isF16 = f16.includes(name);
    lines.push(`alias stored_${name} = ${isF16 ? "f16" : "f32"};`);
    if (access === "read") continue;
    lines.push(`fn to_${name}(value: f32) -> stored_${name} { return ${isF16 ? CONVERSION : "value"}; }`);
  }
  return lines.length === 0 ? source : `${lines.join("\n")}\n\n${source}`;
}
