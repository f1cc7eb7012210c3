/**
 * `starling compare`: the four metrics of runs side by side, as a table, as JSON, and as a picture.
 * @module
 */
import { basename, join, resolve } from "node:path";
import { onDisk } from "../p2p/store/storage_error.ts";
import { type Metrics, parseMetrics } from "../runtime/metrics_lines.ts";
import { defaultStatePath, metricsPath } from "../runtime/run_folder.ts";
import { compareRuns, type Comparison, comparisonChart, type NamedMetrics, type RunFigures } from "./compare_runs.ts";
import { MetricsError, UsageError } from "./exit.ts";
import { bytes, clock, counted, percent, table } from "./format.ts";
import { json, line, note } from "./print.ts";

export interface CompareOptions {
  /** Folders of runs or of peers, or metrics files. */
  readonly runs: readonly string[];
  /** Held-out loss, nats per token. */
  readonly target?: number;
  /** Where to write a picture. */
  readonly plot?: string;
  readonly json?: boolean;
  readonly quiet?: boolean;
}

/** Beyond it nothing is a file of ours. */
const LARGEST_FILE_BYTES = 64 * 1024 * 1024;
const MOST_RUNS = 16;
/** Folders of peers that are looked for in a run's folder. */
const MOST_PEERS = 256;

/** Prints the comparison. */
export async function compare({ runs: paths, target, plot, json: asJson, quiet }: CompareOptions): Promise<void> {
  if (paths.length > MOST_RUNS) {
    throw new UsageError(`Cannot compare ${paths.length} runs: at most ${MOST_RUNS} fit side by side`);
  }
  if (plot !== undefined && !plot.endsWith(".svg")) {
    throw new UsageError(`Cannot draw '${plot}': pictures are SVG, so its name must end in .svg`);
  }
  const runs = await openRuns(paths), comparison = compareRuns(runs, target);
  if (plot !== undefined) {
    const { drawChart } = await import("./chart/chart.ts"); // only who draws needs it
    await onDisk(`write ${plot}`, () => Deno.writeTextFile(plot, drawChart(comparisonChart(runs, comparison))));
  }
  if (asJson) return json({ kind: "compared", ...comparison, plot: plot ?? null });
  for (const warning of comparison.warnings) note(`warning: ${warning}.`);
  comparisonLines(comparison).forEach((text) => line(text));
  if (plot !== undefined && !quiet) line(`Picture: ${plot}`);
}

/** The table, and what it is about. */
export function comparisonLines({ runs, settings, target }: Comparison): string[] {
  const row = (name: string, show: (run: RunFigures) => string) => [name, ...runs.map(show)];
  const some = (value: number | null, show: (value: number) => string) => value === null ? "–" : show(value);
  const course = (first: number, last: number) => first === last ? String(first) : `${first} → ${last}`;
  const speed = (value: number) => `${counted(value)} tok/s`, loss = (value: number) => value.toFixed(4);
  const reached = (show: (reached: NonNullable<RunFigures["reached"]>) => string) => (run: RunFigures) =>
    run.reached === null ? "not reached" : show(run.reached);
  const rows = [
    row("policy", ({ policy }) => policy),
    row("batch", ({ firstBatch, lastBatch }) => course(firstBatch, lastBatch)),
    ...(runs.some(({ firstLineages }) => firstLineages > 1)
      ? [row("lineages", ({ firstLineages, lastLineages }) => course(firstLineages, lastLineages))]
      : []),
    ...settings.map(({ name, values }) => [name, ...values]),
    row("parameters", ({ parameters }) => counted(parameters)),
    row("wall time", ({ elapsedMs }) => clock(elapsedMs)),
    row("  computing", ({ computeShare }) => some(computeShare, percent)),
    row("  waiting", ({ waitShare }) => some(waitShare, percent)),
    row("  communicating", ({ transferShare }) => some(transferShare, percent)),
    row("throughput of the run", ({ runTokensPerSecond }) => some(runTokensPerSecond, speed)),
    row("  of this peer", ({ peerTokensPerSecond }) => some(peerTokensPerSecond, speed)),
    row("  while computing", ({ computingTokensPerSecond }) => some(computingTokensPerSecond, speed)),
    row("peak memory: device", ({ devicePeakBytes }) => bytes(devicePeakBytes)),
    row("  host", ({ residentPeakBytes }) => bytes(residentPeakBytes)),
    row("bytes up / down", ({ upBytes, downBytes }) => `${bytes(upBytes)} / ${bytes(downBytes)}`),
    row("offers counted / late / lost", (run) => `${run.offersCounted} / ${run.offersLate} / ${run.offersLost}`),
    row("rounds", ({ rounds }) => String(rounds)),
    row("tokens", ({ tokens }) => counted(tokens)),
    row("train loss, final", ({ trainLoss }) => some(trainLoss, loss)),
    row("held-out loss, best", ({ bestHeldOutLoss }) => some(bestHeldOutLoss, loss)),
    row("  final", ({ finalHeldOutLoss }) => some(finalHeldOutLoss, loss)),
    ...(target === null ? [] : [
      row(`to held-out loss ${loss(target)}: tokens`, reached(({ tokens }) => counted(tokens))),
      row("  time", reached(({ elapsedMs }) => clock(elapsedMs))),
      row("  rounds", reached(({ rounds }) => String(rounds))),
    ]),
  ];
  return [
    ...table(["", ...runs.map(({ label }) => ` ${label}`)], rows),
    ...(target === null
      ? ["  No run has measured a held-out loss yet: a member measures it in every round but the first."]
      : []),
  ];
}

