/**
 * Which trials answer what the critical batch size of a run is: a ladder of batch sizes, trained to one loss.
 *
 * The protocol of Zhang et al. 2024 (arXiv 2410.21676): from one start, steps to a target at several batch sizes, at a
 * constant rate that suits each. The target is the loss that the reference batch reaches with the planned tokens, so its
 * trial comes first and the others follow from what it reached. Each seed has a target of its own: what seeds differ by
 * then cancels. Data is varied without further training: a smaller run's target is a point on the same curves.
 *
 * Pure; `cbs_report.ts` reads the results.
 * @module
 */
import type { RunConfig } from "../config.ts";
import type { ModelConfig } from "../model/config.ts";
import { lossAt } from "./curve.ts";
import { scaledModel } from "./scaled_model.ts";
import type { Results, SweepPlan } from "./sweep_plan.ts";
import type { AloneTrial, TrialResult } from "./trial.ts";

export type Varied = "data" | "depth" | "width";

export interface CbsOptions {
  /** Sizes, rates, text and seed; β₂ and the rate are meant for its `training.batch`. */
  readonly run: Pick<RunConfig, "model" | "tokenizer" | "data" | "training" | "seed">;
  /** Ascending, in sequences; `reference` is among them. */
  readonly batches: readonly number[];
  /** B_opt: where scaling is still perfect. */
  readonly reference: number;
  /** What the reference batch trains on to set the target. */
  readonly tokens: number;
  /** Held-out loss; null: what the reference reaches. */
  readonly target: number | null;
  /** Tried at each batch, as factors of the rate that √ scaling gives; the best counts. */
  readonly rates: readonly number[];
  readonly seeds: number;
  /** What to vary, and by which factors. */
  readonly vary: { readonly what: Varied; readonly values: readonly number[] } | null;
}

/** One model at one seed: its reference sets the target of its other batches. */
export interface Series {
  /** Empty where nothing but data is varied. */
  readonly label: string;
  readonly model: ModelConfig;
  readonly seed: number;
}

/** A batch size that needs this many times the reference's tokens is given up. */
export const MOST_TOKENS = 8;
/** Horizon of the averaged weights; `weights_average.ts` says why it is a share. */
const AVERAGE_SHARE = 0.1;
/** The warm-up: a share of the planned tokens, and never so few steps that AdamW's first moment is still empty. */
const WARMUP_SHARE = 0.05, LEAST_WARMUP_STEPS = 10;
/** β₂ stays within what the paper used, .95 at its largest batches and .999 at its smallest. */
const SMALLEST_BETA2 = 0.95, LARGEST_BETA2 = 0.999;

/** The sweep that answers. */
export function planCbs(options: CbsOptions): SweepPlan {
  return {
    name: "cbs.jsonl",
    question: { experiment: "cbs", ...options },
    trials: (results) => seriesOf(options).flatMap((series) => trialsOf(options, series, results)),
    trialCount: seriesOf(options).length * options.batches.length * options.rates.length,
    tokensToGo(results) {
      let tokens = 0;
      for (const series of seriesOf(options)) {
        for (const batch of options.batches) {
          for (const factor of options.rates) {
            if (!results.has(idOf(series, batch, factor))) tokens += expectedTokens(options, batch);
          }
        }
      }
      return tokens;
    },
  };
}

export function seriesOf({ run, seeds, vary }: Pick<CbsOptions, "run" | "seeds" | "vary">): Series[] {
  const models = vary === null || vary.what === "data"
    ? [{ label: "", model: run.model }]
    : vary.values.map((factor) => ({
      label: `${vary.what} ×${factor}`,
      model: scaledModel(run.model, { width: 1, depth: 1, [vary.what]: factor }),
    }));
  return models.flatMap((variant) => Array.from({ length: seeds }, (_, i) => ({ ...variant, seed: run.seed + i })));
}

export function idOf({ label, seed }: Series, batch: number, factor: number): string {
  return [...(label === "" ? [] : [label]), `batch ${batch}`, `rate ×${factor}`, `seed ${seed}`].join(", ");
}

