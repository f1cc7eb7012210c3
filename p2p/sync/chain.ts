/**
 * The chain state as a pure function of the chain: how one record, with the offers it counts, changes roster, ledger,
 * round length and weight. It knows no weights of a model, and it checks nothing: see `record.ts`.
 *
 * Every peer runs this and must get the same bits (law 3): integers, + − × ÷ and sorted orders only.
 * @module
 */
import { leaseWindows } from "./balance.ts";
import { firstBatch, nextBatch } from "./batch/request.ts";
import { firstEncoding, nextEncoding } from "./codec_rule.ts";
import { edgeOf, partOf, withoutDead, yielded } from "./cells.ts";
import { digestOf } from "./digest.ts";
import { hear } from "./hearsay.ts";
import { dealLeases, EMPTY_LEDGER, enterTrained, learnTrained, trainedIn } from "./ledger.ts";
import { membersAfter } from "./members.ts";
import { windowCount } from "./ranges.ts";
import { within } from "./recent.ts";
import { type CountedOffer, nextRoster } from "./roster.ts";
import { nextRoundMs } from "./round_length.ts";
import { nextUsual, weightsOf } from "./tokens.ts";
import type {
  ChainState,
  Digest,
  Ledger,
  Member,
  Met,
  Offer,
  PeerId,
  RoundRecord,
  Signed,
  SyncRules,
} from "./types.ts";

/** The record that every peer of a run knows; nobody signs it. */
export function genesisRecord(rules: SyncRules): Signed<RoundRecord> {
  const body: RoundRecord = {
    kind: "record",
    run: rules.run,
    round: 0,
    parents: [],
    bases: [],
    weights: [],
    counted: [],
    scribe: "" as PeerId,
    attempt: 0,
    change: null,
    cell: "",
    met: null,
  };
  return { kind: "signed", body, signature: new Uint8Array(0) };
}

export function genesisState(rules: SyncRules): ChainState {
  return {
    round: 0,
    head: digestOf(genesisRecord(rules).body),
    cell: "",
    met: [],
    weight: 0,
    tokens: 0,
    usual: 0,
    members: null,
    roster: [],
    ledger: EMPTY_LEDGER,
    roundMs: rules.firstRoundMs,
    batch: firstBatch(rules),
    encoding: firstEncoding(rules),
    evaluator: null,
    recent: [],
  };
}

export interface AdvanceOptions {
  readonly record: RoundRecord;
  readonly digest: Digest;
  /** The offers that the record counts, in its order. */
  readonly offers: readonly Offer[];
  readonly rules: SyncRules;
}

/** The state after a valid record of one parent. */
export function advance(parent: ChainState, options: AdvanceOptions): ChainState {
  const { record, rules } = options;
  const state = record.met === null ? count(parent, options) : meet(parent, { ...options, met: record.met });
  return withoutDead(state, rules);
}

function count(parent: ChainState, { record, digest, offers, rules }: AdvanceOptions): ChainState {
  const counted = record.counted.map((counted, i): CountedOffer => ({ counted, offer: offers[i]! }));
  const fresh = counted.filter(({ counted }) => counted.age === 0).map(({ offer }) => offer);
  const members = membersAfter(parent, record.change);
  const roster = nextRoster(parent.roster, record.round, counted, { rules, list: members });
  const roundMs = nextRoundMs(parent.roundMs, fresh, rules);
  const tokens = parent.tokens + offers.reduce((sum, { tokens }) => sum + tokens, 0);
  const batch = nextBatch(parent.batch, { fresh, tokens, rules });
  const trained = enterTrained(parent.ledger, offers.map(({ ranges }) => ranges), parent.cell);
  return {
    round: record.round,
    head: digest,
    cell: parent.cell,
    met: parent.met,
    weight: parent.weight + weightsOf(counted, parent.usual).reduce((sum, weight) => sum + weight, 0),
    tokens,
    usual: nextUsual(parent.usual, counted),
    members,
    roster,
    ledger: settleLeases(trained, roster, { roundMs, batch, rules, cell: parent.cell }),
    roundMs,
    batch,
    encoding: nextEncoding(parent.encoding, { round: record.round, tokens, offers, rules }),
    evaluator: roster[record.round % Math.max(1, roster.length)]?.peer ?? null,
    recent: within(rules.lateRounds, digest, [
      {
        record: digest,
        round: record.round,
        parents: record.parents,
        bases: record.bases,
        counted: record.counted.map(({ offer }) => offer),
        blobs: offers.flatMap(({ blob }) => blob === null ? [] : [blob.digest]).sort(),
      },
      ...parent.recent,
    ]),
  };
}

/**
 * The state after a meeting. What the other cell knows to be trained is known here too; members, leases and weight stay,
 * and nobody grows more silent by it. Of what it has in common with that cell it owns nothing any more.
 */
function meet(parent: ChainState, { record, met, digest, rules }: AdvanceOptions & { readonly met: Met }): ChainState {
  const { cell, roster } = parent, { round, parents, bases } = record, edge = edgeOf(cell, met.cell);
  const ledger = learnTrained(parent.ledger, hear(parent, { met, round, rules }).believed);
  const learned = windowCount(trainedIn(ledger)) - windowCount(trainedIn(parent.ledger));
  const entry = { record: digest, round, parents, bases, counted: [], blobs: [] };
  const after: ChainState = {
    ...parent,
    round,
    head: digest,
    met: parent.met.map((before, i) => i === edge ? round : before),
    tokens: parent.tokens + learned * rules.contextLength,
    roster: roster.map((member) => ({ ...member, lastCounted: member.lastCounted + 1 })),
    ledger,
    evaluator: roster[round % Math.max(1, roster.length)]?.peer ?? null,
    recent: within(rules.lateRounds, digest, [entry, ...parent.recent]),
  };
  return partOf(after, edge === null ? yielded(parent, met.cell, rules) ?? cell : cell, rules);
}

/** Whether the run has reached its target: then no record follows. */
export function isFinished(chain: ChainState, rules: SyncRules): boolean {
  return rules.targetTokens !== null && chain.tokens >= rules.targetTokens;
}

/** Takes back what those hold who are no members, and gives every member what it needs for its next boxes. */
export function settleLeases(
  ledger: Ledger,
  roster: readonly Member[],
  { rules, cell, ...next }: Pick<ChainState, "roundMs" | "batch" | "cell"> & { readonly rules: SyncRules },
): Ledger {
  const context = { roster, roundMs: next.roundMs, batch: next.batch.request, rules };
  return dealLeases(
    ledger,
    roster.map((member) => ({ peer: member.peer, windows: leaseWindows(member, context) })),
    cell,
  );
}
