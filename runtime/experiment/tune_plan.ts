/**
 * Which trials answer what rates suit a run: a grid of learning rate × outer learning rate × outer momentum, each tried
 * by a flock of equal peers in one process, on a proxy of the run's model.
 *
 * What is assumed to transfer from the proxy, and is not measured here:
 *  - the learning rate, as 1/width (Yang et al. 2022, arXiv 2203.03466, for Adam on matrices): a proxy of half the width
 *    is tried at twice the rate, and the factor that was best is what counts for the run;
 *  - outer rate and momentum unchanged: they go by the number of peers and the inner steps, not by size (Charles et al.
 *    2025, arXiv 2503.09799, §4).
 *
 * Pure; `tune_report.ts` reads the results.
 * @module
 */
import type { RunConfig } from "../config.ts";
import type { ModelConfig } from "../model/config.ts";
import type { Results, SweepPlan } from "./sweep_plan.ts";
import type { FlockTrial } from "./trial.ts";

export interface TuneOptions {
  readonly run: Pick<RunConfig, "model" | "tokenizer" | "data" | "training" | "outer" | "seed">;
  /** What is trained in the run's place. */
  readonly proxy: ModelConfig;
  /** Global batch of an inner step, in sequences; each peer has its share of it. */
  readonly batch: number;
  readonly peers: number;
  /** Inner steps of a round. */
  readonly innerSteps: number;
  /** Of one trial, of all its peers together. */
  readonly tokens: number;
  /** Factors of the run's learning rate. */
  readonly rates: readonly number[];
  readonly outerRates: readonly number[];
  readonly momenta: readonly number[];
  readonly seeds: number;
}

/** One choice, tried at every seed. */
export interface TunePoint {
  readonly factor: number;
  readonly outerRate: number;
  readonly momentum: number;
}

/** Most of a trial that its warm-up may take. */
const LARGEST_WARMUP_SHARE = 0.1;

/** The sweep that answers: all points at the first seed, then at the next one. */
export function planTune(options: TuneOptions): SweepPlan {
  const trials = Array.from({ length: options.seeds }, (_, i) => options.run.seed + i)
    .flatMap((seed) => pointsOf(options).map((point) => trialAt(options, point, seed)));
  return {
    name: "tune.jsonl",
    question: { experiment: "tune", ...options },
    trials: () => trials,
    trialCount: trials.length,
    tokensToGo: (results: Results) => options.tokens * trials.filter(({ id }) => !results.has(id)).length,
  };
}

export function pointsOf({ rates, outerRates, momenta }: TuneOptions): TunePoint[] {
  return rates.flatMap((factor) =>
    outerRates.flatMap((outerRate) => momenta.map((momentum) => ({ factor, outerRate, momentum })))
  );
}

export function tuneId({ factor, outerRate, momentum }: TunePoint, seed: number): string {
  return `rate ×${factor}, outer rate ${outerRate}, momentum ${momentum}, seed ${seed}`;
}

/** The learning rate that a point means for the run itself, at the batch that was asked for. */
export function rateOf({ run: { training }, batch }: TuneOptions, { factor }: Pick<TunePoint, "factor">): number {
  return factor * training.learningRate * Math.sqrt(batch / training.batch);
}

/** Sequences of one peer's inner step: its share of the global batch. */
export function batchOfPeer({ batch, peers }: Pick<TuneOptions, "batch" | "peers">): number {
  return Math.max(1, Math.round(batch / peers));
}

/** Rounds of a trial. */
export function roundsOf(options: TuneOptions): number {
  const { proxy, peers, innerSteps, tokens } = options;
  return Math.ceil(tokens / (batchOfPeer(options) * proxy.contextLength * peers * innerSteps));
}

function trialAt(options: TuneOptions, point: TunePoint, seed: number): FlockTrial {
  const { run: { model, training, outer }, proxy, peers, innerSteps, tokens } = options;
  const share = training.targetTokens === null ? Infinity : tokens / training.targetTokens;
  return {
    kind: "flock",
    id: tuneId(point, seed),
    model: proxy,
    seed,
    peers,
    batch: batchOfPeer(options),
    innerSteps,
    training: {
      ...training,
      learningRate: Math.min(1, rateOf(options, point) * model.width / proxy.width),
      warmupTokens: Math.floor(Math.min(LARGEST_WARMUP_SHARE * tokens, share * training.warmupTokens || 0)),
      targetTokens: training.targetTokens === null ? null : tokens,
      batch: options.batch,
    },
    outer: { ...outer, learningRate: point.outerRate, momentum: point.momentum },
    mostTokens: tokens,
  };
}
