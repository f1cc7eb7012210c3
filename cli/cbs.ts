/**
 * `starling cbs`: the critical batch size of a run, measured.
 *
 * Trains the run's model, or a smaller one of its family, to one loss at several batch sizes, and fits what came of it;
 * the sweep lies in a folder and is gone on with. What is trained is decided in `runtime/experiment/cbs_plan.ts`.
 * @module
 */
import type { RunConfig } from "../runtime/config.ts";
import {
  type CbsOptions,
  MOST_TOKENS,
  planCbs,
  plannedTokens,
  seriesOf,
  type Varied,
} from "../runtime/experiment/cbs_plan.ts";
import { reportCbs } from "../runtime/experiment/cbs_report.ts";
import { scaledModel } from "../runtime/experiment/scaled_model.ts";
import { type ModelConfig, modelConfigSchema } from "../runtime/model/config.ts";
import { parameterLayout } from "../runtime/model/parameters.ts";
import { cbsChart } from "./cbs_chart.ts";
import { cbsLines } from "./cbs_lines.ts";
import { EXIT, UsageError } from "./exit.ts";
import {
  defaultSweepFolder,
  drawInto,
  type ExperimentFlags,
  openExperimentRun,
  runExperiment,
  unfinished,
} from "./experiment.ts";
import { counted } from "./format.ts";
import { json, line, note } from "./print.ts";

export interface CbsFlags extends ExperimentFlags {
  readonly batches?: readonly number[];
  readonly reference?: number;
  readonly tokens: number;
  readonly target?: number;
  readonly rates: readonly number[];
  readonly seeds: number;
  readonly vary?: Varied;
  readonly values?: readonly number[];
  /** Share of width and depth of the model that is trained. */
  readonly proxy: number;
}

/** How far the ladder goes down and up from the reference: about as the paper's, 64 … 16,384 around 256. */
const LADDER = { down: 4, up: 32 };
/** A run's batch is chosen for speed as well; a quarter of it is a safer place for perfect scaling. */
const REFERENCE_SHARE = 1 / 4;
const VALUES: Readonly<Record<Varied, readonly number[]>> = {
  data: [0.25, 0.5, 1],
  depth: [0.5, 1, 2],
  width: [0.5, 1, 2],
};

/** Measures and reports; returns the exit code. */
export async function cbs(flags: CbsFlags): Promise<number> {
  expectAgreement(flags); // before a run is made of a preset
  const run = await openExperimentRun(flags.run);
  const options = cbsOptions(run.config, flags), plan = planCbs(options);
  const folder = flags.folder ?? defaultSweepFolder(run, "cbs");
  if (flags.manner !== "json" && flags.manner !== "quiet") note(introduction(options, folder));
  const { results, isComplete } = await runExperiment(plan, { run, folder, flags });
  const report = reportCbs(options, results);
  const plot = await drawInto(folder, "cbs.svg", cbsChart(report, options));
  if (flags.manner === "json") {
    json({ kind: "done", folder, isComplete, plot, ...report });
    return EXIT.done;
  }
  for (const text of cbsLines(report, options)) line(text);
  line(`Picture: ${plot}`);
  if (!isComplete) note(unfinished(folder));
  return EXIT.done;
}

/** What the flags ask, of this run. @throws {UsageError} */
export function cbsOptions(config: RunConfig, flags: CbsFlags): CbsOptions {
  const reference = flags.reference ?? powerOfTwoBelow(Math.max(1, REFERENCE_SHARE * config.training.batch));
  const batches = [...new Set([reference, ...flags.batches ?? ladder(reference)])].sort((a, b) => a - b);
  if (batches.length < 2) throw new UsageError("Cannot fit one batch size: give more with --batches, e.g. 1,2,4,8,16");
  const model = flags.proxy === 1
    ? config.model
    : scaledModel(config.model, { width: flags.proxy, depth: flags.proxy });
  const vary = flags.vary === undefined
    ? null
    : { what: flags.vary, values: [...new Set(flags.values ?? VALUES[flags.vary])].sort((a, b) => a - b) };
  const options: CbsOptions = {
    run: { model, tokenizer: config.tokenizer, data: config.data, training: config.training, seed: config.seed },
    batches,
    reference,
    tokens: flags.tokens,
    target: flags.target ?? null,
    rates: [...new Set(flags.rates)].sort((a, b) => a - b),
    seeds: flags.seeds,
    vary,
  };
  for (const scaled of new Set(seriesOf(options).map(({ model }) => model))) expectModel(scaled);
  const leastSteps = 20, stepTokens = reference * model.contextLength;
  if (plannedTokens(options) < leastSteps * stepTokens) {
    throw new UsageError(
      `Cannot set a target with ${
        counted(flags.tokens)
      } tokens: that is less than ${leastSteps} steps of the reference ` +
        `batch (${reference} sequences, ${
          counted(stepTokens)
        } tokens a step). Give more --tokens or a smaller --reference`,
    );
  }
  return options;
}

/** @throws {UsageError} if flags are of no use together, whatever the run is. */
function expectAgreement(flags: CbsFlags): void {
  if (flags.values !== undefined && flags.vary === undefined) {
    throw new UsageError("Cannot use --values alone: say what they are of, with --vary data, depth or width");
  }
  if (flags.vary === "data" && flags.target !== undefined) {
    throw new UsageError(
      "Cannot vary the data to a given --target: its losses are what the reference reaches. Leave it out",
    );
  }
}

/** @throws {UsageError} if a scaled model is none. */
function expectModel(model: ModelConfig): void {
  const parsed = modelConfigSchema.safeParse(model);
  if (parsed.success) return;
  const { path, message } = parsed.error.issues[0]!;
  throw new UsageError(
    `Cannot train a model of that size: its ${path.join(".")} ${message}. Choose other --values or --proxy`,
  );
}

function ladder(reference: number): number[] {
  const batches: number[] = [];
  for (let batch = Math.max(1, Math.ceil(reference / LADDER.down)); batch <= LADDER.up * reference; batch *= 2) {
    batches.push(batch);
  }
  return batches;
}

function powerOfTwoBelow(value: number): number {
  return 2 ** Math.floor(Math.log2(value));
}

function introduction(
  { run, batches, reference, target, seeds, rates, vary, ...options }: CbsOptions,
  folder: string,
): string {
  const { parameterCount } = parameterLayout(run.model),
    many = (count: number, what: string) => count === 1 ? "" : `, ${count} ${what}`;
  return `Critical batch size: ${run.model.family} of ${counted(parameterCount)} parameters, batches ${
    batches.join(", ")
  }` +
    `${many(rates.length, "rates each")}${many(seeds, "seeds")}${
      vary === null ? "" : `, ${vary.what} × ${vary.values.join(", ")}`
    }.\n` +
    (target === null
      ? `The target is what batch ${reference} reaches with ${counted(plannedTokens({ ...options, vary }))} tokens`
      : `The target is the loss ${target}`) +
    `; a batch that needs ${MOST_TOKENS} times as many is given up. Kept in ${folder}; Ctrl+C stops, the same command goes on.`;
}
