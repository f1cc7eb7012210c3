/**
 * Valid things to begin with: one of every message and journal entry, and a run that they belong to.
 * @module
 */
import { sha256 } from "@noble/hashes/sha2.js";
import type { JournalEntry } from "../../p2p/sync/effects.ts";
import { genesisState } from "../../p2p/sync/chain.ts";
import { bodyDigest, digestOf } from "../../p2p/sync/digest.ts";
import { signChange } from "../../p2p/sync/members.ts";
import { buildOffer, NO_WORK } from "../../p2p/sync/offer.ts";
import type {
  ChainState,
  Change,
  Digest,
  Message,
  Offer,
  RoundRecord,
  Signed,
  SyncRules,
} from "../../p2p/sync/types.ts";
import { identity } from "../conformance/transport.ts";
import { tinyRules } from "../tiny_rules.ts";

export const GENESIS = new TextEncoder().encode(`{"name":"fuzzed"}`);
/** The identity whose peer sends what is sent wrong. */
export const LIAR = identity(7);
export const OWNER = identity(0);

export const RULES = tinyRules({
  run: sha256(GENESIS).toHex() as Digest,
  firstRoundMs: 2000,
  leastRoundMs: 1000,
  longestRoundMs: 10_000,
  batch: 8,
  contextLength: 16,
});
/** The same run, with a list of members. */
export const LISTED: SyncRules = { ...RULES, owner: OWNER.peer };

export function sign<T extends Offer | RoundRecord | Change>(body: T, who = LIAR): Signed<T> {
  return { kind: "signed", body, signature: who.sign(bodyDigest(body)) };
}

export const change = signChange({ run: RULES.run, number: 3, allowed: [LIAR.peer, identity(1).peer] }, OWNER.sign);

const base = digestOf("base"), blob = { digest: digestOf("blob"), sizeBytes: 36 };

/** A state with something in every field. */
export const chain: ChainState = {
  ...genesisState(RULES),
  round: 3,
  head: digestOf("head"),
  weight: 4096,
  tokens: 4096,
  usual: 512,
  members: change,
  roster: [{ peer: LIAR.peer, since: 0, lastCounted: 3, speed: 1234.5, nextMs: 1000, name: "wren" }],
  ledger: {
    cursor: 128,
    leases: [{ peer: LIAR.peer, ranges: [{ start: 64, end: 128 }] }],
    returned: [{ start: 3, end: 5 }],
    duplicated: 0,
  },
  evaluator: LIAR.peer,
  recent: [{
    record: digestOf("head"),
    round: 3,
    parents: [digestOf("parent")],
    bases: [base],
    counted: [digestOf("offer")],
    blobs: [blob.digest],
  }],
};

export const offer: Offer = {
  ...buildOffer({ chain, base }, { ...NO_WORK, blob, steps: 1, tokens: 32, ranges: [{ start: 64, end: 66 }] }, {
    rules: RULES,
    self: LIAR.peer,
    name: "wren",
    device: "cpu",
    waitMs: 1,
    transferMs: 2,
    nextMs: 1000,
    heldOut: 2.5,
    leaving: false,
  }),
  noise: {
    tests: 1,
    variance: 1000,
    signal: 10,
    along: 25.6,
    sketch: { codes: new Uint8Array(256).fill(0x81), exponent: -7, sequences: 2 },
  },
};

export const record: RoundRecord = {
  kind: "record",
  run: RULES.run,
  round: 4,
  parents: [chain.head],
  bases: [base],
  weights: [],
  counted: [{ offer: bodyDigest(offer), peer: LIAR.peer, age: 0 }],
  scribe: LIAR.peer,
  attempt: 0,
  change: null,
  cell: "",
  met: null,
};

export const mergeRecord: RoundRecord = {
  ...record,
  parents: [chain.head, digestOf("other")],
  bases: [base, digestOf("other base")],
  weights: [blob, { ...blob, digest: digestOf("weights") }],
  counted: [],
  change,
};

/** A record that names a state of another cell. */
export const meeting: RoundRecord = {
  ...record,
  counted: [],
  cell: "01",
  met: { cell: "11", record: digestOf("there"), known: [{ start: 0, end: 64 }], rest: digestOf("rest"), weights: blob },
};

const signedOffer = sign(offer), signedRecord = sign(record), run = RULES.run;
const state = { record: signedRecord, chain, weights: blob };

export const messages: readonly Message[] = [
  signedOffer,
  signedRecord,
  sign(mergeRecord),
  sign(meeting),
  change,
  { kind: "beat", run, peer: LIAR.peer, head: chain.head, base, round: 3, weight: 4096, change: 2, cell: "01" },
  { kind: "pull", run, have: [chain.head, base], want: [base] },
  { kind: "history", run, records: [signedRecord, signedRecord], offers: [signedOffer, signedOffer] },
  { kind: "ask-state", run },
  { kind: "state-at", run, ...state },
];

export const entries: readonly JournalEntry[] = [
  { kind: "record", record: signedRecord },
  { kind: "offer", offer: signedOffer },
  { kind: "refuted", offer: signedOffer, reason: "its contribution cannot be decoded" },
  { kind: "change", change },
  { kind: "state", ...state },
];
