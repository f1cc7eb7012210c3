/**
 * The data order: which window of the text is at which position of a run.
 *
 * Positions count over epochs; in each epoch every window comes exactly once, in an order that depends on seed and
 * epoch alone. There is no table: a position is looked up in constant time and memory, so any peer can recompute what
 * any other was leased.
 *
 * How: a Feistel network permutes the numbers below a power of four that is at least the window count; results outside
 * are permuted again until they fall inside ("cycle walking", Black and Rogaway 2002, "Ciphers with arbitrary finite
 * domains", method 2). The walk ends because a permutation's cycle comes back to its start, which is inside.
 * @module
 */
import { hashOf, mix32 } from "./hash.ts";

export interface OrderOptions {
  /** The run's seed. */
  readonly seed: number;
  /** Windows of the text: 1 to 2^50. */
  readonly windowCount: number;
}

const ROUNDS = 6;
const LARGEST_COUNT = 2 ** 50;

/**
 * The window at a position of the run.
 * @throws {RangeError} if the position or the count is not one.
 *
 * @example
 * ```ts
 * import { type OrderOptions, windowAt } from "./order.ts";
 *
 * const order: OrderOptions = { seed: 7, windowCount: 1000 };
 * const firstBatch = [0, 1, 2, 3].map((position) => windowAt(position, order));
 * console.log(firstBatch); // the same four windows on every machine
 * ```
 */
export function windowAt(position: number, { seed, windowCount }: OrderOptions): number {
  if (!Number.isSafeInteger(windowCount) || windowCount < 1 || windowCount > LARGEST_COUNT) {
    throw new RangeError(`Cannot order ${windowCount} windows: the count must be 1 to 2^50`);
  }
  if (!Number.isSafeInteger(position) || position < 0) {
    throw new RangeError(`Cannot find the window at position ${position}: positions are 0, 1, 2 …`);
  }
  const epoch = Math.floor(position / windowCount);
  const key = hashOf(seed, epoch);
  const half = halfFor(windowCount);
  let index = position % windowCount;
  do index = permute(index, half, key); while (index >= windowCount);
  return index;
}

/** Least power of two whose square is at least `count`. */
function halfFor(count: number): number {
  let half = 2;
  while (half * half < count) half *= 2;
  return half;
}

/** A permutation of the numbers below half². Multiplication and remainder, as bit shifts end at 32 bits. */
function permute(index: number, half: number, key: number): number {
  let left = Math.floor(index / half), right = index % half;
  for (let round = 0; round < ROUNDS; round++) {
    const mixed = mix32(right ^ mix32(key + round)) % half;
    [left, right] = [right, left ^ mixed];
  }
  return left * half + right;
}
