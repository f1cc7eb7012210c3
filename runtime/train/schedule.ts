/**
 * Learning rate by tokens of the run, so that it does not depend on how many peers made them or in what steps.
 *
 * Pure. Everything is in tokens that the whole run has seen.
 * @module
 */
import type { TrainingConfig } from "../config.ts";

/**
 * The rate of a step.
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
