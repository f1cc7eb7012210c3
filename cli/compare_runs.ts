/**
 * Runs set side by side by their metrics: figures, what differs, and a chart. Pure.
 *
 * The one thing to know: losses are held-out losses, because training losses of different batches and policies are not
 * of the same text.
 * @module
 */
import type { Metrics } from "../runtime/metrics_lines.ts";
import type { RoundLine, RunLine } from "../runtime/metrics.ts";
import type { Chart, Panel, Point } from "./chart/chart.ts";

/** A run with the name that it has in table and legend. */
export interface NamedMetrics extends Metrics {
  readonly label: string;
}

/** When a run first reached the target. */
export interface Reached {
  readonly tokens: number;
  readonly elapsedMs: number;
  readonly rounds: number;
}

/** The figures of one run; null where nothing was measured. */
export interface RunFigures {
  readonly label: string;
  readonly policy: string;
  /** Global batch after the first and after the last round, in sequences. */
  readonly firstBatch: number;
  readonly lastBatch: number;
  readonly firstLineages: number;
  readonly lastLineages: number;
  readonly parameters: number;
  readonly device: string;
  readonly elapsedMs: number;
  readonly computeShare: number | null;
  readonly waitShare: number | null;
  readonly transferShare: number | null;
  readonly runTokensPerSecond: number | null;
  readonly computingTokensPerSecond: number | null;
  readonly peerTokensPerSecond: number | null;
  readonly devicePeakBytes: number;
  readonly residentPeakBytes: number;
  readonly upBytes: number;
  readonly downBytes: number;
  readonly rounds: number;
  readonly tokens: number;
  readonly trainLoss: number | null;
  readonly bestHeldOutLoss: number | null;
  readonly finalHeldOutLoss: number | null;
  /** Null if it never did. */
  readonly reached: Reached | null;
  readonly offersCounted: number;
  readonly offersLate: number;
  readonly offersLost: number;
}

export interface Comparison {
  /** Held-out loss, nats per token; null if no run has measured one. */
  readonly target: number | null;
  readonly runs: readonly RunFigures[];
  /** Settings that are not the same in all, by their name in run.json, with the value of each run. */
  readonly settings: readonly { readonly name: string; readonly values: readonly string[] }[];
  /** Why the losses may not be comparable. */
  readonly warnings: readonly string[];
}

/** Compares; without a target, with the worst of the best held-out losses, which every run has reached. */
export function compareRuns(runs: readonly NamedMetrics[], target: number | null = null): Comparison {
  const bests = runs.flatMap(({ rounds }) => bestOf(rounds) ?? []);
  const goal = target ?? (bests.length === 0 ? null : Math.max(...bests));
  return {
    target: goal,
    runs: runs.map((run) => figuresOf(run, goal)),
    settings: differencesOf(runs),
    warnings: warningsOf(runs),
  };
}

/** What a plot shows: loss by tokens and by time, batch by tokens, speed by time. */
export function comparisonChart(runs: readonly NamedMetrics[], { target }: Comparison): Chart {
  const panel = (
    title: string,
    x: Panel["x"],
    y: Panel["y"],
    pointOf: (round: RoundLine) => Point | null,
  ): Panel => ({
    ...{ title, x, y },
    series: runs.map(({ label, rounds }) => ({
      name: label,
      points: rounds.flatMap((round) => pointOf(round) ?? []),
    })),
    guides: target === null || y !== loss ? [] : [{ axis: "y", at: target, label: `target ${target.toFixed(3)}` }],
  });
  const longestMs = Math.max(0, ...runs.map(({ rounds }) => rounds.at(-1)?.elapsedMs ?? 0));
  const [unit, unitMs] = longestMs >= 4 * 3_600_000 ? ["hours", 3_600_000] : ["minutes", 60_000];
  const tokens = { label: "tokens of the run" },
    time = { label: `time, ${unit}` },
    loss = { label: "loss, nats a token" };
  return {
    title: "Runs compared",
    description: `Held-out loss, batch and speed of ${runs.map(({ label }) => label).join(", ")}.`,
    panels: [
      panel(
        "Held-out loss by tokens",
        tokens,
        loss,
        ({ heldOutLoss, heldOutTokens, tokens }) =>
          heldOutLoss === null ? null : { x: heldOutTokens ?? tokens, y: heldOutLoss },
      ),
      panel(
        "Held-out loss by time",
        time,
        loss,
        ({ heldOutLoss, elapsedMs }) => heldOutLoss === null ? null : { x: elapsedMs / unitMs, y: heldOutLoss },
      ),
      panel("Batch", tokens, { label: "sequences", fromZero: true }, ({ requestedBatch, tokens }) => ({
        x: tokens,
        y: requestedBatch,
      })),
      panel("Throughput", time, { label: "tokens/s", fromZero: true }, ({ runTokensPerSecond, elapsedMs }) => ({
        x: elapsedMs / unitMs,
        y: runTokensPerSecond,
      })),
    ],
  };
}

