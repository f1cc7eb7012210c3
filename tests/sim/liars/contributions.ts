/**
 * Liars about their own work: what they offer is not what they did.
 * @module
 */
import type { Effect, Input } from "../../../p2p/sync/effects.ts";
import { digestOf } from "../../../p2p/sync/digest.ts";
import type { Digest, GradientStatistics, Message, Offer, Signed } from "../../../p2p/sync/types.ts";
import type { Liar, LiarTools } from "./liar.ts";

type Contributed = Extract<Input, { kind: "contributed" }>;

export const lyingContributor = {
  /** Offers the blob that another one made. */
  copiesBlobs({ heard }: LiarTools): Liar {
    return {
      hear: contributing((input) => {
        const copied = heard.findLast((message) => isOffer(message) && message.body.blob !== null);
        return copied !== undefined && isOffer(copied) ? { ...input, blob: copied.body.blob } : input;
      }),
    };
  },

  namesWrongBases({ sign }: LiarTools): Liar {
    return { say: offering((offer) => sign({ ...offer, base: digestOf({ wrong: offer.base }) }).body, sign) };
  },

  /** Windows that are leased to others, trained already, or far beyond the cursor. */
  trainsForeignWindows({ draw }: LiarTools): Liar {
    return {
      hear: contributing((input) => {
        const { ranges } = input.contribution;
        const shift = draw.pick([1_000, 1_000_000, -Math.min(1_000, ranges[0]?.start ?? 0)]);
        const moved = ranges.map(({ start, end }) => ({ start: start + shift, end: end + shift }));
        return { ...input, contribution: { ...input.contribution, ranges: moved } };
      }),
    };
  },

  boastsOfTokens(): Liar {
    return {
      hear: contributing((input) => {
        const { tokens } = input.contribution;
        return { ...input, contribution: { ...input.contribution, tokens: 1_000 * tokens } };
      }),
    };
  },

  boastsOfSpeed(): Liar {
    return {
      hear: contributing((input) => {
        const { speed } = input.contribution;
        return { ...input, contribution: { ...input.contribution, speed: 1_000 * speed } };
      }),
    };
  },

  /** Figures within what is well formed, and as far from true as that allows, always the same way or each time another. */
  liesAboutNoise({ draw }: LiarTools): Liar {
    const lie = (steps: number): GradientStatistics => ({
      tests: steps,
      variance: draw.pick([0, 1e18]),
      signal: draw.pick([-1e18, 0, 1e18]),
      along: draw.pick([0, 1e18]),
      sketch: {
        codes: new Uint8Array(256).fill(draw.pick([0, 0x7f, 0x80])),
        exponent: draw.pick([-126, 126]),
        sequences: draw.pick([1, 2 ** 20]),
      },
    });
    const isSteady = draw.happens(0.5), steady = lie(1);
    return {
      hear: contributing((input) => {
        const { contribution } = input, noise = isSteady ? steady : lie(contribution.steps);
        return { ...input, contribution: { ...contribution, noise } };
      }),
    };
  },

  /** Says that it waited for an hour, and that its next offer will come at once, or in a day. */
  promisesAnything({ sign, draw }: LiarTools): Liar {
    const lie = (offer: Offer) => ({ ...offer, waitMs: 3_600_000, nextMs: draw.pick([0, 86_400_000]) });
    return { say: offering(lie, sign) };
  },

  /** Nobody gets the blobs that it offers. */
  withholdsBlobs(): Liar {
    const own = new Set<Digest>();
    return {
      hear: contributing((input) => {
        if (input.blob !== null) own.add(input.blob.digest);
        return input;
      }),
      serves: (blob) => !own.has(blob),
    };
  },

  sendsGarbage(): Liar {
    return { makesGarbage: true };
  },
} as const;

function contributing(change: (input: Contributed) => Contributed): (input: Input) => Input {
  return (input) => input.kind === "contributed" && input.blob !== null ? change(input) : input;
}

/** Changes each of its own offers on the way out; the same offer is changed but once. */
function offering(change: (offer: Offer) => Offer, sign: LiarTools["sign"]): (effect: Effect) => readonly Effect[] {
  const changed = new Map<Offer, Message>();
  return (effect) => {
    if (effect.kind !== "announce" || !isOffer(effect.message)) return [effect];
    const { body } = effect.message;
    if (body.blob === null) return [effect];
    const message = changed.get(body) ?? sign(change(body));
    changed.set(body, message);
    return [{ ...effect, message }];
  };
}

export function isOffer(message: Message): message is Signed<Offer> {
  return message.kind === "signed" && message.body.kind === "offer";
}
