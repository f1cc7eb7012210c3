/**
 * The ceiling of the global batch: the critical batch, beyond which more sequences a step save few steps. Past it a fast
 * peer makes more steps, not larger batches.
 *
 * It follows the data that a run sees, not the model's size: 22.8 · (D / 10⁶)^0.47 sequences of 512 tokens for D tokens,
 * which is the law of Zhang et al. 2024 (arXiv 2410.21676), 93.2 · N^0.47 for N million parameters, at D = 20 N. A real
 * power has other last bits on other machines; so the largest whole number whose hundredth power is small enough is found,
 * in integers.
 * @module
 */
import { LARGEST_BATCH } from "../offer.ts";
import type { SyncRules } from "../types.ts";

/** An open-ended run is taken to be at its middle, and to have at least so many tokens. */
const OPEN_ENDED_TOKENS = 1_000_000;
/** 512 · 22.8 in tenths, and a million tokens, as the powers that they are compared in. */
const FACTOR = 116_736n ** 100n, MILLION = 1_000_000n ** 47n;

/** Tokens of one global batch, for a run of so many tokens; rounded down. */
export function criticalTokens(plannedTokens: number): number {
  // c ≤ 11673.6 · (D/10⁶)^(47/100)  ⇔  (10 c)^100 · (10⁶)^47 ≤ 116736^100 · D^47
  const most = FACTOR * BigInt(plannedTokens) ** 47n;
  let fits = 0n, tooMany = 1n << 32n;
  while (tooMany - fits > 1n) {
    const middle = (fits + tooMany) / 2n;
    if ((10n * middle) ** 100n * MILLION <= most) fits = middle;
    else tooMany = middle;
  }
  return Number(fits);
}

let last = { plannedTokens: 0, criticalTokens: 0 };

/** Sequences of the largest global batch that makes sense after so many tokens of this run. */
export function ceilingOf(tokens: number, { batching, targetTokens, contextLength }: SyncRules): number {
  const plannedTokens = targetTokens ?? Math.max(OPEN_ENDED_TOKENS, 2 * tokens);
  if (batching.ceilingTokens === null && last.plannedTokens !== plannedTokens) {
    last = { plannedTokens, criticalTokens: criticalTokens(plannedTokens) };
  }
  return Math.max(1, Math.floor((batching.ceilingTokens ?? last.criticalTokens) / contextLength));
}

/** The largest request after so many tokens: no policy gets more, and none less than the run begins with. */
export function mostOf(tokens: number, rules: SyncRules): number {
  return Math.max(rules.batch, Math.min(ceilingOf(tokens, rules), rules.batching.most ?? LARGEST_BATCH, LARGEST_BATCH));
}
