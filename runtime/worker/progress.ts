/**
 * What a peer has trained since its last contribution: on which windows of its lease, with what loss and noise, in what
 * time. It is offered, or lost and trained again.
 *
 * It trains nothing and knows no device (`training.ts` has both).
 * @module
 */
import type { Contribution, TrainOrder } from "../../p2p/learner.ts";
import type { Measures } from "../train/gradient_measures.ts";
import type { StepMetrics } from "../train/step_metrics.ts";
import { type Activity, Box, type TimeShares } from "./box.ts";
import { Lease } from "./lease.ts";
import { type MeanNoise, NoiseLog } from "./noise_log.ts";

/** What a contribution says of the work in it. */
export type Work = Pick<Contribution, "tokens" | "steps" | "ranges" | "loss" | "noise">;

const NO_WORK: Work = { tokens: 0, steps: 0, ranges: [], loss: 0, noise: null };

export class Progress {
  readonly #contextLength: number;
  readonly #lease = new Lease();
  readonly #noise = new NoiseLog();
  #box = new Box();
  /** Tokens of this peer that the order's count does not have yet. */
  #ahead = 0;

  constructor({ contextLength }: { readonly contextLength: number }) {
    this.#contextLength = contextLength;
  }

  /** @param isNewAnchor Whether the next step begins from weights that all peers have. */
  follow(order: TrainOrder, isNewAnchor: boolean): void {
    this.#noise.follow(order, isNewAnchor);
    this.#lease.replace(order.ranges);
    this.#ahead = this.#box.tokens;
  }

  /** Windows that are left. */
  get left(): number {
    return this.#lease.left;
  }

  /** Tokens of this peer, trained or in hand, beyond those that the order knows. */
  get ahead(): number {
    return this.#ahead;
  }

  /** What the lease allows to claim of what was trained. */
  get tokens(): number {
    return Math.min(this.#box.tokens, this.#lease.pending * this.#contextLength);
  }

  get shares(): TimeShares {
    return this.#box.shares;
  }

  /** The next windows to train on, at most so many. */
  take(count: number): readonly number[] {
    const positions = this.#lease.take(count);
    this.#ahead += positions.length * this.#contextLength;
    return positions;
  }

  /** What `take` would give. */
  peek(count: number): readonly number[] {
    return this.#lease.peek(count);
  }

  /** What the next step measures. */
  measures(step: { readonly sequences: number; readonly canCompare: boolean }): Measures {
    return this.#noise.next(step);
  }

  /** Notes steps; gives what those of them that were measured say of the noise. */
  add(steps: readonly StepMetrics[]): MeanNoise | null {
    steps.forEach((step) => this.#box.add(step));
    return this.#noise.add(steps);
  }

  spend(activity: Activity, ms: number): void {
    this.#box.spend(activity, ms);
  }

  /** What was not trained to the end will be trained again. */
  giveUp(positions: readonly number[]): void {
    this.#noise.giveUp();
    this.#lease.giveBack(positions);
    this.#ahead -= positions.length * this.#contextLength;
  }

  /** What was trained will be trained again: it is lost, or another lineage's. */
  drop(): void {
    this.#lease.giveBack();
    this.#ahead -= this.#box.tokens;
    this.#box.forgetSteps();
    this.#noise.forget();
  }

  /** Forgets the time so far: nobody waits for work before there can be any. */
  begin(): void {
    this.#box = new Box();
  }

  /** Ends a box whose work is offered in `round`, or not at all. */
  cut(round: number, isOffered: boolean): Work {
    const { tokens } = this, { steps, loss } = this.#box, noise = this.#noise.cut();
    this.#box = new Box();
    if (isOffered) return { tokens, steps, ranges: this.#lease.cut(round), loss, noise };
    this.#lease.giveBack(); // so nothing is used up
    return NO_WORK;
  }

  /** The offer of `round` was counted or lost. */
  settle(round: number): void {
    this.#lease.settle(round);
  }
}
