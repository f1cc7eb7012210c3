/**
 * What this peer knows of its device: tokens a second by micro-batch, and how much fits; and which micro-batch to train
 * at for that reason.
 *
 * The first figures come from a probe or from the last session, all later ones from training itself: real steps cost
 * nothing extra. If they show that the device has become faster or slower (a throttle by heat, another program on the
 * GPU), its neighbours on the curve are tried for one box each, since what was fastest may not be any more. Memory that
 * was refused is tried again after a while: who took it may have ended.
 *
 * Times come in; nothing here reads a clock.
 * @module
 */
import { WORTHWHILE } from "./throughput.ts";

/** What a session leaves to the next one. */
export interface RememberedCurve {
  /** Ascending by micro-batch. */
  readonly points: readonly CurvePoint[];
  /** The smallest micro-batch for which there was no memory, or null. */
  readonly refused: number | null;
}

export interface CurvePoint {
  /** Sequences at once. */
  readonly microBatch: number;
  readonly tokensPerSecond: number;
}

/** What is this old counts for 1/e in a point. */
const MEMORY_MS = 10_000;
/** Work at one micro-batch after which its figure is believed. */
const LEAST_WORK_MS = 2_000;
/** A device whose speed has changed by this factor, either way, since its curve was drawn is another device. */
const CHANGED = 1.3;
/** The curve is not drawn anew more often: a box at a micro-batch that is not the best costs something. */
const REDRAW_MS = 300_000;
/** Memory that was refused is asked for again after this time; twice as long after each refusal. */
const RETRY_MEMORY_MS = 600_000;

interface Measured {
  tokens: number;
  ms: number;
}

export class SpeedCurve {
  /** By micro-batch. */
  readonly #speeds = new Map<number, number>();
  /** Smallest micro-batch without memory, and when that was. */
  #refused: number | null;
  #refusedAtMs: number;
  #retryMs = RETRY_MEMORY_MS;
  #isAskingAgain = false;
  /** Training at this micro-batch since the last `choose`. */
  #current = 0;
  #measured: Measured = { tokens: 0, ms: 0 };
  /** Speed at `#current` when the curve was drawn. */
  #drawnSpeed: number | null = null;
  #drawnAtMs = -Infinity;
  /** To be tried, one in each box. */
  #trials: number[] = [];
  #isTrying = false;

  constructor({ points, refused }: RememberedCurve, nowMs: number) {
    this.#refusedAtMs = nowMs;
    for (const { microBatch, tokensPerSecond } of points) this.#speeds.set(microBatch, tokensPerSecond);
    this.#refused = refused;
  }

  /** For the next session. */
  get remembered(): RememberedCurve {
    const points = [...this.#speeds].map(([microBatch, tokensPerSecond]) => ({ microBatch, tokensPerSecond }))
      .sort((a, b) => a.microBatch - b.microBatch);
    return { points, refused: this.#refused };
  }

  /** The smallest micro-batch that is as good as the fastest. */
  get fastest(): number {
    const { points } = this.remembered;
    let best = points[0] ?? { microBatch: 1, tokensPerSecond: 0 };
    for (const point of points) if (point.tokensPerSecond >= best.tokensPerSecond * WORTHWHILE) best = point;
    return best.microBatch;
  }

  /** Tokens a second to expect at a micro-batch: of the largest known that is no larger, else of the smallest. */
  speedAt(microBatch: number): number | undefined {
    const { points } = this.remembered;
    return (points.findLast((point) => point.microBatch <= microBatch) ?? points[0])?.tokensPerSecond;
  }

  /**
   * Most sequences at once in the next box. Call once a box, before it.
   * @param batch The box's local batch: what is larger is no use.
   */
  choose(nowMs: number, batch: number): number {
    if (this.#hasChanged() && nowMs - this.#drawnAtMs >= REDRAW_MS) this.#redraw(nowMs);
    if (this.#mayTryMemory(nowMs, batch)) {
      this.#trials.push(this.#refused!);
      this.#refused = null;
      this.#isAskingAgain = true;
    }
    this.#trials = this.#trials.filter((trial) => trial <= batch && (this.#refused === null || trial < this.#refused));
    const trial = this.#trials.shift();
    // While nothing has changed it stays where it is: a micro-batch is not worth opening a trainer for noise.
    const isSettled = trial === undefined && !this.#isTrying && this.#speeds.has(this.#current);
    const chosen = trial ?? (isSettled ? this.#current : this.fastest);
    this.#isTrying = trial !== undefined;
    if (chosen !== this.#current) {
      this.#current = chosen;
      this.#measured = { tokens: 0, ms: 0 };
    }
    if (!isSettled && trial === undefined) this.#drawnSpeed = this.#speeds.get(chosen) ?? null;
    return chosen;
  }

  /** Notes steps made at the micro-batch last chosen. @param ms Time computing alone: a throttle's rest is no part. */
  observe(tokens: number, ms: number): void {
    const keep = Math.exp(-ms / MEMORY_MS), { tokens: before, ms: beforeMs } = this.#measured;
    this.#measured = { tokens: keep * before + tokens, ms: keep * beforeMs + ms };
    if (this.#measured.ms < LEAST_WORK_MS || this.#current === 0) return;
    const speed = 1000 * this.#measured.tokens / this.#measured.ms;
    this.#speeds.set(this.#current, speed);
    this.#drawnSpeed ??= speed;
  }

  /** There was no memory for so many sequences at once. */
  refuse(microBatch: number, nowMs: number): void {
    if (this.#isAskingAgain) this.#retryMs *= 2;
    this.#isAskingAgain = false;
    this.#refused = Math.min(microBatch, this.#refused ?? Infinity);
    this.#refusedAtMs = nowMs;
    if (this.#current >= this.#refused) this.#current = 0; // until the next choice nobody knows what is trained at
    for (const known of [...this.#speeds.keys()]) {
      if (known < this.#refused) continue;
      const speed = this.#speeds.get(known)!;
      this.#speeds.delete(known);
      // Something smaller must be there to train at.
      const half = Math.max(1, this.#refused >> 1);
      if (!this.#speeds.has(half)) this.#speeds.set(half, speed);
    }
  }

  #hasChanged(): boolean {
    const speed = this.#speeds.get(this.#current), drawn = this.#drawnSpeed;
    if (speed === undefined || drawn === null || this.#isTrying || this.#measured.ms < LEAST_WORK_MS) return false;
    return speed >= drawn * CHANGED || speed <= drawn / CHANGED;
  }

  /** Has the neighbours tried, and whatever was faster before; the present micro-batch last, to be measured afresh. */
  #redraw(nowMs: number): void {
    this.#drawnAtMs = nowMs;
    const current = this.#current, speed = this.#speeds.get(current)!;
    const faster = this.remembered.points.filter(({ tokensPerSecond }) => tokensPerSecond > speed);
    const others = new Set([2 * current, Math.ceil(current / 2), ...faster.map(({ microBatch }) => microBatch)]);
    others.delete(current);
    this.#trials = [...others, current];
    this.#measured = { tokens: 0, ms: 0 };
  }

  /** Whether more might fit by now, and be of use. */
  #mayTryMemory(nowMs: number, batch: number): boolean {
    return this.#refused !== null && this.#refused <= batch && this.fastest * 2 >= this.#refused &&
      nowMs - this.#refusedAtMs >= this.#retryMs;
  }
}
