/**
 * The proof of law 10: all that the records of a journal lead to, computed anew, beside what its states say.
 *
 * Pure; it believes no state that it can compute, and starts from the genesis if the journal reaches back there, else
 * from the oldest states that the journal has, which it names. A record names the digest of the state before it, so
 * each state computed here is also held against what its scribe has signed.
 * @module
 */
import { Book } from "./book.ts";
import { genesisRecord, genesisState } from "./chain.ts";
import { digitsIn, partOf } from "./cells.ts";
import { ownedIn } from "./classes.ts";
import { bodyDigest, digestOf, stateDigest } from "./digest.ts";
import type { JournalEntry } from "./effects.ts";
import { hear } from "./hearsay.ts";
import { isHeavier } from "./fork.ts";
import { account, differences, leaseOf, trainedIn } from "./ledger.ts";
import { chainOf } from "./link.ts";
import { intersect, type Ranges, subtract, union, windowCount } from "./ranges.ts";
import { ageOf, whyNotCountable } from "./record.ts";
import { RULEBOOK } from "./rulebook.ts";
import type { ChainState, Digest, Offer, PeerId, RoundRecord, Signed, SyncRules } from "./types.ts";

/** What one peer did in the history that was audited. */
export interface PeerAccount {
  readonly peer: PeerId;
  readonly name: string;
  /** Offers with work that records count. */
  readonly offers: number;
  readonly windows: number;
  readonly tokens: number;
  /** Windows that it is to train. */
  readonly leased: number;
  /** Windows that were taken from it untrained: it left, or a merge gave them to another. */
  readonly returned: number;
  /** Of `windows`, those that had been trained before. */
  readonly duplicated: number;
  readonly lostWindows: number;
  readonly lostTokens: number;
}

/** Work that no record of the history counts. */
export interface UncountedOffer {
  readonly digest: Digest;
  readonly peer: PeerId;
  readonly round: number;
  readonly windows: number;
  readonly tokens: number;
  /** A record may count it yet. */
  readonly isOpen: boolean;
  readonly reason: string;
}

export interface Audit {
  /** The heaviest state of the journal: what is proved or refuted. */
  readonly head: ChainState;
  /** States that had to be believed because the journal lacks what led to them, by round; empty: proved from genesis. */
  readonly given: readonly ChainState[];
  /** Records whose state was computed, of these merges, and the offers that they count. */
  readonly records: number;
  readonly merges: number;
  readonly offers: number;
  /** Ranges of windows in those offers. */
  readonly ranges: number;
  /** Computed states that the next record's signed word confirms. */
  readonly confirmed: number;
  /** By peer id. */
  readonly peers: readonly PeerAccount[];
  /** By round. */
  readonly uncounted: readonly UncountedOffer[];
  /** What does not fit, in words; empty if the ledger of `head` is proved. */
  readonly problems: readonly string[];
}

type StateEntry = Extract<JournalEntry, { kind: "state" }>;

interface Evidence {
  readonly records: ReadonlyMap<Digest, Signed<RoundRecord>>;
  readonly offers: ReadonlyMap<Digest, Signed<Offer>>;
  readonly states: ReadonlyMap<Digest, StateEntry>;
}

/** A record of the head's history with the state after it; null if neither records nor the journal give it. */
interface Step {
  readonly digest: Digest;
  readonly record: RoundRecord;
  readonly chain: ChainState | null;
  readonly isComputed: boolean;
}

