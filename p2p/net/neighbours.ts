/**
 * Whom a peer of a large run is connected to: all of its own cell, and of every other part of the run a few.
 *
 * Names are numbers without pattern, the digits that say in which cell a peer is, so nobody tells anybody where to be.
 * What two names share from the left says how near they are: whoever shares all digits of the cell's name is of the same
 * cell; whoever parts at one of them first, digit i, is beyond edge i of the cube of names, where the cell meets others. So the run
 * hangs together along every edge, and a newcomer finds its cell in as many steps as names have digits.
 * @module
 */

/** Most of the own cell: all of it, unless it is about to be split. */
const MOST_MATES = 32;
/** Of each part of the run beyond an edge, and of each part of the own cell that may be a cell next. */
const OF_EACH_PART = 3;

/** Digits of a name that count. Names part at one of them, or nowhere: in the cell's name, or after it. */
const DIGITS = 32, PARTS = 2 * (DIGITS + 1);
/** More than anybody chooses among: a number holds this and 32 digits exactly. */
const MOST_KNOWN = 2 ** 20;

/** Where a peer is: the first 32 digits of its name, as a whole number, and which of them name its cell, as ones. */
export interface Place {
  readonly digits: number;
  readonly mask: number;
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
  const nearest = new Float64Array(peers.length);
  for (const [i, peer] of peers.entries()) nearest[i] = ((digitsOf(peer) ^ own.digits) >>> 0) * MOST_KNOWN + i;
  nearest.sort();
  const mates: [first: T[], rest: T[]] = [[], []], beyond: [first: T[], rest: T[]] = [[], []];
  const counts = new Uint32Array(PARTS);
  for (const key of nearest) {
    const peer = peers[key % MOST_KNOWN]!, apart = Math.floor(key / MOST_KNOWN);
    const edge = (apart & own.mask) >>> 0, isMate = edge === 0;
    const part = isMate ? DIGITS + 1 + Math.clz32(apart) : Math.clz32(edge);
    (isMate ? mates : beyond)[counts[part]!++ < OF_EACH_PART ? 0 : 1].push(peer);
  }
  const own_ = [...mates[0], ...mates[1]];
  return {
    wanted: [...own_.slice(0, MOST_MATES), ...beyond[0]],
    others: [...own_.slice(MOST_MATES), ...beyond[1]],
  };
}
