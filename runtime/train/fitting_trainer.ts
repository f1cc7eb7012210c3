/**
 * A trainer that fits into a device's memory: one that keeps all activations if it can, else one that computes some of
 * them again.
 *
 * What is computed again changes no bit of what is learned, only memory and time. The order in which it is tried is that
 * of what is expected to be fastest, beside the other way to save memory, half the micro-batch, which is the caller's:
 * the outputs of norms and activation functions cost next to nothing; half the micro-batch costs little on a device that
 * it still keeps busy; whole layers cost most of another forward pass.
 * @module
 */
import { DeviceMemoryError } from "../device/device.ts";
import { choiceFor } from "../graph/choice.ts";
import type { RecomputeLevel } from "../graph/recompute.ts";
import { openTrainer, type Trainer, type TrainerOptions } from "./trainer.ts";
import { planTrainer, type TrainerPlan, type TrainerShape } from "./trainer_plan.ts";

/** Tokens at once from which on most devices are busy. */
export const BUSY_TOKENS = 512;

/** What to compute again before half the micro-batch is tried, from the fastest on: less each time in memory. */
export function plansToTry(shape: TrainerShape): TrainerPlan[] {
  const { model, microBatch, recompute: least = 0 } = shape;
  const halfIsBusy = Math.floor(microBatch / 2) * model.contextLength >= BUSY_TOKENS;
  const levels: readonly RecomputeLevel[] = halfIsBusy && least < 2 ? [0, 1] : [0, 1, 2];
  const plans: TrainerPlan[] = [];
  for (const recompute of levels.filter((level) => level >= least)) {
    const plan = planTrainer({ ...shape, recompute }), last = plans.at(-1);
    if (last === undefined || plan.plannedBytes < last.plannedBytes) plans.push(plan);
  }
  return plans;
}

/** What to compute again in place of an open trainer, to save memory; null if half the micro-batch comes before that. */
export function nextRecompute({ plannedBytes }: Trainer, options: TrainerOptions): RecomputeLevel | null {
  const { choice = choiceFor(options.device) } = options;
  return plansToTry({ ...options, choice }).find((plan) => plan.plannedBytes < plannedBytes)?.recompute ?? null;
}

/** A trainer, and what the device said to a plan that took more memory; null if none was tried. */
export interface Fitted {
  readonly trainer: Trainer;
  readonly refusal: DeviceMemoryError | null;
}

/**
 * Opens the first of `plansToTry` that fits.
 * @param options `recompute` is the least that may be computed again.
 * @throws {DeviceMemoryError} of the smallest plan, if none fits.
 */
export async function openFittingTrainer(options: TrainerOptions): Promise<Fitted> {
  const { choice = choiceFor(options.device) } = options;
  let refusal: DeviceMemoryError | null = null;
  for (const { recompute } of plansToTry({ ...options, choice })) {
    try {
      return { trainer: await openTrainer({ ...options, choice, recompute }), refusal };
    } catch (error) {
      if (!(error instanceof DeviceMemoryError)) throw error;
      refusal = error;
    }
  }
  throw refusal ?? new Error("there is no plan to try"); // `least` is one of the levels
}
