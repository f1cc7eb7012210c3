/**
 * Gossip topics: one of the whole run, which tells who takes part, and one of each cell. A peer listens to those of its
 * cell and of all cells that this is a part of, so what is announced to a cell reaches its parts, and no other.
 * @module
 */
import type { Digest } from "../sync/types.ts";

/** Digits of a cell's name that have a topic: 2¹⁶ cells are more than a run can have members for. */
const MOST_DIGITS = 16;

/** The topic of a cell; "" is the whole run. */
export function topicOf(run: Digest, cell: string): string {
  return cell === "" ? `starling/1/${run}` : `starling/1/${run}/${cell.slice(0, MOST_DIGITS)}`;
}

/** The topics that a peer of this cell listens to, that of the whole run first. */
export function topicsAbove(run: Digest, cell: string): readonly string[] {
  return Array.from(
    { length: Math.min(cell.length, MOST_DIGITS) + 1 },
    (_, depth) => topicOf(run, cell.slice(0, depth)),
  );
}