function figuresOf({ label, run, rounds }: NamedMetrics, target: number | null): RunFigures {
  const first = rounds[0]!, last = rounds.at(-1)!;
  const mean = (key: "computeShare" | "waitShare" | "transferShare" | `${"computing" | "peer"}TokensPerSecond`) =>
    meanOf(rounds.flatMap((round) => round[key] ?? []));
  const spanMs = last.elapsedMs - first.elapsedMs;
  return {
    ...{
      label,
      policy: run.batching.policy,
      parameters: run.parameters,
      device: run.device,
      elapsedMs: last.elapsedMs,
    },
    ...{ firstBatch: first.requestedBatch, lastBatch: last.requestedBatch },
    ...{ firstLineages: first.lineages, lastLineages: last.lineages },
    ...{ computeShare: mean("computeShare"), waitShare: mean("waitShare"), transferShare: mean("transferShare") },
    runTokensPerSecond: spanMs > 0 ? (last.tokens - first.tokens) * 1000 / spanMs : last.runTokensPerSecond,
    computingTokensPerSecond: mean("computingTokensPerSecond"),
    peerTokensPerSecond: mean("peerTokensPerSecond"),
    ...{ devicePeakBytes: last.devicePeakBytes, residentPeakBytes: last.residentPeakBytes },
    ...{ upBytes: last.upBytes, downBytes: last.downBytes, rounds: last.round, tokens: last.tokens },
    trainLoss: rounds.findLast(({ trainLoss }) => trainLoss !== null)?.trainLoss ?? null,
    bestHeldOutLoss: bestOf(rounds),
    finalHeldOutLoss: rounds.findLast(({ heldOutLoss }) => heldOutLoss !== null)?.heldOutLoss ?? null,
    reached: target === null ? null : reachedBy(rounds, target),
    ...{ offersCounted: last.offersCounted, offersLate: last.offersLate, offersLost: last.offersLost },
  };
}

function reachedBy(rounds: readonly RoundLine[], target: number): Reached | null {
  const line = rounds.find(({ heldOutLoss }) => heldOutLoss !== null && heldOutLoss <= target);
  return line === undefined
    ? null
    : { tokens: line.heldOutTokens ?? line.tokens, elapsedMs: line.elapsedMs, rounds: line.round };
}

function bestOf(rounds: readonly RoundLine[]): number | null {
  const losses = rounds.flatMap(({ heldOutLoss }) => heldOutLoss ?? []);
  return losses.length === 0 ? null : losses.reduce((a, b) => Math.min(a, b));
}

function meanOf(values: readonly number[]): number | null {
  return values.length === 0 ? null : values.reduce((sum, value) => sum + value, 0) / values.length;
}

function differencesOf(runs: readonly NamedMetrics[]): Comparison["settings"] {
  const settings = runs.map(({ run }) => settingsOf(run));
  const names = [...new Set(settings.flatMap((one) => [...one.keys()]))];
  return names.map((name) => ({ name, values: settings.map((one) => one.get(name) ?? "–") }))
    .filter(({ values }) => new Set(values).size > 1);
}

/** What was chosen for a run, by its name in run.json; the batch policy has a row of its own. */
function settingsOf(
  { seed, training, batching: { policy: _, ...batching }, outer }: RunLine,
): ReadonlyMap<string, string> {
  const inSection = (section: string, values: Readonly<Record<string, unknown>>) =>
    Object.entries(values).map(([key, value]) => [`${section}.${key}`, JSON.stringify(value)] as const);
  return new Map([
    ["seed", String(seed)],
    ...inSection("training", training),
    ...inSection("batching", batching),
    ...inSection("outer", outer),
  ]);
}

function warningsOf([first, ...others]: readonly NamedMetrics[]): readonly string[] {
  if (first === undefined) return [];
  return [
    ...others.flatMap(({ label, run }) => {
      const { model, dataDigest } = first.run;
      const keys = [...new Set([...Object.keys(model), ...Object.keys(run.model)])]
        .filter((key) => JSON.stringify(model[key]) !== JSON.stringify(run.model[key]));
      const fields = keys.map((key) => `${key} ${JSON.stringify(model[key])} and ${JSON.stringify(run.model[key])}`);
      return [
        ...(keys.length > 0 ? [`${first.label} and ${label} are of different models (${fields.join(", ")})`] : []),
        ...(dataDigest === run.dataDigest
          ? []
          : [`${first.label} and ${label} have different data or tokenizers: their losses are of different texts`]),
      ];
    }),
    ...[first, ...others].flatMap(({ label, damaged }) =>
      damaged === 0 ? [] : [`${label}: ${damaged} damaged ${damaged === 1 ? "line is" : "lines are"} left out`]
    ),
  ];
}