/** The losses that a series is measured at, one for each amount of data, the largest last; null: not known yet, or never. */
export function targetsOf(options: CbsOptions, series: Series, results: Results): readonly number[] | null {
  if (options.target !== null) return [options.target];
  const shares = dataShares(options), best = bestReference(options, series, results);
  if (best === null || best === "none") return null;
  const losses = shares.map((share) => lossAt(best.curve, share * best.steps));
  return losses.every((loss) => loss !== null) ? losses : null;
}

/** Amounts of data, as shares of the largest, ascending. */
export function dataShares({ vary }: Pick<CbsOptions, "vary">): readonly number[] {
  if (vary?.what !== "data") return [1];
  const most = Math.max(...vary.values);
  return vary.values.map((value) => value / most).sort((a, b) => a - b);
}

/** Tokens that the reference is trained on, all that vary together with it included. */
export function plannedTokens({ tokens, vary }: Pick<CbsOptions, "tokens" | "vary">): number {
  return vary?.what === "data" ? tokens * Math.max(...vary.values) : tokens;
}

/** Trials of one series that are known to be needed, the reference's first, then from near to far. */
function trialsOf(options: CbsOptions, series: Series, results: Results): AloneTrial[] {
  const { batches, reference, rates, target } = options, planned = plannedTokens(options);
  const all = (batch: number, until: Pick<AloneTrial, "target" | "mostTokens">) =>
    rates.map((factor) => trialAt(options, { series, batch, factor, ...until }));
  const far = (batch: number) => Math.abs(Math.log(batch / reference));
  const others = batches.filter((batch) => batch !== reference).sort((a, b) => far(a) - far(b) || a - b);
  if (target !== null) {
    return [reference, ...others].flatMap((batch) => all(batch, { target, mostTokens: MOST_TOKENS * planned }));
  }
  const first = all(reference, { target: null, mostTokens: planned });
  const lowest = targetsOf(options, series, results)?.at(-1);
  if (lowest === undefined) return first;
  return [...first, ...others.flatMap((batch) => all(batch, { target: lowest, mostTokens: MOST_TOKENS * planned }))];
}

/** The reference's best trial; null while some are to be done, "none" if every rate diverged. */
function bestReference(options: CbsOptions, series: Series, results: Results): TrialResult | "none" | null {
  const found = options.rates.map((factor) => results.get(idOf(series, options.reference, factor)));
  if (found.some((result) => result === undefined)) return null;
  const trained = found.filter((result) =>
    result !== undefined && result.outcome !== "diverged" && result.loss !== null
  );
  return trained.reduce<TrialResult | "none">(
    (best, result) => best === "none" || result!.loss! < best.loss! ? result! : best,
    "none",
  );
}

function trialAt(
  options: CbsOptions,
  { series, batch, factor, target, mostTokens }:
    & { readonly series: Series; readonly batch: number; readonly factor: number }
    & Pick<AloneTrial, "target" | "mostTokens">,
): AloneTrial {
  const { run: { training }, reference } = options, { model, seed } = series, ratio = batch / training.batch;
  const warmupTokens = WARMUP_SHARE * plannedTokens(options);
  return {
    kind: "alone",
    id: idOf(series, batch, factor),
    model,
    seed,
    batch,
    rate: factor * training.learningRate * Math.sqrt(ratio),
    warmupSteps: Math.max(LEAST_WARMUP_STEPS, Math.ceil(warmupTokens / (batch * model.contextLength))),
    beta1: training.beta1,
    beta2: Math.max(SMALLEST_BETA2, Math.min(LARGEST_BETA2, training.beta2 ** ratio)),
    epsilon: training.epsilon,
    decay: 0, // as the paper: it acts by steps, so batches would differ by it
    clip: training.clip,
    averageShare: AVERAGE_SHARE,
    target,
    mostTokens: Math.ceil(mostTokens),
    measuresNoise: batch === reference,
  };
}

/** A guess for the time to go: few models bear more than some four times the reference without waste. */
function expectedTokens(options: CbsOptions, batch: number): number {
  return plannedTokens(options) * Math.min(MOST_TOKENS, 1 + batch / (4 * options.reference));
}
