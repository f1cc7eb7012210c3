/**
 * What other peers say: each message is checked at the door (`door.ts`), then changes what is known.
 *
 * Nothing follows from it here but questions, answers and complaints: conclusions are drawn once, after the message.
 * @module
 */
import { ARCHIVE_ROUNDS } from "./book.ts";
import { digitsOf, isIn, viewOf } from "./cells.ts";
import { chainOf } from "./link.ts";
import { bodyDigest, stateDigest } from "./digest.ts";
import { whyDoubted, whyImpossibleState, whyNoOffer, whyNoRecord, whyNoState } from "./door.ts";
import { isFull } from "./exchange.ts";
import { whyForgedChange } from "./members.ts";
import type { Parts } from "./parts.ts";
import { isChange, isRecord } from "./record.ts";
import { reportEquivocation, reportMismatch } from "./report.ts";
import { isMember } from "./roster.ts";
import { proofOf } from "./vouching.ts";
import type { Beat, Change, Digest, Message, Offer, PeerId, RoundRecord, Signed, StateAt } from "./types.ts";

/** Takes a message that `from` sent or passed on. */
export function onMessage(parts: Parts, message: Message, from: PeerId): void {
  const { context, exchange, head, book } = parts, { run } = context.options.rules;
  exchange.heard(from, context.now);
  switch (message.kind) {
    case "signed":
      if (isRecord(message)) return onNewRecord(parts, message, from);
      if (isChange(message)) return onChange(parts, message, from);
      return onOffer(parts, message, { isNews: true });
    case "history": {
      // Offers that are not recent are taken only if a record waits for them.
      // Nor are records of other cells dropped: they may lead to a merge with ours.
      const isNew = message.records.some(({ body }) => !book.links.has(bodyDigest(body)));
      for (const record of message.records) onRecord(parts, record);
      for (const offer of message.offers) onOffer(parts, offer, { isNews: false });
      parts.resolve();
      if (isNew && isFull(message.records.length)) exchange.pullOn(context, from, { book, head });
      return;
    }
    case "beat":
      if (message.run === run) onBeat(parts, message, from);
      return;
    case "pull":
    case "ask-state":
      if (message.run === run && head !== null) exchange.answer(context, message, from, { book, head });
      return;
    case "state-at":
      return onState(parts, message, from);
    default:
      message satisfies never;
  }
}

/** Takes the owner's word on who belongs to the run; `from` is this peer itself if the owner said it here. */
export function onChange(parts: Parts, change: Signed<Change>, from: PeerId): void {
  const { context, membership } = parts, { options } = context;
  const reason = whyForgedChange(change, options);
  if (reason !== null) return parts.reject("change of members", from, reason);
  const isNew = membership.learn(context, change);
  if (isNew && from === options.self) context.emit({ kind: "announce", message: change, cell: "" });
}

/** `isNews`: announced by its author now, not found in a history. */
function onOffer(parts: Parts, signed: Signed<Offer>, { isNews }: { readonly isNews: boolean }): void {
  const { context, book, exchange, work } = parts, { body } = signed, digest = bodyDigest(body);
  if (book.offers.find(digest) !== undefined) return;
  if (isNews && parts.head !== null && !isIn(parts.head.chain.cell, body.peer, context.options.rules)) return;
  const malformed = whyNoOffer(context, signed);
  if (malformed !== null) return parts.reject("offer", body.peer, malformed);
  const chain = parts.head?.chain;
  if (isNews && chain) {
    const change = parts.membership.changeAfter(chain);
    const { reason, isStale } = whyDoubted(context, body, { chain, change });
    if (reason !== null && isStale) { // whoever was cut off for long is not to blame for it
      const { round, peer, tokens } = body;
      return context.report({ kind: "passed over", round, offer: digest, peer, tokens, reason });
    }
    if (reason !== null) parts.reject("offer", body.peer, reason);
  }
  const isStranger = !chain || !isMember(chain.roster, body.peer);
  book.offers.add(digest, signed, { nowMs: context.now, own: false, journaled: false, isStranger });
  if (body.peer === context.options.self) work.key.heard(digest);
  const held = book.offers.find(digest);
  if (held === undefined) {
    // That many others came at the same time is not its fault: it sees so itself, and waits (`publishing.ts`).
    if (isNews && book.offers.isFull(body.peer)) {
      parts.reject("offer", body.peer, "too many of its author wait already");
    }
    return;
  }
  parts.hasOffers = true;
  if (!chain) return;
  exchange.heard(body.peer, context.now);
  parts.scribing.onOffer(context, held, chain);
  exchange.witnesses.says({ peer: body.peer, head: body.parent, base: body.base, cell: partSeenBy(parts, body) });
  reportMismatch(context, book, body);
}

