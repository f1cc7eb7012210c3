/**
 * Numbers that look random and depend on nothing but a key: integers only, so every machine computes the same.
 * @module
 */

/**
 * Mixes 32 bits into 32 bits, one to one: two rounds of multiply and xor-shift, with the constants of Wellons'
 * "prospecting for hash functions" (lowbias32).
 */
export function mix32(value: number): number {
  value = Math.imul(value ^ (value >>> 16), 0x7feb352d);
  value = Math.imul(value ^ (value >>> 15), 0x846ca68b);
  return (value ^ (value >>> 16)) >>> 0;
}

/** A 32-bit hash of integers up to 2^53, in order. */
export function hashOf(...values: readonly number[]): number {
  let hash = 0x9e3779b9;
  for (const value of values) {
    hash = mix32(hash ^ mix32(value >>> 0));
    hash = mix32(hash ^ mix32(Math.floor(value / 2 ** 32) + 0x85ebca6b));
  }
  return hash;
}
