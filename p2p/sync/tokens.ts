/**
 * What counted work weighs, in the fold and in the history: tokens, capped so that no single peer decides.
 * @module
 */
import type { CountedOffer } from "./roster.ts";
import { placeOf } from "./lineages.ts";
import type { BlobName, ChainState, SyncRules } from "./types.ts";

/** Most that one offer adds to the weight of its history: in medians of the offers counted with it, in what is usual. */
const CAP_MEDIANS = 2, CAP_USUAL = 4;
/** Most that one record moves what is usual, either way. */
const USUAL_CHANGE = 1.25;

/** Tokens of each offer, in the order given, at most twice their median: of two offers neither is capped. */
export function cappedTokens(offers: readonly CountedOffer[]): readonly number[] {
  const [lower, upper] = middleTokens(offers);
  return offers.map(({ offer }) => Math.min(offer.tokens, lower + upper));
}

/**
 * What each offer adds to the weight of its history: tokens, capped by each other and by what was usual before. The lower
 * median is the measure, so that of two authors the one that boasts decides no more than the other.
 */
export function weightsOf(offers: readonly CountedOffer[], usual: number): readonly number[] {
  const [lower] = middleTokens(offers);
  const cap = Math.min(CAP_MEDIANS * lower, usual === 0 ? Infinity : CAP_USUAL * usual);
  return offers.map(({ offer }) => Math.min(offer.tokens, cap));
}

/** What is usual after a record: it follows the median of the record's offers, slowly, so that one liar moves it little. */
export function nextUsual(usual: number, offers: readonly CountedOffer[]): number {
  const [median] = middleTokens(offers);
  if (median === 0 || usual === 0) return Math.max(median, usual);
  return Math.ceil(Math.min(usual * USUAL_CHANGE, Math.max(usual / USUAL_CHANGE, median)));
}

/** The lower and the upper median of what is not nothing, or zeros: whole numbers, which their mean need not be. */
function middleTokens(offers: readonly CountedOffer[]): readonly [lower: number, upper: number] {
  const tokens = offers.map(({ offer }) => offer.tokens).filter((count) => count > 0).sort((a, b) => a - b);
  const last = tokens.length - 1;
  return [tokens[Math.floor(last / 2)] ?? 0, tokens[Math.ceil(last / 2)] ?? 0];
}

/**
 * Contributions with their weights in the fold, in the order of the record, which all peers share (law 3): capped
 * tokens × discount^age, by multiplication so that all get the same bits. Each changes the lineage of the state before
 * the record that it belongs to by now.
 */
export function foldParts(
  offers: readonly CountedOffer[],
  { rules, lineages }: { readonly rules: SyncRules; readonly lineages: ChainState["lineages"] },
): readonly { readonly blob: BlobName; readonly at: number; readonly weight: number }[] {
  const capped = cappedTokens(offers);
  return offers.flatMap(({ counted, offer: { blob, lineage } }, i) => {
    if (blob === null) return [];
    let weight = capped[i]!;
    for (let age = 0; age < counted.age; age++) weight *= rules.ageDiscount;
    return [{ blob, at: placeOf(lineages, lineage), weight }];
  });
}
