/**
 * Seeded chance that is the same on every machine: integers and nothing else.
 *
 * Not for secrets. A stream is named by (seed, stream), so that the n-th tensor or the n-th sampled token has its own
 * stream and nothing depends on who drew before.
 * @module
 */

/**
 * A stream of 32-bit words: sfc32, Doty-Humphrey's small fast chaotic generator, whose counter guarantees a period of
 * at least 2³².
 */
export function randomWords(seed: number, stream: number): () => number {
  let a = seed | 0, b = stream | 0, c = 0x9e37_79b9 | 0, counter = 1;
  const next = (): number => {
    const word = (a + b + counter) | 0;
    counter = (counter + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = (((c << 21) | (c >>> 11)) + word) | 0;
    return word >>> 0;
  };
  for (let i = 0; i < 16; i++) next(); // mixes the seed into all words of the state
  return next;
}

const HALVES = 12;
const MEAN_OF_SUM = HALVES * 0xffff / 2;

/**
 * A nearly normal number of mean 0 and variance 1: the sum of twelve uniform 16-bit numbers, centred. No logarithm and
 * no cosine, whose last digits differ from machine to machine; the tails end at ±6.
 */
export function nearlyNormal(next: () => number): number {
  let sum = 0;
  for (let i = 0; i < HALVES; i += 2) {
    const word = next();
    sum += (word & 0xffff) + (word >>> 16);
  }
  return (sum - MEAN_OF_SUM) / 65_536;
}
