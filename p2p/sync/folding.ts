/**
 * Towards the heaviest history: which record to fold next, what is missing for it, and what turned out wrong with it.
 *
 * One fold at a time. A folded state is kept and journalled with its record and offers before anything builds on it
 * (law 6); a record is folded only if its `base` is the state that this peer folded itself (law 3).
 * @module
 */
import type { Book, HeldOffer, Link } from "./book.ts";
import type { Context } from "./context.ts";
import { stateDigest } from "./digest.ts";
import type { BlobName, Digest } from "./types.ts";

/** A fold may fail because a blob was damaged on disk: it is fetched again, but not for ever. */
const MOST_FOLD_FAILURES = 3;

export class Folding {
  #folding: Digest | null = null;
  /** Offers whose blobs the next fold needs. */
  urgent: ReadonlySet<Digest> = new Set();
  /** Since when a heavier history than ours is on its way, or null. */
  rivalSinceMs: number | null = null;

  /** Begins the next fold, if there is one and all its blobs are here. */
  run(context: Context, book: Book, head: Link): void {
    const target = book.target(head);
    this.urgent = new Set(target?.path.flatMap(({ record }) => record.body.counted.map(({ offer }) => offer)));
    this.rivalSinceMs = target?.link.sinceMs ?? null;
    const next = target?.path[0];
    if (next === undefined || this.#folding !== null) return;

    const parent = book.links.get(next.parent!)!;
    const offers = book.countedOffers(next);
    next.fault = offers === null ? "its offers are no longer known" : whyNotFoldable(next, parent, offers);
    if (next.fault !== null) return this.#reject(context, next, parent);
    if (offers!.some(({ verdict }) => verdict === null)) return;

    const counted = offers!.map(({ signed }, i) => ({ counted: next.record.body.counted[i]!, offer: signed.body }));
    const parts = context.rulebook.foldParts(counted, context.options.rules);
    this.#folding = next.digest;
    context.emit({ kind: "fold", record: next.digest, parent: parent.weights!.digest, parts });
  }

  /** The learner folded a record: it is kept and written down. */
  onFolded(context: Context, book: Book, { record, weights }: { record: Digest; weights: BlobName }): void {
    if (this.#folding === record) this.#folding = null;
    const link = book.links.get(record);
    if (link?.chain === undefined || link.chain === null) return;
    link.weights = weights;
    link.base = stateDigest(link.chain, weights.digest);
    context.emit({ kind: "keep", weights });
    journalLink(context, book, link);
  }

  onFailed({ report }: Context, book: Book, { record, reason }: { record: Digest; reason: string }): void {
    if (this.#folding === record) this.#folding = null;
    const link = book.links.get(record);
    if (link === undefined) return;
    link.foldFailures++;
    for (const held of book.countedOffers(link) ?? []) if (held.signed.body.blob !== null) held.verdict = null;
    if (link.foldFailures >= MOST_FOLD_FAILURES) link.fault = `it could not be folded: ${reason}`;
    report({ kind: "waiting", reason: `record ${link.record.body.round} could not be folded: ${reason}` });
  }

  #reject({ report }: Context, link: Link, parent: Link): void {
    const { scribe: peer, base, round } = link.record.body;
    if (base !== parent.base) {
      report({ kind: "mismatch", record: parent.digest, peer, mine: parent.base!, theirs: base });
    }
    report({ kind: "rejected", what: `record ${round}`, peer, reason: link.fault! });
  }
}

/** Writes down a state with all that leads to it, each once: offers before the record that counts them. */
export function journalLink({ emit }: Context, book: Book, link: Link): void {
  for (const held of book.countedOffers(link) ?? []) {
    if (!held.journaled) emit({ kind: "journal", entry: { kind: "offer", offer: held.signed } });
    held.journaled = true;
  }
  if (!link.journaled) emit({ kind: "journal", entry: { kind: "record", record: link.record } });
  link.journaled = true;
  const { record, chain, weights } = link;
  emit({ kind: "journal", entry: { kind: "state", record, chain: chain!, weights: weights! } });
}

function whyNotFoldable({ record }: Link, parent: Link, offers: readonly HeldOffer[]): string | null {
  if (record.body.base !== parent.base) return `its base is ${record.body.base}, ours is ${parent.base}`;
  const bad = offers.find(({ verdict }) => verdict?.valid === false);
  if (bad === undefined || bad.verdict === null || bad.verdict.valid) return null;
  return `it counts offer ${bad.digest} although ${bad.verdict.reason}`;
}
