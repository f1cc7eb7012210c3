/**
 * Liars about meetings: what one cell is told of another.
 * @module
 */
import { isIn } from "../../../p2p/sync/cells.ts";
import { stateDigest } from "../../../p2p/sync/digest.ts";
import type { Effect } from "../../../p2p/sync/effects.ts";
import type { ChainState } from "../../../p2p/sync/types.ts";
import { INITIAL_WEIGHTS } from "../sim_learner.ts";
import type { Liar, LiarTools } from "./liar.ts";

/** Windows that nobody trained. */
export const MADE_UP_WINDOWS = 1_000_000;

export const lyingMeeting = {
  /** Names its own cell's weights, which everybody there has, and windows that nobody trained as the other cell's. */
  makesUpMeetings({ sign }: LiarTools): Liar {
    let own = INITIAL_WEIGHTS;
    return {
      say: (effect: Effect): readonly Effect[] => {
        if (effect.kind === "adopted") own = effect.weights;
        if (effect.kind !== "announce" || effect.message.kind !== "signed") return [effect];
        const { body } = effect.message;
        if (body.kind !== "record" || body.met === null) return [effect];
        const weights = { ...body.met.weights, digest: own };
        const met = { ...body.met, known: [{ start: 0, end: MADE_UP_WINDOWS }], weights };
        return [{ ...effect, message: sign({ ...body, met }) }];
      },
    };
  },

  /**
   * Tells other cells of a state that its own never had, in beats and in answers alike: its weights are true, so that
   * whoever believes it finds them, and windows are trained that nobody trained.
   */
  deceivesOtherCells({ rules }: LiarTools): Liar {
    let chain: ChainState | null = null, own = INITIAL_WEIGHTS;
    const forged = (chain: ChainState): ChainState => {
      const { ledger } = chain, cursor = ledger.cursor + MADE_UP_WINDOWS;
      return { ...chain, ledger: { ...ledger, cursor, returned: [] } };
    };
    return {
      say: (effect: Effect): readonly Effect[] => {
        if (effect.kind === "adopted") [chain, own] = [effect.chain, effect.weights];
        if (effect.kind !== "send" || chain === null || isIn(chain.cell, effect.to, rules)) return [effect];
        const { message } = effect;
        if (message.kind === "beat") {
          return [{ ...effect, message: { ...message, base: stateDigest(forged(chain), own) } }];
        }
        if (message.kind !== "state-at") return [effect];
        return [{ ...effect, message: { ...message, chain: forged(message.chain) } }];
      },
    };
  },
} as const;
