/**
 * What counted work weighs, in the fold and in the history: tokens, capped so that no single peer decides.
 * @module
 */
import type { CountedOffer } from "./roster.ts";
import type { BlobName, SyncRules } from "./types.ts";

/** Most that one offer weighs, in medians of the offers counted with it. */
const CAP_MEDIANS = 2;

/** Capped tokens of each offer, in the order given. The median is the lower one, so that weights stay whole numbers. */
export function cappedTokens(offers: readonly CountedOffer[]): readonly number[] {
  const tokens = offers.map(({ offer }) => offer.tokens).filter((count) => count > 0).sort((a, b) => a - b);
  const cap = CAP_MEDIANS * (tokens[Math.floor((tokens.length - 1) / 2)] ?? 0);
  return offers.map(({ offer }) => Math.min(offer.tokens, cap));
}

/**
 * Contributions with their weights in the fold, in the order of the record, which all peers share (law 3): capped
 * tokens × discount^age, by multiplication so that all get the same bits.
 */
export function foldParts(
  offers: readonly CountedOffer[],
  rules: SyncRules,
): readonly { readonly blob: BlobName; readonly weight: number }[] {
  const capped = cappedTokens(offers);
  return offers.flatMap(({ counted, offer: { blob } }, i) => {
    if (blob === null) return [];
    let weight = capped[i]!;
    for (let age = 0; age < counted.age; age++) weight *= rules.ageDiscount;
    return [{ blob, weight }];
  });
}
