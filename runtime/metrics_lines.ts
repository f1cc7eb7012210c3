/**
 * A metrics file as text: what it says of its run, and what of it could not be read. Pure.
 * @module
 */
import { type MetricsLine, type RoundLine, roundLineSchema, type RunLine, runLineSchema } from "./metrics.ts";

export interface Metrics {
  /** What the run was when the peer started last. */
  readonly run: RunLine;
  /** In the order of rounds, one line each: a round that was taken back and made anew counts as it was in the end. */
  readonly rounds: readonly RoundLine[];
  /** Lines that are damaged or of another version; the rest is used without them. */
  readonly damaged: number;
  /** Ids of all runs that the file has lines of: more than one if somebody has joined files. */
  readonly runs: readonly string[];
}

/** One line, or null if it cannot be read. */
export function parseMetricsLine(text: string): MetricsLine | null {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return null;
  }
  const isRun = typeof value === "object" && value !== null && Reflect.get(value, "kind") === "run";
  return (isRun ? runLineSchema : roundLineSchema).safeParse(value).data ?? null;
}

/** Reads a metrics file; null if no line says what the run is. */
export function parseMetrics(text: string): Metrics | null {
  const lines = text.split("\n").filter((line) => line !== "").map(parseMetricsLine);
  const runs = lines.filter((line) => line?.kind === "run"), run = runs.at(-1);
  if (run === undefined) return null;
  const byRound = new Map(lines.flatMap((line) => line?.kind === "round" ? [[line.round, line] as const] : []));
  const rounds = [...byRound.values()].sort((a, b) => a.round - b.round);
  return {
    ...{ run, rounds },
    damaged: lines.filter((line) => line === null).length,
    runs: [...new Set(runs.map(({ run }) => run))],
  };
}

/** Round lines that are never thinned out: the last ones. */
const KEPT_WHOLE = 1_000;
/** Lines about the run that are kept: the first, and the last ones. */
const KEPT_STARTS = 32;

/**
 * A metrics file with about half of its lines: every second one of the older rounds goes, and whatever cannot be read.
 * Totals are in every line, so what goes is detail alone.
 */
export function thinnedMetrics(text: string): string {
  const lines = text.split("\n").map((line) => ({ line, kind: parseMetricsLine(line)?.kind }));
  const starts = lines.filter(({ kind }) => kind === "run"), rounds = lines.filter(({ kind }) => kind === "round");
  const old = rounds.slice(0, Math.max(0, rounds.length - KEPT_WHOLE));
  const dropped = new Set([...starts.slice(1, 1 - KEPT_STARTS), ...old.filter((_, i) => i % 2 === 1)]);
  return lines.filter((entry) => entry.kind !== undefined && !dropped.has(entry)).map(({ line }) => `${line}\n`).join(
    "",
  );
}
