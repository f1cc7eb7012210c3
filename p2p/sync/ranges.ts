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
  const [first, ...others] = sets.filter((ranges) => ranges.length > 0);
  if (first === undefined) return [];
  if (others.length === 0 && isRangeSet(first)) return first;
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
  const left: Range[] = [], ranges = union(from), holes = union(minus);
  let next = firstBeyond(holes, ranges[0]?.start ?? Infinity);
  for (const range of ranges) {
    let { start } = range;
    while (next < holes.length && holes[next]!.end <= start) next++;
    for (let i = next; i < holes.length && holes[i]!.start < range.end; i++) {
      if (start < holes[i]!.start) left.push({ start, end: holes[i]!.start });
      start = holes[i]!.end;
    }
    if (start < range.end) left.push({ start, end: range.end });
  }
  return left;
}

/** The first of these ranges that ends beyond this window; a set of many is subtracted from one of few, mostly. */
function firstBeyond(ranges: Ranges, start: number): number {
  let least = 0, most = ranges.length;
  while (least < most) {
    const middle = (least + most) >> 1;
    if (ranges[middle]!.end <= start) least = middle + 1;
    else most = middle;
  }
  return least;
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
