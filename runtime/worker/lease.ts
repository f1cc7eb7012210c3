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
import type { Range } from "../../p2p/sync/types.ts";

/** More rounds than any run lets an offer be late. */
const OPEN_ROUNDS = 32;

export class Lease {
  #ranges: readonly Range[] = [];
  /** Handed out since the last cut, sorted and disjoint. */
  #pending: readonly Range[] = [];
  /** Cut, and of unknown fate. */
  readonly #offered = new Map<number, readonly Range[]>();

  /** Takes the lease of a new order. Pending positions outside it are forgotten: they may not be offered. */
  replace(ranges: readonly Range[]): void {
    this.#ranges = normalise(ranges);
    this.#pending = intersect(this.#pending, this.#ranges);
  }

  /** Positions that are left, without those handed out before. */
  get left(): number {
    return countOf(this.#free());
  }

  /** Hands out the next positions, at most `count`. */
  take(count: number): number[] {
    const positions: number[] = [];
    for (const { start, end } of this.#free()) {
      for (let position = start; position < end && positions.length < count; position++) positions.push(position);
    }
    this.#pending = normalise([...this.#pending, ...positions.map((start) => ({ start, end: start + 1 }))]);
    return positions;
  }

  /** Positions handed out since the last cut that the lease still has. */
  get pending(): number {
    return countOf(this.#pending);
  }

  /** Takes back what was handed out since the last cut, or some of it: it was not trained. */
  giveBack(positions?: readonly number[]): void {
    const back = positions?.map((start) => ({ start, end: start + 1 }));
    this.#pending = back === undefined ? [] : subtract(this.#pending, normalise(back));
  }

  /** What was handed out since the last cut, now offered in `round`. */
  cut(round: number): readonly Range[] {
    const ranges = this.#pending;
    this.#pending = [];
    this.#offered.set(round, normalise([...this.#offered.get(round) ?? [], ...ranges]));
    for (const old of this.#offered.keys()) if (old <= round - OPEN_ROUNDS) this.#offered.delete(old);
    return ranges;
  }

  /** The offer of `round` was counted, or lost: then its positions may be trained again. */
  settle(round: number): void {
    this.#offered.delete(round);
  }

  #free(): readonly Range[] {
    return subtract(this.#ranges, normalise([...this.#pending, ...[...this.#offered.values()].flat()]));
  }
}

function countOf(ranges: readonly Range[]): number {
  return ranges.reduce((sum, { start, end }) => sum + end - start, 0);
}

/** Sorted, disjoint and as few as can be. */
function normalise(ranges: readonly Range[]): Range[] {
  const merged: Range[] = [];
  for (const range of ranges.toSorted((a, b) => a.start - b.start)) {
    const last = merged.at(-1);
    if (range.end <= range.start) continue;
    if (last !== undefined && range.start <= last.end) {
      merged[merged.length - 1] = { start: last.start, end: Math.max(last.end, range.end) };
    } else merged.push(range);
  }
  return merged;
}

/** What is in `from` and not in `taken`; both normalised. */
function subtract(from: readonly Range[], taken: readonly Range[]): Range[] {
  return from.flatMap(({ start, end }) => {
    const left: Range[] = [];
    let at = start;
    for (const gone of taken) {
      if (gone.end <= at || gone.start >= end) continue;
      if (gone.start > at) left.push({ start: at, end: gone.start });
      at = gone.end;
    }
    if (at < end) left.push({ start: at, end });
    return left;
  });
}

/** What is in both; both normalised. */
function intersect(a: readonly Range[], b: readonly Range[]): Range[] {
  return subtract(a, subtract(a, b));
}
