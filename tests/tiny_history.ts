/**
 * The first rounds of a run, made by hand: zero offers admit its peers, then each trains some windows of its lease, and
 * every record counts all that is offered. For tests of what one peer knows; signatures are empty.
 * @module
 */
import { strict as assert } from "node:assert";
import { advance, genesisRecord, genesisState } from "../p2p/sync/chain.ts";
import { bodyDigest, digestOf, stateDigest } from "../p2p/sync/digest.ts";
import { leaseOf } from "../p2p/sync/ledger.ts";
import { buildOffer, NO_WORK } from "../p2p/sync/offer.ts";
import { firstWindows, windowCount } from "../p2p/sync/ranges.ts";
import { buildRecord, selectCounted } from "../p2p/sync/record.ts";
import { isMember } from "../p2p/sync/roster.ts";
import { attemptOf, ranking } from "../p2p/sync/scribe.ts";
import type { BlobName, ChainState, Digest, Offer, PeerId, RoundRecord, Signed, SyncRules } from "../p2p/sync/types.ts";
import { syncRules } from "../runtime/peer.ts";
import { tinyRun } from "./tiny_run.ts";

/** Windows of an offer. */
const WINDOWS = 4;

export const historyRules: SyncRules = syncRules(tinyRun(), digestOf("a run by hand"));

/** A record, the offers that it counts, and the state after it. */
export interface Chapter {
  readonly record: Signed<RoundRecord>;
  readonly offers: readonly Signed<Offer>[];
  readonly chain: ChainState;
  readonly weights: BlobName;
}

export function beginning(): Chapter {
  return chapter(genesisRecord(historyRules), [], genesisState(historyRules));
}

/** The next round: all of these peers offer, and the first in rank of them writes the record. */
export function following(before: Chapter, peers: readonly PeerId[]): Chapter {
  const { chain, weights } = before, rules = historyRules, base = stateDigest(chain, weights.digest);
  const offers = new Map(
    peers.map((peer) => makeOffer(peer, { chain, base })).map((offer) => [bodyDigest(offer), offer]),
  );
  const counted = selectCounted(offers, { parent: chain, base, rules });
  assert.equal(counted.length, peers.length, "every offer is countable");
  const scribe = ranking(chain).find((peer) => peers.includes(peer)) ?? peers[0]!;
  const attempt = attemptOf(chain, scribe);
  const body = buildRecord({ chain, base }, { rules, counted, scribe, attempt, change: null });
  const inOrder = counted.map(({ offer }) => offers.get(offer)!);
  const next = advance(chain, { record: body, digest: bodyDigest(body), offers: inOrder, rules });
  return chapter(signed(body), inOrder.map(signed), next);
}

/** The same with a record that misstates the rank of its scribe: it is invalid. */
export function misranked(before: Chapter, peers: readonly PeerId[]): Chapter {
  const { record, offers } = following(before, peers), body = { ...record.body, attempt: record.body.attempt + 1 };
  const counted = offers.map(({ body }) => body), digest = bodyDigest(body);
  return chapter(
    signed(body),
    offers,
    advance(before.chain, { record: body, digest, offers: counted, rules: historyRules }),
  );
}

/** The beginning and so many rounds after it, in each of which all of these peers offer. */
export function historyOf(peers: readonly PeerId[], rounds: number): readonly Chapter[] {
  const chapters = [beginning()];
  while (chapters.length <= rounds) chapters.push(following(chapters.at(-1)!, peers));
  return chapters;
}

function makeOffer(peer: PeerId, { chain, base }: { readonly chain: ChainState; readonly base: Digest }): Offer {
  const ranges = firstWindows(leaseOf(chain.ledger, peer), WINDOWS), rules = historyRules;
  const blob = { digest: digestOf({ peer, on: chain.head }), sizeBytes: 1 };
  const work = {
    ...NO_WORK,
    ...{ blob, ranges, steps: 1, speed: 100, tokens: windowCount(ranges) * rules.contextLength },
  };
  const about = { rules, self: peer, name: peer, device: "cpu", leaving: false };
  const times = { waitMs: 0, transferMs: 0, nextMs: 1, heldOut: null };
  return buildOffer({ chain, base }, isMember(chain.roster, peer) ? work : NO_WORK, { ...about, ...times });
}

function chapter(record: Signed<RoundRecord>, offers: readonly Signed<Offer>[], chain: ChainState): Chapter {
  return { record, offers, chain, weights: { digest: digestOf({ weights: chain.head }), sizeBytes: 1 } };
}

function signed<T extends Offer | RoundRecord>(body: T): Signed<T> {
  return { kind: "signed", body, signature: new Uint8Array() };
}
