/**
 * Which of two histories wins: the heavier one; then the longer; then the one of lower digest.
 *
 * The middle rule only orders records that count no tokens (a first peer admits itself). However deep a fork is, the
 * heavier side is adopted; offers of the other side that are not too late are counted as late ones, the rest is
 * reported lost. Healing a fork of S rounds or more by a merge record, which keeps both sides' work, is a rule of its
 * own that this module does not have.
 * @module
 */
import type { Digest } from "./types.ts";

export interface Standing {
  readonly head: Digest;
  readonly round: number;
  readonly weight: number;
}

export function isHeavier(a: Standing, b: Standing): boolean {
  if (a.weight !== b.weight) return a.weight > b.weight;
  if (a.round !== b.round) return a.round > b.round;
  return a.head < b.head;
}

/** Records of `from` that adopting `to` abandons; null if their common ancestor is not known. */
export function abandonedCount(
  from: Digest,
  to: Digest,
  parentOf: (record: Digest) => Digest | null,
): number | null {
  const ancestors = new Set<Digest>();
  for (let at: Digest | null = to; at !== null; at = parentOf(at)) ancestors.add(at);
  let count = 0;
  for (let at: Digest | null = from; at !== null; at = parentOf(at)) {
    if (ancestors.has(at)) return count;
    count++;
  }
  return null;
}
