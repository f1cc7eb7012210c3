/**
 * Whom a peer of a large run is connected to: all of its own cell, and of every other part of the run a few.
 *
 * Names are numbers without pattern, the digits that say in which cell a peer is, so nobody tells anybody where to be.
 * What two names share from the left says how near they are: whoever shares as many digits as the cell's name has is of
 * the same cell; whoever parts at digit i is beyond edge i of the cube of names, where the cell meets others. So the run
 * hangs together along every edge, and a newcomer finds its cell in as many steps as names have digits.
 * @module
 */

/** Most of the own cell: all of it, unless it is about to be split. */
const MOST_MATES = 32;
/** Of each part of the run beyond an edge, and of each part of the own cell that may be a cell next. */
const OF_EACH_PART = 3;

/** More than anybody chooses among: a number holds this and 32 digits exactly. */
const MOST_KNOWN = 2 ** 20;

/** Where a peer is: the first 32 digits of its name, as a whole number, and how many of them name its cell. */
export interface Place {
  readonly digits: number;
  readonly depth: number;
}

export interface Neighbours<T> {
  /** Whom to be connected to, the most wanted first. */
  readonly wanted: readonly T[];
  /** All others, of whom the first are the most useful. */
  readonly others: readonly T[];
}

/** Chooses among peers that are known. */
export function neighbours<T>(own: Place, known: Iterable<T>, digitsOf: (peer: T) => number): Neighbours<T> {
  const peers = [...known];
  // One number each, how far apart and then its place, sorts many times faster than objects.
  const nearest = Float64Array.from(peers, (peer, i) => ((digitsOf(peer) ^ own.digits) >>> 0) * MOST_KNOWN + i).sort();
  const mates: [first: T[], rest: T[]] = [[], []], beyond: [first: T[], rest: T[]] = [[], []];
  const counts = new Map<number, number>();
  for (const key of nearest) {
    const peer = peers[key % MOST_KNOWN]!, apart = Math.floor(key / MOST_KNOWN);
    const shared = Math.clz32(apart), count = counts.get(shared) ?? 0;
    counts.set(shared, count + 1);
    (shared >= own.depth ? mates : beyond)[count < OF_EACH_PART ? 0 : 1].push(peer);
  }
  const own_ = [...mates[0], ...mates[1]];
  return {
    wanted: [...own_.slice(0, MOST_MATES), ...beyond[0]],
    others: [...own_.slice(MOST_MATES), ...beyond[1]],
  };
}
