/**
 * When f16 is no use for a model any more: overflows that no loss scale cures, or too many of them.
 *
 * Now and then a step is skipped by design: each time the scale has grown too large, and a few times at the beginning.
 * What is counted here is more than that.
 * @module
 */
import type { StepMetrics } from "./step_metrics.ts";

/** At the smallest loss scale an overflow is not the scale's fault; so many in a row are no accident. */
const MOST_UNSCALED = 5;
/** A scale that must become 2¹⁶ times smaller at once was not too large. Fewer than end a peer's training in f32. */
const MOST_IN_A_ROW = 16;
const MOST_OF_RECENT = 32, RECENT = 1000;

export class Stability {
  #steps = 0;
  #inARow = 0;
  /** Of those in a row, how many without any scale. */
  #unscaled = 0;
  /** Numbers of the skipped ones among the recent steps. */
  #skipped: number[] = [];

  /** Notes a step in f16; gives why training should go on in f32, if it should. */
  add({ skipped, lossScale }: Pick<StepMetrics, "skipped" | "lossScale">): string | null {
    this.#steps++;
    this.#inARow = skipped ? this.#inARow + 1 : 0;
    this.#unscaled = skipped && lossScale <= 1 ? this.#unscaled + 1 : 0;
    if (skipped) this.#skipped.push(this.#steps);
    this.#skipped = this.#skipped.filter((step) => step > this.#steps - RECENT);
    if (this.#unscaled >= MOST_UNSCALED) return `${this.#unscaled} steps in a row overflowed without any loss scale`;
    if (this.#inARow >= MOST_IN_A_ROW) return `${this.#inARow} steps in a row overflowed`;
    if (this.#skipped.length <= MOST_OF_RECENT) return null;
    return `${this.#skipped.length} of the last ${Math.min(RECENT, this.#steps)} steps overflowed`;
  }
}