/** Audits a journal; null if it has no state. */
export function audit(entries: Iterable<JournalEntry>, rules: SyncRules): Audit | null {
  const problems: string[] = [], evidence = gather(entries, problems);
  const head = [...evidence.states.values()].map(({ chain }) => chain).sort((a, b) => isHeavier(a, b) ? -1 : 1)[0];
  if (head === undefined) return null;
  const steps = walk(evidence, { head, rules, problems });
  const confirmed = confirm(steps, evidence, { rules, problems });
  const computed = steps.filter(({ isComputed }) => isComputed);
  const given = steps.flatMap(({ chain, isComputed }) => chain !== null && !isComputed ? [chain] : []);
  // An offer on both sides of a merge counts once.
  const counted = new Set(computed.flatMap(({ record }) => record.counted.map(({ offer }) => offer)));
  const offers = [...counted].flatMap((digest) => evidence.offers.get(digest)?.body ?? []);
  if (given.length === 0) problems.push(...account(head.ledger, trainedBy(computed, evidence), toldTo(steps, rules)));
  const uncounted = uncountedIn(steps, evidence, { head, rules });
  return {
    head,
    given,
    records: computed.length,
    merges: computed.filter(({ record }) => record.parents.length > 1).length,
    offers: offers.length,
    ranges: offers.reduce((sum, { ranges }) => sum + ranges.length, 0),
    confirmed,
    peers: accounts(steps, evidence, { head, uncounted, rules }),
    uncounted,
    problems,
  };
}

/** Windows that each counted offer trained, of the class of the cell that counted it. */
function trainedBy(steps: readonly Step[], { offers }: Evidence): readonly Ranges[] {
  const trained = new Map<Digest, Ranges>();
  for (const { record: { counted, cell } } of steps) {
    for (const { offer } of counted) {
      const ranges = offers.get(offer)?.body.ranges;
      if (ranges !== undefined) trained.set(offer, union(trained.get(offer) ?? [], ownedIn(ranges, cell)));
    }
  }
  return [...trained.values()];
}

/** What meetings told of other cells' windows and was believed; null in a history that was never split. */
function toldTo(steps: readonly Step[], rules: SyncRules): Ranges | null {
  if (steps.every(({ record: { cell } }) => cell === "")) return null;
  const states = new Map(steps.map(({ digest, chain }) => [digest, chain] as const));
  return union(...steps.map(({ record: { cell, met, parents, round } }) => {
    const before = states.get(parents[0]!);
    return met === null || !before ? [] : hear(partOf(before, cell, rules), { met, round, rules }).believed;
  }));
}

function gather(entries: Iterable<JournalEntry>, problems: string[]): Evidence {
  const records = new Map<Digest, Signed<RoundRecord>>(), offers = new Map<Digest, Signed<Offer>>();
  const states = new Map<Digest, StateEntry>();
  for (const entry of entries) {
    if (entry.kind === "offer") offers.set(bodyDigest(entry.offer.body), entry.offer);
    if (entry.kind !== "record" && entry.kind !== "state") continue;
    const digest = bodyDigest(entry.record.body);
    records.set(digest, entry.record);
    if (entry.kind !== "state") continue;
    if (entry.chain.head === digest) states.set(digest, entry);
    else {problems.push(
        `a state says that it follows record ${short(entry.chain.head)}, its record is ${short(digest)}`,
      );}
  }
  return { records, offers, states };
}

/** The head and all that leads to it as far as the journal goes, oldest first, each with its state. */
function walk({ records, offers, states }: Evidence, { head, rules, problems }: {
  readonly head: ChainState;
  readonly rules: SyncRules;
  readonly problems: string[];
}): readonly Step[] {
  const genesis = genesisState(rules);
  // Whose journal it is sees of each state what it wrote down.
  const digits = digitsIn([...states.values()].map(({ chain }) => chain.cell));
  const book = new Book(rules, RULEBOOK, digits);
  book.addPast(genesisRecord(rules), genesis);
  for (const [digest, offer] of offers) book.offers.add(digest, offer, { nowMs: 0, own: true, journaled: true });
  const found = new Set([head.head]);
  for (const digest of found) records.get(digest)?.body.parents.forEach((parent) => found.add(parent));
  const history = [...found].flatMap((digest) => {
    const record = records.get(digest);
    return record === undefined ? [] : [{ digest, record }];
  }).sort((a, b) => a.record.body.round - b.record.body.round || (a.digest < b.digest ? -1 : 1));
  const isWhole = [...found].every((digest) => digest === genesis.head || records.has(digest));

  return history.map(({ digest, record }): Step => {
    const { body } = record, state = states.get(digest);
    const missing = body.counted.filter(({ offer }) => !offers.has(offer));
    // Else it is a late one from before what the journal keeps; and whoever joined on record 1 had its state alone.
    if (isWhole && body.round > 1) {
      for (const { offer, peer } of missing) {
        problems.push(`record ${body.round} counts offer ${short(offer)} of ${peer}, which this journal does not have`);
      }
    }
    const hasParents = body.parents.every((parent) => {
      const link = book.links.get(parent);
      return link !== undefined && chainOf(link) !== null;
    });
    if (hasParents && missing.length === 0) {
      book.addRecord(digest, record, { nowMs: 0, journaled: true });
      for (const { fault } of book.resolve(0)) problems.push(`record ${body.round} is not valid: ${fault}`);
      const chain = chainOf(book.links.get(digest)!);
      if (chain !== null) {
        if (state !== undefined) problems.push(...disagreements(state.chain, chain));
        return { digest, record: body, chain, isComputed: true };
      }
    }
    if (state !== undefined) book.addState(record, state);
    return { digest, record: body, chain: state?.chain ?? null, isComputed: false };
  });
}

