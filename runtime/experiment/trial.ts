/**
 * A trial: one training from a seed with everything that decides its result, and what came of it.
 *
 * Plain data, as JSON lines on disk and between helpers, so both directions are validated. The same trial gives the
 * same result, bit for bit, on the same device with the same number of threads; what differs between devices is
 * rounding alone.
 * @module
 */
import { z } from "zod";
import { isPlainText } from "../../p2p/plain_text.ts";
import { modelConfigSchema } from "../model/config.ts";
import { outerSchema, trainingSchema } from "../config.ts";

/** It is shown to people, and may come from another machine. */
const id = z.string().min(1).max(120).refine(isPlainText);
const seed = z.int().min(0).max(0xffff_ffff);
const batch = z.int().min(1).max(1_048_576);
const count = z.int().min(0);

/** One model on one device: AdamW steps at a constant rate after a warm-up, judged by an average of its weights. */
const aloneSchema = z.strictObject({
  kind: z.literal("alone"),
  id,
  model: modelConfigSchema,
  /** Of the initial weights and of the data order. */
  seed,
  /** Sequences of a step. */
  batch,
  rate: z.number().positive(),
  /** Steps over which the rate rises from 0. */
  warmupSteps: count,
  beta1: z.number().min(0).max(0.9999),
  beta2: z.number().min(0).max(0.99999),
  epsilon: z.number().positive(),
  decay: z.number().min(0),
  clip: z.number().min(0),
  /** Horizon of the average that is judged, as a share of the steps so far; 0: the weights themselves. */
  averageShare: z.number().min(0).max(1),
  /** Held-out loss at which it ends; null: it ends when its tokens are spent. */
  target: z.number().positive().nullable(),
  mostTokens: count.min(1),
  /** Whether the gradient noise scale is measured at the end. */
  measuresNoise: z.boolean(),
});

/** Several equal peers in one process: inner steps, then an outer step with the real codec and fold. */
const flockSchema = z.strictObject({
  kind: z.literal("flock"),
  id,
  model: modelConfigSchema,
  seed,
  /** Peers of the flock. */
  peers: z.int().min(1).max(256),
  /** Sequences of one peer's inner step. */
  batch,
  /** Inner steps of a round. */
  innerSteps: z.int().min(1).max(100_000),
  /** Its rate and schedule; `targetTokens` is the length of the trial. */
  training: trainingSchema,
  outer: outerSchema,
  mostTokens: count.min(1),
});

export const trialSchema = z.discriminatedUnion("kind", [aloneSchema, flockSchema]);

export type AloneTrial = z.infer<typeof aloneSchema>;
export type FlockTrial = z.infer<typeof flockSchema>;
export type Trial = z.infer<typeof trialSchema>;

export const trialResultSchema = z.strictObject({
  trial: id,
  /** reached: the target; spent: its tokens without it; diverged: the loss is not finite, or above the first one. */
  outcome: z.enum(["reached", "spent", "diverged"]),
  steps: count,
  tokens: count,
  /** Held-out, at the end, nats per token; null if it is not finite. */
  loss: z.number().nullable(),
  /** Held-out losses by steps, ascending. */
  curve: z.array(z.tuple([z.int().min(0), z.number()])),
  /** trΣ and |G|² of one sequence's gradient at the end (McCandlish et al. 2018); null if nobody asked. */
  noise: z.strictObject({ variance: z.number(), signal: z.number() }).nullable(),
  /** For people. */
  device: z.string().max(300).refine(isPlainText),
  /** Time that it took, interruptions left out. */
  trainedMs: z.number().min(0),
});

export type TrialResult = z.infer<typeof trialResultSchema>;
export type Curve = TrialResult["curve"];

/** How far a trial is, for whoever watches. */
export interface TrialProgress {
  readonly trial: string;
  readonly steps: number;
  readonly tokens: number;
  /** The last held-out loss; null before there is one. */
  readonly loss: number | null;
  readonly tokensPerSecond: number;
}

/** Tokens that a step of the trial predicts, of all its peers. */
export function tokensAStep(trial: Trial): number {
  return trial.batch * trial.model.contextLength * (trial.kind === "flock" ? trial.peers : 1);
}
