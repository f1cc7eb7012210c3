/**
 * The gradient noise scale of a model at rest, by the norms of its gradient over few and over many sequences.
 *
 *     E|g_n|² = |G|² + trΣ/n,  so from n and K·n:   trΣ = (|g_n|² − |g_Kn|²)/(1/n − 1/Kn),   B_simple = trΣ/|G|²
 *
 * McCandlish et al. 2018, arXiv 1812.06162, appendix A.1. It is cheap, and it is of one moment: it grows as the gradient
 * falls, where the critical batch is of the whole way. So it stands beside the measured one and never replaces it.
 * @module
 */
import type { Trainer } from "../train/trainer.ts";

export interface Noise {
  /** trΣ of one sequence's gradient. */
  readonly variance: number;
  /** |G|², debiased: below 0 where noise drowns it. */
  readonly signal: number;
}

/** K: batches of n sequences whose union is the large batch. */
export const NOISE_PARTS = 32;

/**
 * Measures at the weights that the trainer has. They stay as they are; its moments do not, and its metrics are read.
 * @param windows A multiple of `NOISE_PARTS` of them.
 */
export async function measureNoise(trainer: Trainer, windows: readonly Uint32Array[]): Promise<Noise> {
  const n = windows.length / NOISE_PARTS;
  if (!Number.isInteger(n) || n < 1) {
    throw new RangeError(`Cannot measure noise on ${windows.length} windows: a multiple of ${NOISE_PARTS} is needed`);
  }
  const still = { rate: 0, beta1: 0, beta2: 0, epsilon: 1, decay: 0, clip: 0 }; // moves nothing
  await trainer.readMetrics();
  trainer.step(windows, still);
  for (let part = 0; part < NOISE_PARTS; part++) trainer.step(windows.slice(part * n, (part + 1) * n), still);
  const [large, ...small] = (await trainer.readMetrics()).map(({ gradientNorm }) => gradientNorm ** 2);
  return noiseOf({ n, small: small.reduce((sum, norm) => sum + norm, 0) / NOISE_PARTS, large: large! });
}

/** From the mean squared norm of gradients of n sequences and that of K·n. */
export function noiseOf(
  { n, small, large }: { readonly n: number; readonly small: number; readonly large: number },
): Noise {
  const many = NOISE_PARTS * n;
  return {
    variance: (small - large) / (1 / n - 1 / many),
    signal: (many * large - n * small) / (many - n),
  };
}

/** B_simple, in sequences; null where noise drowns the signal, so that all one knows is that it is large. */
export function simpleNoiseScale({ variance, signal }: Noise): number | null {
  return signal > 0 ? variance / signal : null;
}
