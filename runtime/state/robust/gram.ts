/**
 * Inner products of all contributions, from one pass over them; and the distances that follow from them.
 *
 * Rules that move a centre v towards the contributions only ever make v = Σ cⱼ·Δⱼ. Then every distance is in the n × n
 * products, ‖Δᵢ − v‖² = Gᵢᵢ − 2·(G·c)ᵢ + cᵀ·G·c, and any number of iterations costs no second look at the vectors.
 *
 * Memory: one stretch of each. Work: n²/2 multiplications a value. Distances below 10⁻⁸ of the largest norm are lost in
 * rounding; all machines lose the same.
 * @module
 */

/** Values decoded at a time: 8 KiB of f64 each. */
export const GRAM_STRETCH = 1024;

/** Row by row, Gᵢⱼ = Σ Δᵢ·Δⱼ. */
export type Gram = readonly Float64Array[];

/** Where the stretches of so many values begin. */
export function stretchStarts(length: number): number[] {
  return Array.from({ length: Math.ceil(length / GRAM_STRETCH) }, (_, i) => i * GRAM_STRETCH);
}

/** Pairs of n contributions, each with itself too. */
export function pairCount(n: number): number {
  return n * (n + 1) / 2;
}

/** Adds the products of all pairs over one stretch after the other, in the order in which they lie in `products`. */
export function addProducts(gram: Gram, products: Float64Array): void {
  for (let at = 0; at < products.length;) {
    for (let i = 0; i < gram.length; i++) {
      for (let j = 0; j <= i; j++) {
        gram[i]![j]! += products[at++]!;
        gram[j]![i] = gram[i]![j]!;
      }
    }
  }
}

/** Products of n contributions over nothing. */
export function emptyGram(n: number): Gram {
  return Array.from({ length: n }, () => new Float64Array(n));
}

/** Distance of each contribution from the centre Σ cⱼ·Δⱼ. */
export function distancesFrom(centre: readonly number[], gram: Gram): number[] {
  const products = gram.map((row) => centre.reduce((sum, c, j) => sum + c * row[j]!, 0)); // Δᵢ · v
  const own = centre.reduce((sum, c, i) => sum + c * products[i]!, 0); // v · v
  return products.map((product, i) => Math.sqrt(Math.max(0, gram[i]![i]! - 2 * product + own)));
}

/** Σ aᵢ·bᵢ as four interleaved sums: additions need not wait for each other. */
export function dot(a: Float64Array, b: Float64Array): number {
  const fours = a.length & ~3;
  let s0 = 0, s1 = 0, s2 = 0, s3 = 0;
  for (let i = 0; i < fours; i += 4) {
    s0 += a[i]! * b[i]!;
    s1 += a[i + 1]! * b[i + 1]!;
    s2 += a[i + 2]! * b[i + 2]!;
    s3 += a[i + 3]! * b[i + 3]!;
  }
  for (let i = fours; i < a.length; i++) s0 += a[i]! * b[i]!;
  return s0 + s1 + (s2 + s3);
}
