/**
 * `starling tune`: learning rate, outer learning rate and outer momentum for a run at a batch, found on a smaller model.
 *
 * Tries a grid of them with flocks in one process; the sweep lies in a folder and is gone on with. What is suggested is
 * written beside it as a run.json, with the reasons, and never over anything. What is tried is decided in
 * `runtime/experiment/tune_plan.ts`.
 * @module
 */
import { join } from "node:path";
import type { RunConfig } from "../runtime/config.ts";
import { scaledModel } from "../runtime/experiment/scaled_model.ts";
import { batchOfPeer, planTune, pointsOf, roundsOf, type TuneOptions } from "../runtime/experiment/tune_plan.ts";
import { reportTune, suggestedRun, type TuneReport, type TuneRow } from "../runtime/experiment/tune_report.ts";
import type { ModelConfig } from "../runtime/model/config.ts";
import { parameterLayout } from "../runtime/model/parameters.ts";
import { onDisk } from "../p2p/store/storage_error.ts";
import { EXIT, UsageError } from "./exit.ts";
import {
  defaultSweepFolder,
  drawInto,
  type ExperimentFlags,
  openExperimentRun,
  runExperiment,
  unfinished,
} from "./experiment.ts";
import { counted, table } from "./format.ts";
import { json, line, note } from "./print.ts";
import { tuneChart } from "./tune_chart.ts";

export interface TuneFlags extends ExperimentFlags {
  readonly batch?: number;
  readonly peers: number;
  readonly steps: number;
  readonly tokens: number;
  readonly rates: readonly number[];
  readonly outerRates?: readonly number[];
  readonly momenta?: readonly number[];
  readonly seeds: number;
  readonly proxy?: number;
}

/** A proxy is halved until it has no more than this. */
const PROXY_PARAMETERS = 1e6;
const SMALLEST_PROXY = 1 / 64;
const OUTER_RATES = [0.7, 1], MOMENTA = [0, 0.9];
/** Below it a trial is no training. */
const LEAST_ROUNDS = 2;

/** Tries, reports and suggests; returns the exit code. */
export async function tune(flags: TuneFlags): Promise<number> {
  const run = await openExperimentRun(flags.run);
  const options = tuneOptions(run.config, flags);
  const folder = flags.folder ?? defaultSweepFolder(run, "tune");
  if (flags.manner !== "json" && flags.manner !== "quiet") note(introduction(options, folder));
  const { results, isComplete } = await runExperiment(planTune(options), { run, folder, flags });
  const report = reportTune(options, results), { best } = report;
  const plot = await drawInto(folder, "tune.svg", tuneChart(report));
  const suggestion = isComplete && best !== null ? await suggest(run.config, { options, report, best, folder }) : null;
  if (flags.manner === "json") {
    json({ kind: "done", folder, isComplete, plot, suggestion, ...report });
    return EXIT.done;
  }
  for (const text of tuneLines(report)) line(text);
  line(`Picture: ${plot}`);
  if (suggestion !== null) {
    line(`Suggested: ${suggestion}; the reasons stand beside it. It is another run: give it its own folder.`);
  }
  if (!isComplete) note(unfinished(folder));
  return EXIT.done;
}

/** What the flags ask, of this run. @throws {UsageError} */
export function tuneOptions(config: RunConfig, flags: TuneFlags): TuneOptions {
  const { codec } = config.outer, isFixed = codec === "topk" || codec === "auto";
  const asked = (flag: string, values: readonly number[] | undefined, only: number, usual: readonly number[]) => {
    const wrong = isFixed ? values?.find((value) => value !== only) : undefined;
    if (wrong === undefined) return sorted(values ?? (isFixed ? [only] : usual));
    throw new UsageError(
      `Cannot try ${flag} ${wrong}: with the codec ${codec} it must be ${only}, as error feedback takes its place. ` +
        "Choose outer.codec int8 in run.json, or leave the flag out",
    );
  };
  const momenta = asked("--momenta", flags.momenta, 0, MOMENTA), large = momenta.find((momentum) => momentum > 0.99);
  if (large !== undefined) throw new UsageError(`Cannot try --momenta ${large}: at most 0.99 is possible`);
  const outerRates = asked("--outer-rates", flags.outerRates, 1, OUTER_RATES),
    high = outerRates.find((rate) => rate > 2);
  if (high !== undefined) throw new UsageError(`Cannot try --outer-rates ${high}: at most 2 is possible`);
  const options: TuneOptions = {
    run: {
      ...{ model: config.model, tokenizer: config.tokenizer, data: config.data, seed: config.seed },
      ...{ training: config.training, outer: config.outer },
    },
    proxy: proxyOf(config.model, flags.proxy),
    batch: flags.batch ?? config.training.batch,
    peers: flags.peers,
    innerSteps: flags.steps,
    tokens: flags.tokens,
    rates: sorted(flags.rates),
    outerRates,
    momenta,
    seeds: flags.seeds,
  };
  if (options.batch < options.peers) {
    throw new UsageError(
      `Cannot share a batch of ${options.batch} among ${options.peers} peers: each needs a sequence. Give a larger --batch ` +
        "or fewer --peers",
    );
  }
  if (roundsOf(options) < LEAST_ROUNDS) {
    throw new UsageError(
      `Cannot compare outer steps in ${counted(options.tokens)} tokens: that is less than ${LEAST_ROUNDS} rounds of ` +
        `${options.peers} peers × ${options.innerSteps} steps. Give more --tokens or fewer --steps`,
    );
  }
  return options;
}

