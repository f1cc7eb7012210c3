/**
 * The exponentially weighted average (EWA) of a run's weights over its rounds, for evaluation, sampling and export.
 *
 * Zhang et al. 2025, arXiv 2410.21676: w ← τ·w + (1 − τ)·θ for every inner step, bias-corrected w / (1 − τᵗ). A round is
 * n inner steps at once, with one θ at their end; kept is the corrected average itself, so it can be used at any time:
 *
 *     a = τᵢⁿ     m ← a·m + (1 − a)     w ← w + ((1 − a) / m)·(θ − w)
 *
 * where m, the mass, is 1 − Π a. τᵢ is τ, or less early on: its horizon 1 / (1 − τᵢ) is at most a tenth of the steps so
 * far. No average that was corrected for its bias alone gets rid of a beginning that lies within its horizon.
 *
 * It is one peer's own: no other peer sees it, and no state depends on it.
 * @module
 */
import { mix } from "./average.ts";

/** τ unless the run says another: two thousand steps, the paper's for all but its largest batches. */
export const EWA_DECAY = 0.9995;
/** The most of the steps so far that the horizon is. */
export const HORIZON_SHARE = 0.1;

/** How far an average has come. */
export interface EwaProgress {
  /** Tokens of the run at its newest weights. */
  readonly tokens: number;
  /** Inner steps of the run until then, those before this average began among them. */
  readonly steps: number;
  /** Share of a full average that it has seen: 1 − Π a. 0: it has no weights yet. */
  readonly mass: number;
}

/** Weights after a record, as an average takes them. */
export interface EwaInput {
  /** Tokens of the run. */
  readonly tokens: number;
  /** Tokens of one global batch. */
  readonly batchTokens: number;
  /** τ of one inner step. */
  readonly decay: number;
}

export interface EwaUpdate {
  readonly progress: EwaProgress;
  /** How far the average moves to the new weights: 0 not at all, 1 it becomes them. */
  readonly share: number;
}

/** What new weights change in an average; null is one that has seen nothing. */
export function ewaUpdate(before: EwaProgress | null, { tokens, batchTokens, decay }: EwaInput): EwaUpdate {
  if (before === null) {
    // The weights that a run begins with are no result; what a joiner finds counts as one step.
    if (tokens === 0) return { progress: { tokens, steps: 0, mass: 0 }, share: 0 };
    const steps = tokens / batchTokens;
    return { progress: { tokens, steps, mass: 1 - keptOver(Math.min(1, steps), { steps, decay }) }, share: 1 };
  }
  const made = (tokens - before.tokens) / batchTokens;
  // A heavier history may have fewer tokens: the average keeps what it has of the lighter one, and fades it out.
  if (!(made > 0)) return { progress: { ...before, tokens }, share: 0 };
  const steps = before.steps + made, kept = keptOver(made, { steps, decay });
  const mass = kept * before.mass + (1 - kept);
  return { progress: { tokens, steps, mass }, share: (1 - kept) / mass };
}

/** Moves an average to new weights; each value in f64, rounded once. */
export function moveAverage(average: Float32Array, weights: Float32Array, share: number): void {
  mix(average, weights, share, average);
}

/** What is left of an average after `made` steps, when the run has made `steps`. */
function keptOver(made: number, { steps, decay }: { readonly steps: number; readonly decay: number }): number {
  const horizon = Math.min(1 / (1 - decay), HORIZON_SHARE * steps);
  return horizon <= 1 ? 0 : Math.exp(made * Math.log1p(-1 / horizon));
}
