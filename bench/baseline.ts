/**
 * An earlier run's lines, to set a run beside: which of them measured the same thing, and by what factor figures differ.
 * @module
 */
import { reasonOf } from "../p2p/reason.ts";
import { type BenchLine, parseLines, type RecordedLine, SUBJECT_KEYS, subjectOf } from "./line.ts";

/** All lines of an earlier run that measured the same thing, by what that was. */
export type Baseline = ReadonlyMap<string, readonly RecordedLine[]>;

/** The lines of a file that cannot be used are told by name. */
export class BaselineError extends Error {
  override readonly name = "BaselineError";
}

/** @throws {BaselineError} */
export async function readBaseline(path: string): Promise<Baseline> {
  try {
    const lines = parseLines(await Deno.readTextFile(path));
    return Map.groupBy(lines, subjectOf);
  } catch (cause) {
    const why = reasonOf(cause);
    throw new BaselineError(`Cannot compare with '${path}': ${why}. Give lines that 'deno task bench --json' printed`, {
      cause,
    });
  }
}

/** A line for people: each figure that the baseline has too, and has otherwise, with its ratio to that one. */
export function lineText(bench: string, line: BenchLine, baseline: Baseline): string {
  const { name, ...figures } = line, before = linesLike({ ...line, bench }, baseline);
  const parts = Object.entries(figures).map(([key, value]) => {
    if (typeof value !== "number") return `${key} ${value}`;
    const was = median(before.flatMap((earlier) => typeof earlier[key] === "number" ? [earlier[key]] : []));
    const ratio = was !== null && was !== 0 && was !== value ? ` (×${(value / was).toFixed(2)})` : "";
    return `${key} ${Number(value.toPrecision(4))}${ratio}`;
  });
  return `  ${name.padEnd(40)} ${parts.join("  ")}`;
}

/** Of the benchmarks that ran, what the baseline has and this run has not, in words. */
export function missingFrom(
  lines: readonly (BenchLine & { readonly bench: string })[],
  baseline: Baseline,
): readonly string[] {
  const ran = new Set(lines.map(({ bench }) => bench)), here = new Set(lines.map(subjectOf));
  const subjects = [...baseline].filter(([subject, [line]]) => ran.has(line!.bench) && !here.has(subject));
  return subjects.map(([, [line]]) => {
    const parts = [...SUBJECT_KEYS].flatMap((key) => line![key] === undefined ? [] : [`${line![key]}`]);
    return `${line!.bench}: ${parts.join(", ")}`;
  });
}

/** Those of the same thing; where it was measured with several seeds, those of the same seed. */
function linesLike(line: BenchLine & { readonly bench: string }, baseline: Baseline): readonly RecordedLine[] {
  const found = baseline.get(subjectOf(line)) ?? [], sameSeed = found.filter(({ seed }) => seed === line["seed"]);
  return sameSeed.length > 0 ? sameSeed : found;
}

/** Of several runs the middle one: the later of both if their number is even. */
function median(values: readonly number[]): number | null {
  return values.toSorted((a, b) => a - b)[values.length >> 1] ?? null;
}
