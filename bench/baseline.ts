/**
 * An earlier run's lines, to set a run beside: which of them measured the same thing, and by what factor figures differ.
 * @module
 */
import { reasonOf } from "../p2p/reason.ts";
import { type BenchLine, parseLines, type RecordedLine, subjectOf } from "./line.ts";

/** By what was measured; of several lines of one thing the last. */
export type Baseline = ReadonlyMap<string, RecordedLine>;

/** The lines of a file that cannot be used are told by name. */
export class BaselineError extends Error {
  override readonly name = "BaselineError";
}

/** @throws {BaselineError} */
export async function readBaseline(path: string): Promise<Baseline> {
  try {
    const lines = parseLines(await Deno.readTextFile(path));
    return new Map(lines.map((line) => [subjectOf(line), line]));
  } catch (cause) {
    const why = reasonOf(cause);
    throw new BaselineError(`Cannot compare with '${path}': ${why}. Give lines that 'deno task bench --json' printed`, {
      cause,
    });
  }
}

/** A line for people: each figure that the baseline has too, and has otherwise, with its ratio to that one. */
export function lineText(bench: string, line: BenchLine, baseline: Baseline): string {
  const { name, ...figures } = line, before = baseline.get(subjectOf({ ...line, bench }));
  const parts = Object.entries(figures).map(([key, value]) => {
    if (typeof value !== "number") return `${key} ${value}`;
    const was = before?.[key];
    const ratio = typeof was === "number" && was !== 0 && was !== value ? ` (×${(value / was).toFixed(2)})` : "";
    return `${key} ${Number(value.toPrecision(4))}${ratio}`;
  });
  return `  ${name.padEnd(40)} ${parts.join("  ")}`;
}
