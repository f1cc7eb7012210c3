/**
 * Merge records: two histories that parted S or more records ago become one, and nothing that either counted is lost.
 *
 * Facts of the graph only, so every peer computes alike. The state is the *union*: an offer that both sides counted
 * counts once, in weight, tokens and ledger. The weights are the average of both sides', by the (capped) tokens that
 * each counted since they parted (`runtime/state/average.ts`). What is a choice (round length, batch, codec) is the
 * heavier side's. A merge record counts no offers: those on either head are one record late for what follows it.
 * @module
 */
import type { AveragedSets } from "../learner.ts";
import { settleLeases } from "./chain.ts";
import { withHosts } from "./dealing.ts";
import { stateDigest } from "./digest.ts";
import { fits, hullOf } from "./cells.ts";
import { isHeavier } from "./fork.ts";
import { partsIn, uniteLineages } from "./fusing.ts";
import { learnedBy, uniteLedgers } from "./ledger.ts";
import { isAllowed, newerMembers, whyNotAllowed } from "./members.ts";
import { union, windowCount } from "./ranges.ts";
import { within } from "./recent.ts";
import { type CountedOffer, uniteRosters } from "./roster.ts";
import { rankedBy } from "./scribe.ts";
import { weightsOf } from "./tokens.ts";
import type { BlobName, ChainState, Digest, Offer, PeerId, Range, Recent, RoundRecord, SyncRules } from "./types.ts";

/** One of two histories that become one. */
export interface Side {
  /** The whole state, however many members it has: what its parts have in common. */
  readonly chain: ChainState;
  /** Records that the other side does not have, by round, then digest: an offer weighs what the first of them gives it. */
  readonly own: readonly Chapter[];
  /** Offers that both sides have from before they parted, as far as one of `own` may count them as well. */
  readonly shared: ReadonlySet<Digest>;
}

/** A record with the offers it counts, in its order. */
export interface Chapter {
  readonly record: RoundRecord;
  readonly offers: readonly Offer[];
  /** What was usual in the state before it (`tokens.ts`). */
  readonly usual: number;
}

/** The heavier side first. */
export type Sides = readonly [Side, Side];

/** The two in their order. */
export function inOrder(a: Side, b: Side): Sides {
  return isHeavier(a.chain, b.chain) ? [a, b] : [b, a];
}

/** The state after a valid merge record. */
export function unite(
  [heavier, lighter]: Sides,
  { record, digest, rules }: { readonly record: RoundRecord; readonly digest: Digest; readonly rules: SyncRules },
): ChainState {
  const { round } = record;
  const added = gain(lighter, new Set([...lighter.shared, ...countedIn(heavier)]));
  const members = newerMembers(heavier.chain.members, lighter.chain.members);
  const present = uniteRosters([heavier.chain, lighter.chain], round).filter(({ peer }) =>
    isAllowed(peer, members, rules)
  );
  const lineages = uniteLineages([heavier.chain, lighter.chain]);
  const roster = withHosts(present, { before: [], lineages });
  const { roundMs, merged, encoding, usual } = heavier.chain, { cell } = record;
  const [a, b] = [heavier.chain.ledger, lighter.chain.ledger];
  const offered = union(...lighter.own.flatMap(({ offers }) => offers.map(({ ranges }) => ranges)));
  const learned = learnedBy(b, { a, offered });
  const ledger = uniteLedgers(a, b, { windows: windowCount(added.ranges) + learned });
  return {
    round,
    head: digest,
    cell,
    met: heavier.chain.met.slice(0, cell.length).map((met, i) => Math.max(met, lighter.chain.met[i]!)),
    weight: heavier.chain.weight + added.weight,
    tokens: heavier.chain.tokens + added.tokens + learned * rules.contextLength,
    usual,
    members,
    roster,
    ledger: settleLeases(ledger, roster, { roundMs, lineages, rules, cell }),
    roundMs,
    lineages,
    merged,
    encoding,
    evaluator: roster[round % Math.max(1, roster.length)]?.peer ?? null,
    recent: uniteRecent([heavier, lighter], { record, digest, rules }),
  };
}

/**
 * What the weights of each lineage are the average of, in the order of the record's parents: by what each side gained,
 * and where a side has several lineages that are one now, by their demand.
 */
export function mergeShares(sides: Sides, weights: readonly BlobName[]): AveragedSets {
  const gains = sides.map((side) => gain(side, side.shared).weight);
  const isNothing = gains.every((weight) => weight === 0); // then both are the same weights
  return uniteLineages([sides[0].chain, sides[1].chain]).map((lineage) =>
    sides.flatMap(({ chain }, i) =>
      partsIn(chain, lineage)
        .map(({ at, share }) => ({ weights: weights[i]!.digest, at, share: share * (isNothing ? 1 : gains[i]!) }))
    )
  );
}

/**
 * Records of its own that the lighter side of a merge must have: S, since fewer are given up and counted late. If its
 * cell is no part of the heavier's, not all of its members could follow that one: then one record and one more are enough.
 */
export function leastOwn([heavier, lighter]: readonly [string, string], { lateRounds }: SyncRules): number {
  return fits(heavier, lighter) ? lateRounds : Math.min(2, lateRounds);
}