/** Where the state of a journal is not what the records give. */
function disagreements(stated: ChainState, computed: ChainState): readonly string[] {
  if (digestOf(stated) === digestOf(computed)) return [];
  const after = `after record ${computed.round}`;
  const ledger = differences(stated.ledger, computed.ledger).map((difference) => `${after} ${difference}`);
  const names = Object.keys(computed) as (keyof ChainState)[];
  const others = names.filter((name) => name !== "ledger" && digestOf(stated[name]) !== digestOf(computed[name]));
  return [...ledger, ...others.map((name) => `${after} '${name}' is not what the records give`)];
}

/** Counts the computed states that a record after them names, with the weights that the journal says they had. */
function confirm(steps: readonly Step[], { states }: Evidence, { rules, problems }: {
  readonly rules: SyncRules;
  readonly problems: string[];
}): number {
  const computed = new Map(steps.flatMap(({ digest, chain, isComputed }) => isComputed ? [[digest, chain!]] : []));
  const confirmed = new Set<Digest>();
  for (const { record } of steps) {
    for (const [i, parent] of record.parents.entries()) {
      const chain = computed.get(parent), weights = record.weights[i] ?? states.get(parent)?.weights;
      if (chain === undefined || weights === undefined || parent === genesisState(rules).head) continue;
      if (stateDigest(chain, weights.digest) === record.bases[i]) confirmed.add(parent);
      else problems.push(`record ${record.round} was written on another state than the records before it give`);
    }
  }
  return confirmed.size;
}

function accounts(steps: readonly Step[], { offers }: Evidence, { head, uncounted, rules }: {
  readonly head: ChainState;
  readonly uncounted: readonly UncountedOffer[];
  readonly rules: SyncRules;
}): readonly PeerAccount[] {
  const sums = new Map<PeerId, { -readonly [K in keyof PeerAccount]: PeerAccount[K] }>();
  const of = (peer: PeerId) => {
    const none = { offers: 0, windows: 0, tokens: 0, leased: 0, returned: 0, duplicated: 0 };
    const sum = sums.get(peer) ?? { peer, name: "", ...none, lostWindows: 0, lostTokens: 0 };
    sums.set(peer, sum);
    return sum;
  };
  const genesis = genesisState(rules), states = new Map<Digest, ChainState>([[genesis.head, genesis]]);
  const seen = new Set<Digest>();
  let trained: Ranges = [];
  for (const { digest, record, chain, isComputed } of steps) {
    if (chain === null) continue;
    states.set(digest, chain);
    if (!isComputed) {
      trained = union(trained, trainedIn(chain.ledger));
      for (const { offer } of record.counted) seen.add(offer);
      continue;
    }
    for (const { offer: digest } of record.counted) {
      const offer = offers.get(digest)?.body;
      if (offer === undefined || seen.has(digest)) continue;
      seen.add(digest);
      const sum = of(offer.peer), windows = windowCount(offer.ranges);
      sum.name = offer.name;
      sum.offers += offer.tokens > 0 ? 1 : 0;
      sum.windows += windows;
      sum.tokens += offer.tokens;
      sum.duplicated += windows - windowCount(subtract(offer.ranges, trained));
      trained = union(trained, offer.ranges);
    }
    for (const [peer, ranges] of takenBack(record.parents.flatMap((parent) => states.get(parent) ?? []), chain)) {
      of(peer).returned += windowCount(ranges);
    }
  }
  for (const { peer, name } of head.roster) of(peer).name = name;
  for (const { peer, ranges } of head.ledger.leases) of(peer).leased = windowCount(ranges);
  for (const { peer, windows, tokens } of uncounted.filter(({ isOpen }) => !isOpen)) {
    of(peer).lostWindows += windows;
    of(peer).lostTokens += tokens;
  }
  return [...sums.values()].sort((a, b) => a.peer < b.peer ? -1 : 1);
}