/** The lines of a report: the table, the best first, and what to know of it. */
export function tuneLines({ rows, noise, asGood, best, remarks }: TuneReport): string[] {
  const cells = rows.map((row) => [
    row.rate.toPrecision(3),
    `×${row.factor}`,
    String(row.outerRate),
    String(row.momentum),
    row.loss === null ? "–" : row.loss.toFixed(4),
    row.deviation === null ? "–" : row.deviation.toFixed(4),
    row === best
      ? "best"
      : asGood.includes(row)
      ? "as good"
      : row.hasDiverged
      ? "diverged"
      : row.seeds === 0
      ? "not done"
      : "",
  ]);
  return [
    ...table([" rate", "", " outer rate", " momentum", " loss", " ± seeds", ""], cells),
    ...(noise === null ? [] : [`one trial differs between seeds by ${noise.toFixed(4)} nats`]),
    ...remarks,
  ];
}

function proxyOf(model: ModelConfig, share: number | undefined): ModelConfig {
  const scaled = (share: number) => scaledModel(model, { width: share, depth: share });
  if (share !== undefined) return share === 1 ? model : scaled(share);
  let half = 1 / 2;
  while (half > SMALLEST_PROXY && parameterLayout(scaled(half)).parameterCount > PROXY_PARAMETERS) half /= 2;
  return scaled(half);
}

/** Writes the suggested run and its reasons under names that are free; gives the path of the run. */
async function suggest(
  config: RunConfig,
  { options, report, best, folder }: {
    readonly options: TuneOptions;
    readonly report: TuneReport;
    readonly best: TuneRow;
    readonly folder: string;
  },
): Promise<string> {
  const text = `${JSON.stringify(suggestedRun(config, options, best), null, 2)}\n`;
  for (let n = 1;; n++) {
    const path = join(folder, n === 1 ? "suggested.json" : `suggested-${n}.json`);
    const found = await Deno.readTextFile(path).catch(() => null);
    if (found === text) return path;
    if (found !== null) continue;
    await onDisk(`write ${path}`, () => Deno.writeTextFile(path, text, { createNew: true }));
    const reasons = reasonsFor(config, { options, report, best }).join("\n");
    await onDisk(`write ${path}`, () => Deno.writeTextFile(path.replace(/json$/, "md"), reasons, { createNew: true }));
    return path;
  }
}

function reasonsFor(
  { name, training, outer }: RunConfig,
  { options, report, best }: { readonly options: TuneOptions; readonly report: TuneReport; readonly best: TuneRow },
): string[] {
  const change = (what: string, from: number, to: number) =>
    `- \`${what}\`: ${from === to ? `stays ${to}` : `${from} → ${to}`}`;
  return [
    `# Suggested for "${name}"`,
    "",
    change("training.batch", training.batch, options.batch),
    change("training.learningRate", training.learningRate, Number(best.rate.toPrecision(4))),
    change("outer.learningRate", outer.learningRate, best.outerRate),
    change("outer.momentum", outer.momentum, best.momentum),
    "",
    `Tried with ${options.peers} peers × ${batchOfPeer(options)} sequences × ${options.innerSteps} steps a round, ` +
    `${roundsOf(options)} rounds, ${counted(options.tokens)} tokens a trial, ${options.seeds} ` +
    `${options.seeds === 1 ? "seed" : "seeds"}, on a proxy of ${
      counted(parameterLayout(options.proxy).parameterCount)
    } parameters.`,
    "",
    "```",
    ...tuneLines(report),
    "```",
    "",
  ];
}

function introduction(options: TuneOptions, folder: string): string {
  const { run: { model }, proxy, peers, innerSteps, seeds } = options, trials = pointsOf(options).length * seeds;
  return `Rates for batch ${options.batch}: ${trials} trials of ${
    counted(options.tokens)
  } tokens, each ${peers} peers × ` +
    `${batchOfPeer(options)} sequences × ${innerSteps} steps a round.\n` +
    `Proxy: ${proxy.family} of ${counted(parameterLayout(proxy).parameterCount)} parameters for one of ` +
    `${counted(parameterLayout(model).parameterCount)}. Kept in ${folder}; Ctrl+C stops, the same command goes on.`;
}

function sorted(values: readonly number[]): readonly number[] {
  return [...new Set(values)].sort((a, b) => a - b);
}
