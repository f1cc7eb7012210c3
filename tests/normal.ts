/**
 * Normally distributed numbers for tests, the same for the same seed.
 * @module
 */
import { chance } from "./chance.ts";

/** Deviation 1, by Box and Muller. */
export function normal(count: number, seed = 1): Float32Array<ArrayBuffer> {
  const random = chance(seed);
  return Float32Array.from(
    { length: count },
    () => Math.sqrt(-2 * Math.log(1 - random.next())) * Math.cos(2 * Math.PI * random.next()),
  );
}

/** Energy of a vector. */
export function sumOfSquares(values: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < values.length; i++) sum += values[i]! * values[i]!;
  return sum;
}
