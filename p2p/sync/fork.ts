/**
 * Which of two histories wins, and how far they are apart.
 *
 * The heavier one wins; then the longer; then the one of lower digest. The middle rule orders records that count no
 * tokens, and puts a merge record before both its parents. If the lighter side has fewer than S records of its own, it
 * is given up, and its offers are counted late; if it has more, nothing is given up: a merge record unites both
 * (`merge.ts`). Records form a graph without cycles in which every step back goes to a lower round.
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

/** A record by its place in the graph. */
export interface Node {
  readonly digest: Digest;
  readonly round: number;
  readonly parents: readonly Digest[];
}

export interface ExclusiveOptions<N extends Node> {
  readonly find: (record: Digest) => N | undefined;
  /** Ends the search when so many are found. */
  readonly most?: number;
}

const OURS = 1, THEIRS = 2;

/**
 * Records of `ours` and their ancestors that are neither in `theirs` nor among its ancestors, the latest round first.
 * Null if that cannot be said because an ancestor is not known any more.
 */
export function exclusive<N extends Node>(
  ours: readonly N[],
  theirs: readonly N[],
  { find, most = Infinity }: ExclusiveOptions<N>,
): readonly N[] | null {
  const marks = new Map<Digest, number>();
  const frontier: N[] = []; // by round, the latest last
  const found: N[] = [];
  /** Nodes of the frontier that only `ours` leads to. */
  let open = 0, isCut = false;
  const mark = (node: N, side: number) => {
    const before = marks.get(node.digest) ?? 0, after = before | side;
    if (after === before) return;
    marks.set(node.digest, after);
    if (after === OURS) open++;
    else if (before === OURS) open--;
    if (before !== 0) return;
    let at = frontier.length;
    while (at > 0 && frontier[at - 1]!.round > node.round) at--;
    frontier.splice(at, 0, node);
  };
  ours.forEach((node) => mark(node, OURS));
  theirs.forEach((node) => mark(node, THEIRS));
  while (open > 0) {
    const node = frontier.pop();
    if (isCut || node === undefined) return null;
    const sides = marks.get(node.digest)!;
    if (sides === OURS) {
      open--;
      found.push(node);
      if (found.length === most) return found;
    }
    for (const parent of node.parents.map(find)) {
      if (parent !== undefined) mark(parent, sides);
      else if (sides === OURS) return null;
      else isCut = true; // what is left of ours may be an ancestor of it
    }
  }
  return found;
}
