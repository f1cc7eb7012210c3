/**
 * Sets of windows as sorted, disjoint, non-empty ranges that do not touch: the arithmetic under the ledger.
 * @module
 */
import type { Range } from "./types.ts";

export type Ranges = readonly Range[];

export function windowCount(ranges: Ranges): number {
  return ranges.reduce((count, { start, end }) => count + end - start, 0);
}

/** The one form of a set that equal sets share. */
export function union(...sets: readonly Ranges[]): Ranges {
  const merged: { start: number; end: number }[] = [];
  const sorted = sets.flat().filter(({ start, end }) => start < end).sort((a, b) => a.start - b.start);
  for (const { start, end } of sorted) {
    const last = merged.at(-1);
    if (last !== undefined && start <= last.end) last.end = Math.max(last.end, end);
    else merged.push({ start, end });
  }
  return merged;
}

export function subtract(from: Ranges, minus: Ranges): Ranges {
  let left = union(from);
  for (const hole of minus) {
    left = left.flatMap((range) =>
      hole.end <= range.start || range.end <= hole.start ? [range] : [
        { start: range.start, end: Math.min(range.end, hole.start) },
        { start: Math.max(range.start, hole.end), end: range.end },
      ].filter(({ start, end }) => start < end)
    );
  }
  return left;
}

export function intersect(a: Ranges, b: Ranges): Ranges {
  return subtract(a, subtract(a, b));
}

/** The first `count` windows, or all if there are fewer. */
export function firstWindows(ranges: Ranges, count: number): Ranges {
  const taken: Range[] = [];
  let left = count;
  for (const { start, end } of ranges) {
    if (left <= 0) break;
    taken.push({ start, end: Math.min(end, start + left) });
    left -= end - start;
  }
  return taken;
}

/** Whether these are ranges as this module makes them: what a peer sent is checked with it. */
export function isRangeSet(ranges: Ranges): boolean {
  return ranges.every(({ start, end }, i) =>
    Number.isSafeInteger(start) && Number.isSafeInteger(end) && start >= 0 && start < end &&
    (i === 0 || ranges[i - 1]!.end < start)
  );
}
