/**
 * An exponential average of weights whose horizon grows with the training: always the same share of the steps so far.
 *
 *     w ← w + α·(θ − w),   α = d / (d + share·t)
 *
 * at step t, d steps after the last time (polynomial-decay averaging: Shamir and Zhang 2013, arXiv 1212.1824, §4).
 *
 * Zhang et al. 2024 (arXiv 2410.21676) judge training at a constant rate by an average with a fixed τ for each batch
 * size, chosen by hand: horizons of 1 to 15 % of the steps to their targets. Here runs are short and of unknown length,
 * so the horizon is such a share at every moment. An average lags behind training by its horizon; a lag that is the same
 * share of every trial multiplies all steps to a target alike, and leaves B* where it is.
 * @module
 */

/** Samples that one horizon has at least: reading the weights after every step would cost more than it tells. */
const SAMPLES_A_HORIZON = 16;

export class WeightsAverage {
  readonly share: number;
  readonly values: Float32Array<ArrayBuffer>;
  #step: number;

  /** @param values The average at `step`, which becomes this object's; at step 0 anything. */
  constructor(share: number, { values, step }: { readonly values: Float32Array<ArrayBuffer>; readonly step: number }) {
    this.share = share;
    this.values = values;
    this.#step = step;
  }

  /** The step of the last sample. */
  get step(): number {
    return this.#step;
  }

  /** Whether the weights after this step should be sampled. */
  isDue(step: number): boolean {
    return step - this.#step >= Math.max(1, Math.floor(this.share * step / SAMPLES_A_HORIZON));
  }

  /** Takes in the weights after a step that comes after the last one. */
  add(weights: Float32Array, step: number): void {
    const steps = step - this.#step, { values } = this;
    // The first sample is the average itself: what the weights were before they learned anything counts for nothing.
    const alpha = this.#step === 0 ? 1 : steps / (steps + this.share * step);
    for (let i = 0; i < values.length; i++) values[i] = values[i]! + alpha * (weights[i]! - values[i]!);
    this.#step = step;
  }
}