/** Why this merge record is not one of these two sides, or null. */
export function whyInvalidMerge(record: RoundRecord, sides: Sides, rules: SyncRules): string | null {
  const [heavier, lighter] = sides;
  const { round, parents, bases, weights, counted, scribe, attempt, change } = record;
  if (parents[0] !== heavier.chain.head || parents[1] !== lighter.chain.head) return "its parents are not in order";
  const least = leastOwn([heavier.chain.cell, lighter.chain.cell], rules);
  if (lighter.own.length < least) {
    return `its lighter side has ${lighter.own.length} records of its own, a merge needs ${least}`;
  }
  const after = Math.max(heavier.chain.round, lighter.chain.round);
  if (round !== after + 1) return `its round is ${round} after round ${after}`;
  if (record.cell !== hullOf(heavier.chain.cell, lighter.chain.cell)) return `it is of cell '${record.cell}'`;
  if (record.met !== null) return "it merges and is a meeting";
  if (counted.length > 0) return `it merges and counts ${counted.length} offers`;
  if (change !== null) return "it merges and changes the members";
  const members = newerMembers(heavier.chain.members, lighter.chain.members);
  const notAllowed = whyNotAllowed(scribe, members, rules);
  if (notAllowed !== null) return notAllowed;
  if (weights.length !== 2 || bases.length !== 2) return "it does not name both states";
  for (const [i, { chain }] of sides.entries()) {
    // The record's own words must fit each other; whether they are true, whoever folded that side knows (law 3).
    if (stateDigest(chain, weights[i]!.digest) !== bases[i]) return `its base ${bases[i]} is not the state it names`;
  }
  if (attempt !== mergeRanking(sides).indexOf(scribe)) return `${scribe} is not number ${attempt} in rank`;
  return null;
}

const rankings = new WeakMap<ChainState, WeakMap<ChainState, readonly PeerId[]>>();

/**
 * Who may write it, in order: first the members of the heavier side, which goes on with its rounds meanwhile and would
 * outweigh a record that names an older head of its own; then the other members of the lighter one. Computed once for
 * each two objects.
 */
export function mergeRanking([{ chain: heavier }, { chain: lighter }]: readonly [
  { readonly chain: ChainState },
  { readonly chain: ChainState },
]): readonly PeerId[] {
  const known = rankings.get(heavier) ?? new WeakMap<ChainState, readonly PeerId[]>();
  rankings.set(heavier, known);
  let ranked = known.get(lighter);
  if (ranked === undefined) {
    const parents = [heavier.head, lighter.head];
    ranked = [...new Set([heavier, lighter].flatMap(({ roster }) => rankedBy(roster, { parents })))];
    known.set(lighter, ranked);
  }
  return ranked;
}

/** The record that merges these states. */
export function buildMergeRecord(
  states: readonly { readonly chain: ChainState; readonly weights: BlobName }[],
  { rules, scribe, attempt }: { readonly rules: SyncRules; readonly scribe: PeerId; readonly attempt: number },
): RoundRecord {
  return {
    kind: "record",
    run: rules.run,
    round: Math.max(...states.map(({ chain }) => chain.round)) + 1,
    parents: states.map(({ chain }) => chain.head),
    bases: states.map(({ chain, weights }) => stateDigest(chain, weights.digest)),
    weights: states.map(({ weights }) => weights),
    counted: [],
    scribe,
    attempt,
    change: null,
    cell: states.map(({ chain }) => chain.cell).reduce(hullOf),
    met: null,
  };
}

/** What a side counted on its own and is not in `without`, each offer once. */
export function gain(
  { own }: Pick<Side, "own">,
  without: ReadonlySet<Digest>,
): { readonly weight: number; readonly tokens: number; readonly ranges: readonly Range[] } {
  const seen = new Set(without), ranges: Range[] = [];
  let weight = 0, tokens = 0;
  for (const { record, offers, usual } of own) {
    const counted = record.counted.map((counted, i): CountedOffer => ({ counted, offer: offers[i]! }));
    const weights = weightsOf(counted, usual);
    for (const [i, { counted: { offer: digest }, offer }] of counted.entries()) {
      if (seen.has(digest)) continue;
      seen.add(digest);
      weight += weights[i]!;
      tokens += offer.tokens;
      ranges.push(...offer.ranges);
    }
  }
  return { weight, tokens, ranges };
}

function countedIn({ own }: Side): ReadonlySet<Digest> {
  return new Set(own.flatMap(({ record }) => record.counted.map(({ offer }) => offer)));
}

/** Law 2 across a merge: see `recent.ts`. */
function uniteRecent(
  sides: Sides,
  { record, digest, rules }: { readonly record: RoundRecord; readonly digest: Digest; readonly rules: SyncRules },
): readonly Recent[] {
  const { round, parents, bases } = record;
  const entry: Recent = { record: digest, round, parents, bases, counted: [], blobs: [] };
  const recent = within(rules.lateRounds, digest, [entry, ...sides.flatMap(({ chain }) => chain.recent)]);
  const near = new Set(recent.map(({ record }) => record));
  const counted = new Set<Digest>(), blobs = new Set<Digest>();
  for (const { record, offers } of sides.flatMap(({ own }) => own)) {
    for (const [i, { offer }] of record.counted.entries()) {
      const { parent, blob } = offers[i]!;
      if (!near.has(parent)) continue;
      counted.add(offer);
      if (blob !== null) blobs.add(blob.digest);
    }
  }
  return recent.map((other) =>
    other === entry ? { ...entry, counted: [...counted].sort(), blobs: [...blobs].sort() } : other
  );
}
