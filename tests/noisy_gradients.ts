/**
 * Gradients whose noise is known: g_i = G + N(0, σ² I), and what boxes measure of them, as a device would.
 *
 * Σ = σ² I, so tr Σ = σ² · size, and the noise scale is tr Σ / |G|². Halves of a batch are drawn as the normal vectors
 * that the means of so many sequences are, so large batches cost nothing.
 * @module
 */
import type { GradientSketch, GradientStatistics, Offer, PeerId } from "../p2p/sync/types.ts";
import { buildOffer, NO_WORK } from "../p2p/sync/offer.ts";
import { genesisState } from "../p2p/sync/chain.ts";
import { digestOf } from "../p2p/sync/digest.ts";
import { normal } from "./normal.ts";
import { tinyRules } from "./tiny_rules.ts";

export interface NoisyGradients {
  readonly size: number;
  readonly variance: number;
  readonly signal: number;
}

/** The means over `tests` steps of `batch` sequences, each measured in two halves. */
export function measured(
  { size, variance, signal }: NoisyGradients,
  { batch, tests, seed }: { readonly batch: number; readonly tests: number; readonly seed: number },
): GradientStatistics {
  const half = batch / 2, deviation = Math.sqrt(variance / size / half), mean = Math.sqrt(signal / size);
  const drawn = normal(2 * size * tests, seed);
  const sums = { variance: 0, signal: 0, along: 0 };
  for (let test = 0; test < tests; test++) {
    let a = 0, b = 0, c = 0;
    for (let i = 0; i < size; i++) {
      const at = 2 * (test * size + i), x = mean + deviation * drawn[at]!, y = mean + deviation * drawn[at + 1]!;
      a += x * x;
      b += y * y;
      c += x * y;
    }
    sums.variance += half * (a + b - 2 * c) / 2;
    sums.signal += c;
    sums.along += half * (a - b) ** 2 / 8;
  }
  return {
    tests,
    variance: sums.variance / tests,
    signal: sums.signal / tests,
    along: sums.along / tests,
    sketch: null,
  };
}

/** The mean gradient of so many sequences, if its size is that of a sketch. */
export function sketched(
  { size, variance, signal }: NoisyGradients,
  { sequences, seed }: { readonly sequences: number; readonly seed: number },
): GradientSketch {
  const deviation = Math.sqrt(variance / size / sequences), mean = Math.sqrt(signal / size);
  const values = normal(size, seed).map((value) => mean + deviation * value);
  const largest = values.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  const exponent = Math.ceil(Math.log2(largest / 127)), scale = 2 ** exponent;
  return { codes: Uint8Array.from(values, (value) => Math.round(value / scale) & 0xff), exponent, sequences };
}

/** An offer of a peer that made so many steps and measured this. */
export function offerWith(
  noise: GradientStatistics | null,
  changes: Partial<Offer> & { readonly steps: number },
): Offer {
  const chain = genesisState(tinyRules()), peer = changes.peer ?? "wren" as PeerId;
  const about = { rules: tinyRules(), self: peer, name: peer, device: "cpu", leaving: false };
  const built = buildOffer({ chain, base: digestOf("base") }, NO_WORK, {
    ...about,
    waitMs: 0,
    transferMs: 0,
    nextMs: 1,
    heldOut: null,
  });
  return { ...built, blob: { digest: digestOf({ peer }), sizeBytes: 1 }, tokens: 640, ...changes, noise };
}
