/**
 * A seeded Markov source whose entropy rate is known: text on which the least possible loss can be computed.
 *
 * First order: the next symbol depends on the last one alone. Symbols are drawn with integers and single IEEE
 * operations, so every machine draws the same; only the entropy uses logarithms.
 * @module
 */
import { hashOf } from "./hash.ts";
import { memoryTokens, type TokenReader } from "./tokens.ts";

export interface MarkovOptions {
  readonly seed: number;
  /** 2 to 256. */
  readonly symbolCount: number;
  readonly tokenCount: number;
}

/** Streams of the seed. */
const WEIGHTS = 1, DRAWS = 2;

/**
 * Draws the source's text, from symbol 0 on.
 * @throws {RangeError} if a count is out of range.
 */
export function markovTokens({ seed, symbolCount, tokenCount }: MarkovOptions): TokenReader {
  const cumulative = transitionWeights(seed, symbolCount).map(runningSum);
  const tokens = new Uint8Array(tokenCount);
  let symbol = 0;
  for (let i = 0; i < tokenCount; i++) {
    const sums = cumulative[symbol]!;
    const share = hashOf(seed, DRAWS, i) / 2 ** 32;
    symbol = firstAbove(sums, share * sums[symbolCount - 1]!);
    tokens[i] = symbol;
  }
  return memoryTokens(tokens);
}

/**
 * Entropy rate in nats per token: Σᵢ πᵢ H(row i) with π the stationary distribution. No model's mean loss can be lower
 * in the long run (Cover and Thomas, "Elements of Information Theory", theorem 4.2.4).
 */
export function markovEntropy({ seed, symbolCount }: Omit<MarkovOptions, "tokenCount">): number {
  const rows = transitionProbabilities({ seed, symbolCount });
  const share = stationary(rows);
  return rows.reduce((sum, row, i) => sum - share[i]! * row.reduce((h, p) => h + p * Math.log(p), 0), 0);
}

/** Row i: the probabilities of what follows symbol i. All are positive. */
export function transitionProbabilities({ seed, symbolCount }: Omit<MarkovOptions, "tokenCount">): Float64Array[] {
  return transitionWeights(seed, symbolCount).map((row) => {
    const sum = row.reduce((a, b) => a + b, 0);
    return row.map((weight) => weight / sum);
  });
}

/** Fourth powers of bytes: a few successors of each symbol are likely, most are rare, none is impossible. */
function transitionWeights(seed: number, symbolCount: number): Float64Array[] {
  if (!Number.isInteger(symbolCount) || symbolCount < 2 || symbolCount > 256) {
    throw new RangeError(`Cannot make a Markov source of ${symbolCount} symbols: choose 2 to 256`);
  }
  return Array.from(
    { length: symbolCount },
    (_, i) => Float64Array.from({ length: symbolCount }, (_, j) => 1 + (hashOf(seed, WEIGHTS, i, j) >>> 24) ** 4),
  );
}

function runningSum(row: Float64Array): Float64Array {
  let sum = 0;
  return row.map((value) => sum += value);
}

/** Index of the first of the ascending sums that is above `value`. */
function firstAbove(sums: Float64Array, value: number): number {
  let low = 0, high = sums.length - 1;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (sums[middle]! > value) high = middle;
    else low = middle + 1;
  }
  return low;
}

/**
 * The distribution π with π P = π, by censoring one state after another (Grassmann, Taksar and Heyman 1985): no
 * subtractions, so nothing cancels.
 */
function stationary(rows: readonly Float64Array[]): Float64Array {
  const p = rows.map((row) => row.slice());
  for (let last = p.length - 1; last > 0; last--) {
    const leaving = p[last]!.subarray(0, last).reduce((a, b) => a + b, 0);
    for (let i = 0; i < last; i++) {
      const through = p[i]![last]! /= leaving;
      for (let j = 0; j < last; j++) p[i]![j]! += through * p[last]![j]!;
    }
  }
  const share = new Float64Array(p.length);
  share[0] = 1;
  for (let j = 1; j < p.length; j++) {
    for (let i = 0; i < j; i++) share[j]! += share[i]! * p[i]![j]!;
  }
  const sum = share.reduce((a, b) => a + b, 0);
  return share.map((value) => value / sum);
}
