/**
 * A figure with what is wanted of it, as a line: the table of targets is made of these (`redraw.ts`).
 * @module
 */
import type { BenchLine } from "./line.ts";

export type Wanted = { readonly atLeast: number } | { readonly atMost: number };

/** The line of a target. */
export function targetLine(
  name: string,
  { device, figure, wanted }: { readonly device: string; readonly figure: number; readonly wanted: Wanted },
): BenchLine {
  const [text, met] = "atLeast" in wanted
    ? [`≥ ${wanted.atLeast}`, figure >= wanted.atLeast]
    : [`≤ ${wanted.atMost}`, figure <= wanted.atMost];
  return { name, device, figure, wanted: text, met };
}
