/**
 * A line of a benchmark's result: plain data, one JSON object. Names and units stand in the keys.
 * @module
 */
import { join } from "node:path";

/** Where lines are kept. */
export const RESULTS = join(import.meta.dirname!, "results");

/** `name` says what was measured, `device` on what; the rest are figures (`gflops`, `tokensPerSecond`, `ms`, …). */
export type BenchLine = { readonly name: string } & Readonly<Record<string, string | number | boolean | null>>;

/** What may be chosen for one run of a benchmark; most need nothing. */
export interface BenchOptions {
  /** How long, where that can be chosen. */
  readonly minutes?: number;
  /** Of chance, where there is any. */
  readonly seed?: number;
  /** Whether one seed is enough, where several are compared. */
  readonly quick?: boolean;
  /** Trials side by side. */
  readonly jobs?: number;
}

/** One question, answered by running it. */
export interface Bench {
  readonly name: string;
  readonly question: string;
  run(options: BenchOptions): AsyncIterable<BenchLine>;
}

/** A line as `--json` prints it: with the benchmark's name, the machine, and its load when the benchmark began. */
export type RecordedLine = BenchLine & {
  readonly bench: string;
  readonly os: string;
  readonly cores: number;
  readonly deno: string;
  readonly loadBefore: number;
};

/** Keys that say where a line was measured, and with which programs; some lines have some of them. */
export const HOST_KEYS: ReadonlySet<string> = new Set([
  ...["bench", "os", "cores", "processor", "deno", "starling", "driver", "versions", "loadBefore"],
]);
/** Keys that say what was measured; a reason says why nothing was. */
export const SUBJECT_KEYS: ReadonlySet<string> = new Set([
  ...["name", "device", "threads", "codec", "run", "round", "size", "reason"],
]);

/** Equal for lines of different runs that measured the same thing. */
export function subjectOf(line: BenchLine & { readonly bench: string }): string {
  const keys = Object.keys(line).filter((key) => key === "bench" || SUBJECT_KEYS.has(key)).sort();
  return JSON.stringify(keys.map((key) => [key, line[key]]));
}

/** Parses what `--json` printed: nothing, if a benchmark failed before its first line. */
export function parseLines(text: string): RecordedLine[] {
  return text.split("\n").filter((line) => line.trim() !== "").map((line) => JSON.parse(line) as RecordedLine);
}

/** The lines of each file of results in a folder, the oldest first: files are named by their day. */
export function readResults(folder: string): readonly (readonly RecordedLine[])[] {
  const files = Array.from(Deno.readDirSync(folder), ({ name }) => name).filter((name) => name.endsWith(".jsonl"));
  return files.sort().map((name) => parseLines(Deno.readTextFileSync(join(folder, name))));
}
