/**
 * The lease as the trainer sees it: which positions of the data order come next, and which were trained since the last
 * contribution.
 *
 * Leases are replaced every round while work is under way. A position that was handed out is not handed out again while
 * its offer may still be counted, though it may still stand in the new lease; if the offer is lost, it is.
 *
 * 1. What `cut` reports is sorted and disjoint and lies in the lease of the last order.
 * 2. Memory is bounded: offers older than `OPEN_ROUNDS` are taken for settled.
 * @module
 */
import { firstWindows, intersect, type Ranges, subtract, union, windowCount } from "../../p2p/sync/ranges.ts";

/** More rounds than any run lets an offer be late. */
const OPEN_ROUNDS = 32;

export class Lease {
  #ranges: Ranges = [];
  /** Handed out since the last cut, sorted and disjoint. */
  #pending: Ranges = [];
  /** Cut, and of unknown fate. */
  readonly #offered = new Map<number, Ranges>();

  /** Takes the lease of a new order. Pending positions outside it are forgotten: they may not be offered. */
  replace(ranges: Ranges): void {
    this.#ranges = union(ranges);
    this.#pending = intersect(this.#pending, this.#ranges);
  }

  /** Positions that are left, without those handed out before. */
  get left(): number {
    return windowCount(this.#free());
  }

  /** Hands out the next positions, at most `count`. */
  take(count: number): number[] {
    const taken = firstWindows(this.#free(), count);
    this.#pending = union(this.#pending, taken);
    return positionsOf(taken);
  }

  /** The positions that `take` would hand out. */
  peek(count: number): number[] {
    return positionsOf(firstWindows(this.#free(), count));
  }

  /** Positions handed out since the last cut that the lease still has. */
  get pending(): number {
    return windowCount(this.#pending);
  }

  /** Takes back what was handed out since the last cut, or some of it: it was not trained. */
  giveBack(positions?: readonly number[]): void {
    const back = positions?.map((start) => ({ start, end: start + 1 }));
    this.#pending = back === undefined ? [] : subtract(this.#pending, union(back));
  }

  /** What was handed out since the last cut, now offered in `round`. */
  cut(round: number): Ranges {
    const ranges = this.#pending;
    this.#pending = [];
    this.#offered.set(round, union(this.#offered.get(round) ?? [], ranges));
    for (const old of this.#offered.keys()) if (old <= round - OPEN_ROUNDS) this.#offered.delete(old);
    return ranges;
  }

  /** The offer of `round` was counted, or lost: then its positions may be trained again. */
  settle(round: number): void {
    this.#offered.delete(round);
  }

  #free(): Ranges {
    return subtract(this.#ranges, union(this.#pending, ...this.#offered.values()));
  }
}

function positionsOf(ranges: Ranges): number[] {
  return ranges.flatMap(({ start, end }) => Array.from({ length: end - start }, (_, i) => start + i));
}
