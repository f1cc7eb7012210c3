/**
 * Choosing the next token from logits.
 *
 * Pure: chance is an argument. Equal logits and equal chance give equal tokens.
 * @module
 */

export interface SamplingOptions {
  /** 0 takes the likeliest token; 1 samples the model's distribution. Default 1. */
  readonly temperature?: number;
  /** Only the so many likeliest tokens are candidates. Default: all. */
  readonly topK?: number;
}

/**
 * Chooses one token id.
 * @param word A random 32-bit word.
 * @throws {RangeError} if no logit is a finite number.
 */
export function sampleToken(logits: Float32Array, word: number, options: SamplingOptions = {}): number {
  const { temperature = 1, topK = logits.length } = options;
  // Lower ids first among equals, so that the choice does not depend on how sort breaks ties.
  const candidates = Array.from(logits.keys())
    .filter((id) => Number.isFinite(logits[id]))
    .sort((a, b) => logits[b]! - logits[a]! || a - b)
    .slice(0, temperature === 0 ? 1 : Math.max(1, topK));
  const best = candidates[0];
  if (best === undefined) throw new RangeError("Cannot sample a token: no logit is finite; the weights are broken");
  if (candidates.length === 1) return best;

  const weights = candidates.map((id) => Math.exp((logits[id]! - logits[best]!) / temperature));
  let left = (word / 2 ** 32) * weights.reduce((sum, weight) => sum + weight, 0);
  for (const [i, weight] of weights.entries()) {
    left -= weight;
    if (left < 0) return candidates[i]!;
  }
  return best; // rounding may leave a trace of the sum
}