/** The part of its parent's state that the author of an offer sees; null if that is not known here. */
function partSeenBy({ book, context: { options: { rules } } }: Parts, { parent, peer }: Offer): string | null {
  const link = book.links.get(parent), chain = link && chainOf(link);
  return chain && isIn(chain.cell, peer, rules) ? viewOf(chain, digitsOf(rules, peer), rules).cell : null;
}

function onNewRecord(parts: Parts, signed: Signed<RoundRecord>, from: PeerId): void {
  if (!parts.isOurs(signed.body)) return; // of another cell: no head that it leads to can be ours
  onRecord(parts, signed);
  parts.resolve();
  if (parts.book.links.get(bodyDigest(signed.body))?.stage.kind === "incomplete") pull(parts, from);
}

function onRecord(parts: Parts, signed: Signed<RoundRecord>): void {
  const { context, book, head } = parts, { body } = signed, digest = bodyDigest(body);
  if (book.links.has(digest)) return;
  const reason = whyNoRecord(context, signed);
  if (reason !== null) return parts.reject(`record ${body.round}`, body.scribe, reason);
  if (head !== null && body.round <= head.chain.round - ARCHIVE_ROUNDS) return;
  parts.hasNews = true;
  book.addRecord(digest, signed, { nowMs: context.now, journaled: false });
  reportEquivocation(context, book, body);
}

function onBeat(parts: Parts, beat: Beat, from: PeerId): void {
  const { context, book, exchange, head } = parts, isConnected = exchange.isConnected(beat.peer);
  exchange.heard(beat.peer, context.now);
  if (!isIn(beat.cell, beat.peer, context.options.rules)) {
    return parts.reject("beat", beat.peer, `it is not in cell '${beat.cell}'`);
  }
  if (isConnected) parts.membership.onBeat(context, beat);
  if (parts.meeting.isInDoubt) parts.hasNews = true; // its word may confirm what we met
  // Who is in our cell, but stands on one of a shorter name, does not hear what we announce.
  const isDeaf = head !== null && beat.cell.length < head.chain.cell.length &&
    isIn(head.chain.cell, beat.peer, context.options.rules);
  if (isConnected && isDeaf) context.emit({ kind: "send", to: beat.peer, message: parts.ownBeat(head) });
  if (!parts.isOurs(beat)) {
    exchange.witnesses.left(beat.peer);
    parts.merging.left(beat.peer);
    if (isConnected) exchange.abroad.stands(beat);
    return;
  }
  exchange.witnesses.stands(beat);
  if (head === null) return;
  if (isConnected) parts.merging.onBeat(beat.peer, beat.head);
  if (beat.head === head.link.digest || beat.round <= head.chain.round - ARCHIVE_ROUNDS) return;
  const isHeavier = context.rulebook.isHeavier(beat, head.chain);
  const link = book.links.get(beat.head);
  if (!link || chainOf(link) === null) return exchange.seek(context, beat, from, { book, head, isHeavier });
  exchange.found(beat.peer);
  if (book.isDeep(head, link)) parts.hasNews = true;
  // A heavier head that records do not lead to: weights before it are gone here, or nobody gives what it counts.
  else if (isHeavier && !parts.folding.hopes(context, { ...parts, head })) exchange.askState(context, [from]);
}

function onState(parts: Parts, message: StateAt, from: PeerId): void {
  const { context, book, exchange, head } = parts, { chain, weights } = message;
  if (message.run !== context.options.rules.run || !exchange.takeAnswer(from)) return;
  const word = { peer: from, head: chain.head, base: stateDigest(chain, weights.digest), cell: chain.cell };
  if (!parts.isOurs(chain)) {
    const reason = whyImpossibleState(context, message);
    if (reason !== null) return parts.reject("state", from, reason);
    exchange.witnesses.left(from);
    exchange.abroad.stands(word);
    parts.hasNews = true;
    if (head === null) return parts.joining.hear(context, chain.cell);
    return parts.meeting.onState(message, { ...word, round: head.chain.round });
  }
  exchange.witnesses.stands(word);
  const reason = whyNoState(context, message, { book, witnesses: exchange.witnesses }) ??
    (head && parts.merging.onState(context, { book, head, loading: parts.loading }, message, from));
  if (reason !== null) return parts.reject("state", from, reason);
  if (!parts.isWorth(chain)) return;
  parts.hasNews = true;
  parts.joining.addFromPeer(context, message, from);
  const isMissed = (offer: Digest) => parts.fetching.isMissed(offer);
  const proof = proofOf(message, { book, witnesses: exchange.witnesses, isMissed });
  if (proof === "open" || proof === "unmade") pull(parts, from);
}

function pull({ context, book, exchange, head }: Parts, from: PeerId): void {
  exchange.pull(context, from, { book, head });
}
