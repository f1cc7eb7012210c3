/**
 * Towards the heaviest history: which record to fold next, what is missing for it, and what turned out wrong with it.
 *
 * One fold at a time. A folded state is kept and journalled with its record and offers before anything builds on it
 * (law 6); a record is folded only if its `base` is the state that this peer folded itself (law 3).
 * @module
 */
import type { Screen } from "../learner.ts";
import type { Book, HeldOffer, Link } from "./book.ts";
import type { Context } from "./context.ts";
import { stateDigest } from "./digest.ts";
import type { Input } from "./effects.ts";
import { longestMs } from "./scribe.ts";
import type { Digest } from "./types.ts";

/** A fold may fail because a blob was damaged on disk: it is fetched again, but not for ever. */
const MOST_FOLD_FAILURES = 3;

export class Folding {
  #folding: Digest | null = null;
  #progressAtMs = 0;
  /** Records that this peer has folded itself since it started. */
  foldedCount = 0;
  /** Offers whose blobs are needed to fold towards heavier histories. */
  urgent: ReadonlySet<Digest> = new Set();
  /** A heavier history than ours is on its way: until when we believe in it. Null if there is none. */
  hopeUntilMs: number | null = null;

  /** Begins the next fold towards the heaviest history whose blobs can be had, if they all are here. */
  run(context: Context, book: Book, head: Link): void {
    const targets = book.targets(head);
    this.urgent = new Set(targets.flat().flatMap(({ record }) => record.body.counted.map(({ offer }) => offer)));
    const hopes = targets.map(([next]) => ({ next: next!, untilMs: this.#hopeUntilMs(book, next!, head) }));
    const hope = hopes.find(({ untilMs }) => context.now < untilMs);
    this.hopeUntilMs = hope?.untilMs ?? null;
    if (hope === undefined || this.#folding !== null) return;

    const { next } = hope;
    const parent = book.links.get(next.parent!)!;
    const offers = book.countedOffers(next);
    next.fault = offers === null ? "its offers are no longer known" : whyNotFoldable(next, parent, offers);
    if (next.fault !== null) return this.#reject(context, next, parent);
    if (offers!.some(({ verdict }) => verdict === null)) return;

    const counted = offers!.map(({ signed }, i) => ({ counted: next.record.body.counted[i]!, offer: signed.body }));
    const parts = context.rulebook.foldParts(counted, context.options.rules);
    this.#folding = next.digest;
    this.hopeUntilMs = Infinity;
    context.emit({ kind: "fold", record: next.digest, parent: parent.weights!.digest, parts });
  }

  /** The learner folded a record: it is kept and written down. */
  onFolded(context: Context, book: Book, { record, weights, screen }: Extract<Input, { kind: "folded" }>): void {
    if (this.#folding === record) this.#folding = null;
    const link = book.links.get(record);
    if (link?.chain === undefined || link.chain === null) return;
    this.#progressAtMs = context.now;
    this.foldedCount++;
    link.weights = weights;
    link.base = stateDigest(link.chain, weights.digest);
    context.emit({ kind: "keep", weights });
    journalLink(context, book, link);
    if (screen !== null) reportScreen(context, link, { screen, offers: book.countedOffers(link) ?? [] });
  }

  onFailed({ report }: Context, book: Book, { record, reason }: { record: Digest; reason: string }): void {
    if (this.#folding === record) this.#folding = null;
    const link = book.links.get(record);
    if (link === undefined) return;
    link.foldFailures++;
    for (const held of book.countedOffers(link) ?? []) if (held.signed.body.blob !== null) book.judge(held, null);
    if (link.foldFailures >= MOST_FOLD_FAILURES) link.fault = `it could not be folded: ${reason}`;
    report({ kind: "waiting", reason: `record ${link.record.body.round} could not be folded: ${reason}` });
  }

  /** Adopt only what can be fetched: a record whose blobs stay missing for a round's longest wait is set aside. */
  #hopeUntilMs(book: Book, link: Link, head: Link): number {
    const isMissing = book.countedOffers(link)?.some(({ verdict }) => verdict === null) ?? true;
    return isMissing ? Math.max(link.sinceMs, this.#progressAtMs) + longestMs(head.chain!.roundMs) : Infinity;
  }

  #reject({ report }: Context, link: Link, parent: Link): void {
    const { scribe: peer, bases: [base], round } = link.record.body;
    if (base !== undefined && base !== parent.base) {
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

/** Names those whose work pulls against everybody else's. Only offers with a contribution were parts of the fold. */
function reportScreen(
  { report }: Context,
  { record }: Link,
  { screen: { cosines, threshold, dropped }, offers }: {
    readonly screen: Screen;
    readonly offers: readonly HeldOffer[];
  },
): void {
  const parts = offers.filter(({ signed }) => signed.body.blob !== null);
  for (const [i, { digest, signed: { body: { peer } } }] of parts.entries()) {
    const cosine = cosines[i] ?? null;
    if (cosine === null || cosine >= threshold) continue;
    const { round } = record.body;
    report({ kind: "screened", round, offer: digest, peer, cosine, threshold, dropped: dropped.includes(i) });
  }
}

function whyNotFoldable({ record }: Link, parent: Link, offers: readonly HeldOffer[]): string | null {
  const [base] = record.body.bases;
  if (base !== parent.base) return `its base is ${base}, ours is ${parent.base}`;
  const bad = offers.find(({ verdict }) => verdict?.valid === false);
  if (bad === undefined || bad.verdict === null || bad.verdict.valid) return null;
  return `it counts offer ${bad.digest} although ${bad.verdict.reason}`;
}
