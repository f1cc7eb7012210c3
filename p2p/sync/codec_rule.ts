/**
 * How contributions of the next round are encoded: dense or sparse, and how sparse. Pure functions of the chain, so that
 * every peer says the same; what codecs do is not known here, only how many bytes they take.
 *
 * `auto` keeps the time that the thinnest link spends on transfers below a tenth of a round. It goes sparser after two
 * rounds above that, at once as far as the figures ask, and denser by one step after four rounds in which the next
 * step would have taken half of it: so a link at the border does not swing, and one late blob changes nothing. For two
 * rounds after a change the times are still those of the encoding before.
 *
 * `topk` alone goes from dense to sparse by what is left of the run, since early on everything is news.
 * @module
 */
import type { Encoding, EncodingState, Offer, SyncRules } from "./types.ts";

/** Share of a round that transfers may take. */
const TRANSFER_SHARE = 0.1;
/** Times that the next denser encoding must fit into it. */
const MARGIN = 2;
const ROUNDS_ABOVE = 2, ROUNDS_BELOW = 4, ROUNDS_SETTLING = 2;
/** From so many offers on, the thinnest link but one decides: nobody alone then makes all others sparse. */
const MANY = 5;
/** An open-ended run is taken for as many rounds. */
const ROUNDS_PLANNED = 100;

const DENSE = 4096;

/** From dense to sparse, with the bytes of each for 4,096 values. */
const LADDER = [
  { codec: "int8", kept: DENSE, bytes: 4160 },
  { codec: "topk", kept: 512, bytes: 640 },
  { codec: "topk", kept: 256, bytes: 448 },
  { codec: "topk", kept: 128, bytes: 224 },
  { codec: "topk", kept: 64, bytes: 112 },
] as const;

/** What the first round of a run is encoded as. */
export function firstEncoding(rules: SyncRules): EncodingState {
  return { ...(rules.codec === "auto" ? dense("int8") : planned(0, rules)), since: 0, streak: 0 };
}

export interface NextEncodingOptions {
  readonly round: number;
  /** Tokens counted so far. */
  readonly tokens: number;
  /** Everything that the record of this round counts. */
  readonly offers: readonly Offer[];
  readonly rules: SyncRules;
}

/** The encoding of the round after `round`. */
export function nextEncoding(current: EncodingState, options: NextEncodingOptions): EncodingState {
  const { round, tokens, rules } = options;
  if (rules.codec !== "auto") {
    const progress = rules.targetTokens === null ? round / ROUNDS_PLANNED : tokens / rules.targetTokens;
    const next = planned(progress, rules);
    return { ...next, since: next.kept === current.kept ? current.since : round, streak: 0 };
  }
  const share = transferShare(options.offers), at = LADDER.findIndex(({ kept }) => kept === current.kept);
  if (share === null || round - current.since < ROUNDS_SETTLING) return { ...current, streak: 0 };

  const shareOf = (step: number) => share * LADDER[step]!.bytes / LADDER[at]!.bytes;
  if (share > TRANSFER_SHARE) {
    const streak = Math.min(0, current.streak) - 1;
    if (streak > -ROUNDS_ABOVE || at === LADDER.length - 1) return { ...current, streak };
    const enough = LADDER.findIndex((_, step) => step > at && shareOf(step) <= TRANSFER_SHARE);
    return stepTo(enough < 0 ? LADDER.length - 1 : enough, round);
  }
  if (at > 0 && MARGIN * shareOf(at - 1) <= TRANSFER_SHARE) {
    const streak = Math.max(0, current.streak) + 1;
    return streak < ROUNDS_BELOW ? { ...current, streak } : stepTo(at - 1, round);
  }
  return { ...current, streak: 0 };
}

/** Of the time between two offers, what the thinnest link that took part spent on fetching; null if nobody did. */
function transferShare(offers: readonly Offer[]): number | null {
  const shares = offers.filter(({ blob }) => blob !== null)
    .map(({ transferMs, nextMs }) => transferMs / Math.max(1, nextMs))
    .sort((a, b) => b - a);
  return shares[shares.length < MANY ? 0 : 1] ?? null;
}

function stepTo(step: number, since: number): EncodingState {
  const { codec, kept } = LADDER[step]!;
  return { codec, kept, since, streak: 0 };
}

/** What a run whose codec is fixed uses after this share of it. */
function planned(progress: number, { codec }: SyncRules): Encoding {
  if (codec !== "topk") return dense(codec === "f32" ? "f32" : "int8");
  return { codec, kept: progress < 0.2 ? 512 : progress < 0.5 ? 256 : 128 };
}

function dense(codec: "f32" | "int8"): Encoding {
  return { codec, kept: DENSE };
}
