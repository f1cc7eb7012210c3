/**
 * A peer that lies: a core like any other, with somebody between it and the world who changes what it hears and says,
 * breaks its rules, and says things of its own.
 *
 * A liar has its own key and no other. It may do whatever a changed program could do; what it holds it may withhold.
 * @module
 */
import type { Effect, Input } from "../../../p2p/sync/effects.ts";
import type { Rulebook } from "../../../p2p/sync/rulebook.ts";
import type { Digest, Message, Offer, PeerId, RoundRecord, Signed, SyncRules } from "../../../p2p/sync/types.ts";
import type { Chance } from "../../chance.ts";

export type LiarKind =
  | "forges signatures"
  | "replays offers"
  | "copies blobs"
  | "names wrong bases"
  | "trains foreign windows"
  | "boasts of tokens"
  | "boasts of speed"
  | "lies about noise"
  | "promises anything"
  | "equivocates"
  | "withholds blobs"
  | "leaves others out"
  | "counts what is invalid"
  | "gives false states"
  | "sends garbage"
  | "floods"
  | "makes up meetings"
  | "deceives other cells";

/** What a liar works with. */
export interface LiarTools {
  readonly self: PeerId;
  readonly rules: SyncRules;
  readonly draw: Chance;
  readonly sign: <T extends Offer | RoundRecord>(body: T) => Signed<T>;
  /** Others of the run. */
  readonly others: readonly PeerId[];
  /** The last messages it heard, oldest first. */
  readonly heard: readonly Message[];
}

/** Each part is what an honest peer lacks. */
export interface Liar {
  /** What its core is told in place of the truth. */
  readonly hear?: (input: Input) => Input;
  /** What is performed in place of what its core wants. */
  readonly say?: (effect: Effect) => readonly Effect[];
  /** What it does besides, with every beat of its own. */
  readonly act?: () => readonly Effect[];
  readonly rulebook?: Rulebook;
  /** Whether it gives a blob that it holds. */
  readonly serves?: (blob: Digest, to: PeerId) => boolean;
  /** Whether its own contributions can be decoded. */
  readonly makesGarbage?: boolean;
}
