/**
 * Liars on the wire: messages that nobody made, that belong to another time or run, or that are only many.
 * @module
 */
import { digestOf } from "../../../p2p/sync/digest.ts";
import type { Effect } from "../../../p2p/sync/effects.ts";
import type { ChainState, Digest, Message, Offer, PeerId } from "../../../p2p/sync/types.ts";
import { isOffer } from "./contributions.ts";
import type { Liar, LiarTools } from "./liar.ts";

/** Messages said besides, with every beat. */
const FEW = 4, MANY = 100;

export const lyingGossip = {
  /** Says goodbye for others, and claims work in their name. */
  forges({ heard, draw, others }: LiarTools): Liar {
    return {
      act: () => {
        const model = lastOffer(heard);
        if (model === null) return [];
        return Array.from({ length: FEW }, () => {
          const body: Offer = {
            ...model,
            peer: draw.pick(others),
            leaving: draw.happens(0.5),
            tokens: draw.whole(0, 1e9),
          };
          return announce({ kind: "signed", body, signature: new Uint8Array(4).fill(draw.whole(0, 255)) });
        });
      },
    };
  },

  /** Offers of rounds long gone, and offers that say they are of this run but were signed for another. */
  replays({ heard, rules }: LiarTools): Liar {
    const kept: Message[] = [];
    return {
      act: () => {
        const latest = heard.findLast(isOffer);
        if (latest === undefined) return [];
        if (kept.length < MANY) kept.push(latest);
        const [oldest] = kept;
        const foreign = { ...latest, body: { ...latest.body, run: digestOf({ another: rules.run }) } };
        const rebound = { ...latest, body: { ...latest.body, round: latest.body.round + 1 } };
        return [oldest!, latest, foreign, rebound].map(announce);
      },
    };
  },

  /** Whoever asks for a state gets one that outweighs all others and never was. */
  givesFalseStates({ self }: LiarTools): Liar {
    return {
      say: (effect: Effect): readonly Effect[] => {
        if (effect.kind === "announce" && effect.message.kind === "beat") {
          return [announce({ ...effect.message, weight: 10 * effect.message.weight + 1, head: digestOf("nowhere") })];
        }
        if (effect.kind !== "send" || effect.message.kind !== "state-at") return [effect];
        const { chain } = effect.message;
        const inflated: ChainState = {
          ...chain,
          weight: 10 * chain.weight + 1,
          tokens: 10 * chain.tokens,
          roster: chain.roster.filter(({ peer }) => peer === self),
        };
        return [{ ...effect, message: { ...effect.message, chain: inflated } }];
      },
    };
  },

  /** As many offers, beats and questions as it can. */
  floods({ self, rules, sign, heard, others, draw }: LiarTools): Liar {
    let count = 0;
    const nowhere = (): Digest => digestOf({ self, count: count++ });
    return {
      act: () => {
        const model = lastOffer(heard);
        const run = rules.run;
        const asked = draw.pick(others);
        const effects: Effect[] = [
          ...Array.from({ length: FEW }, () => send(asked, { kind: "ask-state", run })),
          ...Array.from(
            { length: FEW },
            () => send(asked, { kind: "pull", run, have: [nowhere()], want: [nowhere()] }),
          ),
          announce({
            kind: "beat",
            run,
            peer: self,
            head: nowhere(),
            base: nowhere(),
            round: 1e6,
            weight: 1e15,
            change: 0,
            cell: "",
          }),
        ];
        if (model === null) return effects;
        const blob = { digest: nowhere(), sizeBytes: 1e9 };
        for (let i = 0; i < MANY; i++) {
          effects.push(announce(sign({ ...model, peer: self, parent: i % 2 === 0 ? model.parent : nowhere(), blob })));
        }
        return effects;
      },
    };
  },
} as const;

function lastOffer(heard: readonly Message[]): Offer | null {
  return heard.findLast(isOffer)?.body ?? null;
}

function announce(message: Message): Effect {
  return { kind: "announce", message, cell: "" };
}

function send(to: PeerId, message: Message): Effect {
  return { kind: "send", to, message };
}
