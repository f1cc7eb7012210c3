/**
 * What another peer sends, before anything is done with it: is it of this run, well formed, and signed by whom it names?
 *
 * Signatures of what a message carries inside count as well: a record's change of members is the owner's word or none.
 * @module
 */
import { genesisState } from "./chain.ts";
import type { Context } from "./context.ts";
import { bodyDigest } from "./digest.ts";
import { whyForgedChange } from "./members.ts";
import { whyMalformed } from "./offer.ts";
import type { ChainState, Change, Offer, PeerId, RoundRecord, Signed, StateAt } from "./types.ts";

/** Why an offer is dropped, or null. */
export function whyNoOffer(context: Context, signed: Signed<Offer>): string | null {
  return whyMalformed(signed.body, context.options.rules) ?? whyForged(context, signed, signed.body.peer);
}

/** Why a record is dropped, or null. */
export function whyNoRecord(context: Context, signed: Signed<RoundRecord>): string | null {
  const { body } = signed;
  if (body.run !== context.options.rules.run) return `it belongs to run ${body.run}`;
  if (body.parents.length !== 1) return `it has ${body.parents.length} parents`;
  return whyForged(context, signed, body.scribe) ?? whyNoList(context, body.change);
}

/** Why an answer is no state, or null. That it is the *right* state only others can confirm (`joining.ts`). */
export function whyNoState(context: Context, { record, chain }: StateAt): string | null {
  const { rules } = context.options, digest = bodyDigest(record.body);
  if (chain.head !== digest) return "its chain state does not belong to its record";
  if (chain.round !== record.body.round) return `its round is ${chain.round}, its record's ${record.body.round}`;
  const reason = whyNoList(context, record.body.change) ?? whyNoList(context, chain.members);
  if (reason !== null || digest === genesisState(rules).head) return reason;
  return whyForged(context, record, record.body.scribe);
}

function whyNoList({ options }: Context, change: ChainState["members"]): string | null {
  const reason = change === null ? null : whyForgedChange(change, options);
  return reason === null ? null : `its change of members is refused: ${reason}`;
}

function whyForged({ options }: Context, { body, signature }: Signed<Offer | RoundRecord | Change>, author: PeerId) {
  return options.verify(bodyDigest(body), signature, author) ? null : "its signature is not its author's";
}
