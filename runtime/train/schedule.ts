/**
 * The numbers of an inner step by tokens of the run, so that they do not depend on how many peers made them or in what
 * steps, and by the run's global batch, whatever share of it this peer executes.
 *
 * Pure. Progress is in tokens that the whole run has seen.
 * @module
 */
import type { TrainingConfig } from "../config.ts";
import type { StepSettings } from "./inner_step.ts";

/** Where the run stands at a step. */
export interface Progress {
  /** Of the run, after the step. */
  readonly tokens: number;
  /** Sequences that the run asks for, of all peers together. */
  readonly globalBatch: number;
}

/**
 * The numbers of a step. As the global batch b leaves the b₀ that the rate was chosen for, the rate goes by √(b/b₀)
 * (Malladi et al. 2022, arXiv 2205.10287, for Adam) unless the run says otherwise, and β₂ becomes β₂^(b/b₀): the second
 * moment forgets half in the same number of tokens (arXiv 2507.07101).
 */
export function stepSettings(config: TrainingConfig, { tokens, globalBatch }: Progress): StepSettings {
  const { beta1, epsilon, weightDecay: decay, clip } = config, growth = globalBatch / config.batch;
  const rate = learningRate(config, tokens) * (config.rateScaling === "sqrt" ? Math.sqrt(growth) : 1);
  return { rate, beta1, beta2: config.beta2 ** growth, epsilon, decay, clip };
}

/**
 * The rate of a step at the batch that the run begins with.
 * @param tokens Tokens of the run *after* the step, so that the first step of a warm-up moves.
 */
export function learningRate(config: TrainingConfig, tokens: number): number {
  const { learningRate: peak, warmupTokens, targetTokens } = config;
  if (tokens < warmupTokens) return peak * tokens / warmupTokens;
  if (targetTokens === null || targetTokens <= warmupTokens) return peak;
  const progress = Math.min(1, (tokens - warmupTokens) / (targetTokens - warmupTokens));
  return peak * shareOfPeak(config, progress);
}

/** @param progress From 0 at the end of the warm-up to 1 at the run's target. */
function shareOfPeak({ schedule, finalShare, decayShare }: TrainingConfig, progress: number): number {
  switch (schedule) {
    case "constant":
      return 1;
    case "cosine": // Loshchilov and Hutter 2017, arXiv 1608.03983, eq. 5, without restarts
      return finalShare + (1 - finalShare) * (1 + Math.cos(Math.PI * progress)) / 2;
    case "wsd": { // warm-up, stable, decay: Hu et al. 2024, arXiv 2404.06395, §4.2, with a straight decay
      const left = decayShare === 0 ? 1 : Math.min(1, (1 - progress) / decayShare);
      return finalShare + (1 - finalShare) * left;
    }
    default:
      throw new RangeError(`Cannot schedule a learning rate: '${schedule satisfies never}' is unknown`);
  }
}
