/**
 * A record or an offer as one peer holds it, and how far this peer has come with it. Plain data.
 * @module
 */
import type { Verdict } from "../learner.ts";
import type { BlobName, ChainState, Digest, Offer, RoundRecord, Signed } from "./types.ts";

export interface Link {
  readonly digest: Digest;
  readonly record: Signed<RoundRecord>;
  readonly round: number;
  readonly parents: readonly Digest[];
  /** Changed by the book alone. */
  readonly stage: Stage;
  /** Whether the journal has the record, with the offers it counts. */
  journaled: boolean;
}

/** How far this peer has come with a record. */
export type Stage =
  /** Its parents or its offers are not all known. */
  | { readonly kind: "incomplete"; readonly sinceMs: number }
  /** It will never be adopted. Certain: whatever this peer may lack or have got wrong itself, no other could adopt it. */
  | { readonly kind: "invalid"; readonly fault: string; readonly isCertain: boolean }
  /** Valid, and its weights are not here. */
  | { readonly kind: "complete"; readonly chain: ChainState; readonly sinceMs: number; readonly failures: number }
  /** Its weights are kept. */
  | { readonly kind: "folded"; readonly state: State }
  /** Valid, and too old to be folded or adopted; its state digest, if it was folded. */
  | { readonly kind: "past"; readonly chain: ChainState; readonly base: Digest | null };

/** A state that this peer can train on, fold on and hand out. */
export interface State {
  readonly link: Link;
  readonly chain: ChainState;
  readonly base: Digest;
  readonly weights: BlobName;
}

export interface HeldOffer {
  readonly digest: Digest;
  readonly signed: Signed<Offer>;
  readonly receivedAtMs: number;
  /** Null until its blob is stored and judged; changed by `OfferShelf.judge` alone. */
  readonly verdict: Verdict | null;
  journaled: boolean;
}

export interface AddOfferOptions {
  readonly nowMs: number;
  /** Made by this peer: its blob is stored, and nobody need judge it. */
  readonly own: boolean;
  readonly journaled: boolean;
  /** Its author is no member. */
  readonly isStranger?: boolean;
}

/** The chain state after a record, if it is complete. */
export function chainOf({ stage }: Link): ChainState | null {
  switch (stage.kind) {
    case "incomplete":
    case "invalid":
      return null;
    case "complete":
    case "past":
      return stage.chain;
    case "folded":
      return stage.state.chain;
    default:
      return stage satisfies never;
  }
}
