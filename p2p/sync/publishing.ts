/**
 * What this peer writes itself, records and offers: entered, written down before anybody hears of it (law 6), announced.
 * @module
 */
import { bodyDigest } from "./digest.ts";
import { journalRecord } from "./journaling.ts";
import type { MergeToWrite } from "./merging.ts";
import type { Parts } from "./parts.ts";
import type { Offer, RoundRecord, Signed } from "./types.ts";

export function publishOffer({ context, book, head }: Parts, offer: Signed<Offer>): void {
  context.emit({ kind: "journal", entry: { kind: "offer", offer } });
  book.offers.add(bodyDigest(offer.body), offer, { nowMs: context.now, own: true, journaled: true });
  context.emit({ kind: "announce", message: offer, cell: head?.chain.cell ?? "" });
}

/** Signs and announces a record; false if it was written before, in vain: something new must come first. */
export function publishRecord(parts: Parts, { record: body, reason }: MergeToWrite): boolean {
  const { context, book } = parts, digest = bodyDigest(body);
  if (book.links.has(digest)) return false;
  const record: Signed<RoundRecord> = { kind: "signed", body, signature: context.options.sign(digest) };
  book.addRecord(digest, record, { nowMs: context.now, journaled: false });
  journalRecord(context, book, book.links.get(digest)!);
  context.emit({ kind: "announce", message: record, cell: body.cell });
  context.report({ kind: "closed", round: body.round, reason });
  parts.resolve();
  const { stage } = book.links.get(digest)!;
  if (stage.kind === "complete") return true;
  const why = stage.kind === "invalid" ? stage.fault : "what it needs is not known";
  throw new Error(`Cannot write record ${body.round}: ${why}`);
}