async function openRuns(paths: readonly string[]): Promise<readonly NamedMetrics[]> {
  const opened = new Map<string, { readonly path: string; readonly metrics: Metrics }>();
  for (const path of paths) {
    const { file, metrics } = await openMetrics(path), real = resolve(file);
    if (opened.has(real)) throw new UsageError(`Cannot compare '${path}' with itself: ${file} is given twice`);
    opened.set(real, { path, metrics });
  }
  const all = [...opened.values()], names = all.map(({ path }) => basename(resolve(path)));
  return all.map(({ path, metrics }, i) => ({
    ...metrics,
    label: names.filter((name) => name === names[i]).length > 1 ? path : names[i]!,
  }));
}

interface OpenedMetrics {
  readonly file: string;
  readonly metrics: Metrics;
}

/** A metrics file, a peer's folder, or a run's folder: of several peers in it, the one that knows most of the run. */
async function openMetrics(path: string): Promise<OpenedMetrics> {
  const { isFile, isDirectory } = await Deno.stat(path).catch(() => ({ isFile: false, isDirectory: false }));
  if (isFile) return { file: path, metrics: await readMetrics(path) };
  if (!isDirectory) {
    throw new MetricsError(
      `Cannot compare '${path}': it is not there. Give folders of runs or peers, or metrics files`,
    );
  }
  const files = [metricsPath(path), metricsPath(defaultStatePath(path)), ...await peersIn(path)];
  const there: OpenedMetrics[] = [], refused: unknown[] = [];
  for (const file of new Set(files)) {
    if (await Deno.stat(file).catch(() => null) === null) continue;
    // A peer that has just begun, or lost its disk, does not keep the others' metrics from being read.
    await readMetrics(file).then((metrics) => there.push({ file, metrics }), (error: unknown) => refused.push(error));
  }
  const tokens = ({ metrics }: OpenedMetrics) => metrics.rounds.at(-1)!.tokens;
  const best = there.toSorted((a, b) => tokens(b) - tokens(a) || b.metrics.rounds.length - a.metrics.rounds.length)[0];
  if (best !== undefined) return best;
  if (refused.length > 0) throw refused[0];
  throw new MetricsError(
    `Cannot compare '${path}': no peer has left a metrics.jsonl there. 'starling start', 'join' and 'demo' write one ` +
      "with the first round that they train",
  );
}

async function peersIn(path: string): Promise<readonly string[]> {
  const folders: string[] = [];
  for await (const { name, isDirectory } of Deno.readDir(path)) {
    if (isDirectory && folders.length < MOST_PEERS) folders.push(metricsPath(join(path, name)));
  }
  return folders.sort();
}

async function readMetrics(file: string): Promise<Metrics> {
  const refuse = (why: string): never => {
    throw new MetricsError(`Cannot compare ${file}: ${why}`);
  };
  const { size } = await Deno.stat(file);
  if (size > LARGEST_FILE_BYTES) refuse(`it has ${bytes(size)}, and metrics have at most ${bytes(LARGEST_FILE_BYTES)}`);
  const metrics = parseMetrics(await onDisk(`read ${file}`, () => Deno.readTextFile(file)));
  if (metrics === null) {
    return refuse(
      "no line of it says what its run is. A metrics file begins with a line of kind 'run' (docs/metrics.md)",
    );
  }
  if (metrics.runs.length > 1) refuse(`it has lines of ${metrics.runs.length} runs. Give each its own file`);
  if (metrics.rounds.length === 0) refuse("it has no round yet. Train first, or wait until a round has ended");
  return metrics;
}
