/**
 * Liars about the record: scribes that write what an honest one would not.
 * @module
 */
import type { Effect } from "../../../p2p/sync/effects.ts";
import { RULEBOOK } from "../../../p2p/sync/rulebook.ts";
import type { Message, RoundRecord, Signed } from "../../../p2p/sync/types.ts";
import type { Liar, LiarTools } from "./liar.ts";

export const lyingScribe = {
  /** Two records for one parent: half of the others get the one, half the other. */
  equivocates({ sign, others }: LiarTools): Liar {
    return {
      say: (effect: Effect): readonly Effect[] => {
        if (effect.kind !== "announce" || !isRecord(effect.message)) return [effect];
        const { body } = effect.message;
        if (body.counted.length < 2) return [effect];
        const other = sign({ ...body, counted: body.counted.slice(1) });
        return others.map((to, i) => ({ kind: "send", to, message: i % 2 === 0 ? effect.message : other }));
      },
    };
  },

  leavesOthersOut({ self }: LiarTools): Liar {
    return {
      rulebook: {
        ...RULEBOOK,
        selectCounted: (...given) => {
          const counted = RULEBOOK.selectCounted(...given);
          const own = counted.filter(({ peer }) => peer === self);
          return own.length > 0 ? own : counted;
        },
      },
    };
  },

  /** Counts offers again that were counted before, and misstates how late they are. */
  countsWhatIsInvalid({ draw }: LiarTools): Liar {
    return {
      rulebook: {
        ...RULEBOOK,
        selectCounted: (offers, { parent, ...rest }) => {
          const counted = RULEBOOK.selectCounted(offers, { ...rest, parent: { ...parent, recent: [] } });
          return draw.happens(0.5) ? counted : counted.map((entry) => ({ ...entry, age: entry.age + 1 }));
        },
        whyInvalid: () => null,
      },
    };
  },
} as const;

function isRecord(message: Message): message is Signed<RoundRecord> {
  return message.kind === "signed" && message.body.kind === "record";
}