/** Windows that a peer was to train before a record, and that are returned or another's after it. */
function takenBack(before: readonly ChainState[], { ledger }: ChainState): readonly (readonly [PeerId, Ranges])[] {
  const open = union(ledger.returned, ...ledger.leases.map(({ ranges }) => ranges));
  const peers = new Set(before.flatMap(({ ledger }) => ledger.leases.map(({ peer }) => peer)));
  return [...peers].map((peer) => {
    const held = union(...before.map(({ ledger }) => leaseOf(ledger, peer)));
    return [peer, intersect(subtract(held, leaseOf(ledger, peer)), open)] as const;
  });
}

function uncountedIn(steps: readonly Step[], { records, offers }: Evidence, { head, rules }: {
  readonly head: ChainState;
  readonly rules: SyncRules;
}): readonly UncountedOffer[] {
  const history = new Set(steps.map(({ digest }) => digest));
  // Before a state that is given, records that are not known may have counted anything.
  const sinceRound = Math.max(-1, ...steps.flatMap(({ record, isComputed }) => isComputed ? [] : [record.round]));
  const counted = new Set(steps.flatMap(({ record, chain, isComputed }) => [
    ...record.counted.map(({ offer }) => offer),
    ...(isComputed ? [] : chain?.recent ?? []).flatMap(({ counted }) => counted),
  ]));
  const elsewhere = new Map<Digest, RoundRecord>();
  for (const [digest, { body }] of records) {
    if (!history.has(digest)) { for (const { offer } of body.counted) elsewhere.set(offer, body); }
  }
  return [...offers].filter(([digest, { body }]) => body.tokens > 0 && body.round > sinceRound && !counted.has(digest))
    .map(([digest, { body: offer }]) => {
      const { peer, round, tokens, ranges } = offer, isOpen = ageOf(offer, head) <= rules.lateRounds;
      const windows = windowCount(ranges), other = elsewhere.get(digest);
      const reason = isOpen
        ? "a record may count it yet"
        : other !== undefined
        ? `record ${other.round}, which counted it, lost against a heavier history`
        : whyUncounted(digest, offer, { steps, rules });
      return { digest, peer, round, windows, tokens, isOpen, reason };
    }).sort((a, b) => a.round - b.round || (a.digest < b.digest ? -1 : 1));
}

/** Why the records that could have counted an offer did not. */
function whyUncounted(digest: Digest, offer: Offer, { steps, rules }: {
  readonly steps: readonly Step[];
  readonly rules: SyncRules;
}): string {
  const genesis = genesisState(rules), states = new Map<Digest, ChainState>([[genesis.head, genesis]]);
  for (const { digest, chain } of steps) if (chain !== null) states.set(digest, chain);
  if (!states.has(offer.parent)) return "it was trained on a record that lost against a heavier history";
  const could: number[] = [];
  for (const { record } of steps) {
    const parent = states.get(record.parents[0]!);
    if (parent === undefined || record.parents.length > 1) continue;
    if (record.round < offer.round || record.round > offer.round + rules.lateRounds) continue;
    const reason = whyNotCountable(digest, offer, { parent, base: record.bases[0]!, rules, change: record.change });
    if (reason !== null) return `record ${record.round} could not count it: ${reason}`;
    could.push(record.round);
  }
  return could.length === 0
    ? "no record followed in time"
    : `records ${could[0]} to ${could.at(-1)} did not count it: it, or its contribution, had not reached their scribes`;
}

function short(digest: Digest): string {
  return `${digest.slice(0, 8)}…`;
}
