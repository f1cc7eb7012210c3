/**
 * What an offer claims, against what its author was given: bounds that no honest offer meets, and that keep a liar's
 * claims near everybody else's. Facts of the chain only.
 *
 * An offer may hold windows that the state leases to somebody else, or to nobody: steps made on the losing side of a
 * fork stay, and so do those of a peer whose lease went back while it was silent. So strays are bounded in number, not
 * forbidden: the ledger enters them as duplicated.
 * @module
 */
import { leaseWindows, unmeasuredWindows } from "./balance.ts";
import { depthOf } from "./cells.ts";
import { leaseOf } from "./ledger.ts";
import { firstWindows, intersect, subtract, union, windowCount } from "./ranges.ts";
import { isMember } from "./roster.ts";
import type { ChainState, Offer, PeerId, SyncRules } from "./types.ts";

/** Windows of an offer beyond its author's lease, in leases of the largest kind: two sides of a fork, both grown. */
const STRAY_LEASES = 4;
/** … and as many does an honest author claim: whoever counts it may stand on a state with smaller leases. */
const CLAIMED_STRAY_LEASES = STRAY_LEASES / 2;
/** Peers that another side of a fork may have admitted beyond those we know. */
const UNKNOWN_PEERS = 8;

/** Members of a run: a state with all of them must fit a message. */
const MOST_ROSTER = 1024;

/** Why the record after `parent` cannot believe what this offer claims to have trained, or null. */
export function whyNotBelievable(offer: Offer, parent: ChainState, rules: SyncRules): string | null {
  const end = offer.ranges.at(-1)?.end ?? 0, { ledger, roster } = parent;
  if (roster.length >= MOST_ROSTER && !isMember(roster, offer.peer)) {
    return `the run has ${roster.length} members already`;
  }
  if (end === 0) return null;
  const lease = largestLease(parent, rules);
  // Each round moves the cursor by no more than everybody's lease, and over the windows of other cells between.
  const reach = (rules.lateRounds + 1) * (roster.length + UNKNOWN_PEERS) * (lease * 2 ** depthOf(parent.cell));
  if (end > ledger.cursor + reach) {
    return `it trained windows up to ${end}, and only ${ledger.cursor} were ever leased`;
  }
  const strays = windowCount(subtract(offer.ranges, leaseOf(ledger, offer.peer)));
  if (strays <= STRAY_LEASES * lease) return null;
  return `${strays} of its windows were not leased to it, and a fork explains ${STRAY_LEASES * lease} at most`;
}

/**
 * What a peer claims of its work on this state: all, but of windows that are not its lease no more than is believed of
 * anybody. A fast peer that comes from a fork where it was known has more: here nobody knows its speed, and leases are
 * small. What it does not claim may be trained again.
 */
export function claimed<W extends Pick<Offer, "ranges" | "tokens">>(work: W, { peer, chain, rules }: {
  readonly peer: PeerId;
  readonly chain: ChainState;
  readonly rules: SyncRules;
}): W {
  const own = intersect(work.ranges, leaseOf(chain.ledger, peer)), strays = subtract(work.ranges, own);
  const most = CLAIMED_STRAY_LEASES * largestLease(chain, rules);
  if (windowCount(strays) <= most) return work;
  const ranges = union(own, firstWindows(strays, most));
  return { ...work, ranges, tokens: Math.min(work.tokens, windowCount(ranges) * rules.contextLength) };
}

const largestLeases = new WeakMap<ChainState, number>();

/** Of any member of a state; computed once for each, since every offer is held against it. */
function largestLease(chain: ChainState, rules: SyncRules): number {
  let largest = largestLeases.get(chain);
  if (largest === undefined) {
    const { roster, roundMs, batch } = chain, context = { roster, roundMs, batch: batch.request, rules };
    largest = Math.max(unmeasuredWindows(context), ...roster.map((member) => leaseWindows(member, context)));
    largestLeases.set(chain, largest);
  }
  return largest;
}
