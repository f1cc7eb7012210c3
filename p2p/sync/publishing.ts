/**
 * What this peer writes itself, records and offers: entered, written down before anybody hears of it (law 6), announced.
 * @module
 */
import { bodyDigest } from "./digest.ts";
import { journalRecord } from "./journaling.ts";
import type { MergeToWrite } from "./merging.ts";
import type { Parts } from "./parts.ts";
import { isMember } from "./roster.ts";
import type { Offer, RoundRecord, Signed } from "./types.ts";

export function publishOffer(parts: Parts, offer: Signed<Offer>): void {
  const { context, book, head } = parts;
  context.emit({ kind: "journal", entry: { kind: "offer", offer } });
  book.offers.add(bodyDigest(offer.body), offer, { nowMs: context.now, own: true, journaled: true });
  if (isHeldBack(parts, offer)) {
    context.report({ kind: "waiting", reason: "many others join: the next record takes some" });
  } else context.emit({ kind: "announce", message: offer, cell: head?.chain.cell ?? "" });
}

/**
 * Whether this asks to be admitted and nobody would have room for it: as many strangers as are heard have asked. So what a
 * crowd of newcomers says is bounded, and with it what everybody hears; every record admits some.
 */
export function isHeldBack({ context, book, head }: Parts, { body }: Signed<Offer>): boolean {
  return body.blob === null && book.offers.isCrowded && head !== null &&
    !isMember(head.chain.roster, context.options.self);
}

/** Signs and announces a record; false if it was written before, in vain: something new must come first. */
export function publishRecord(parts: Parts, { record: body, reason }: MergeToWrite): boolean {
  const { context, book } = parts, digest = bodyDigest(body);
  if (book.links.has(digest)) return false;
  const record: Signed<RoundRecord> = { kind: "signed", body, signature: context.options.sign(digest) };
  book.addRecord(digest, record, { nowMs: context.now, journaled: false });
  // With what leads to it: of a merge, the records of the side that this peer did not follow.
  for (const link of book.lineage.unjournaled(book.links.get(digest)!)) journalRecord(context, book, link);
  context.emit({ kind: "announce", message: record, cell: body.cell });
  context.report({ kind: "closed", round: body.round, reason });
  parts.resolve();
  const { stage } = book.links.get(digest)!;
  if (stage.kind === "complete") return true;
  const why = stage.kind === "invalid" ? stage.fault : "what it needs is not known";
  throw new Error(`Cannot write record ${body.round}: ${why}`);
}
