/**
 * `starling inspect`: the chain of records that a peer knows, one record, or the ledger of its data.
 *
 * It only reads the journal, so it works beside a running peer.
 * @module
 */
import { join } from "node:path";
import { runIdOf } from "../p2p/genesis.ts";
import { decodeJournalEntry } from "../p2p/wire.ts";
import { readDiskJournal } from "../p2p/store/disk_journal.ts";
import { audit } from "../p2p/sync/audit.ts";
import { bodyDigest } from "../p2p/sync/digest.ts";
import { ceilingOf } from "../p2p/sync/batch/ceiling.ts";
import { isFinished } from "../p2p/sync/chain.ts";
import { isHeavier } from "../p2p/sync/fork.ts";
import type { JournalEntry } from "../p2p/sync/effects.ts";
import type { ChainState, Digest, Offer, PeerId, RoundRecord, SyncRules } from "../p2p/sync/types.ts";
import {
  type Communication,
  communicationAfter,
  communicationText,
  middleOf,
  NO_COMMUNICATION,
} from "../runtime/communication.ts";
import { genesisBytes, type RunConfig } from "../runtime/config.ts";
import { syncRules } from "../runtime/peer.ts";
import { defaultStatePath, openRunFolder } from "../runtime/run_folder.ts";
import { EXIT, UsageError } from "./exit.ts";
import { counted, grouped, nats, short, shortPeer, table } from "./format.ts";
import { ledgerJson, ledgerLines } from "./ledger.ts";
import { json, line } from "./print.ts";

export interface InspectOptions {
  readonly folder: string;
  /** "chain", "ledger", or the beginning of a record's digest. */
  readonly what: string;
  readonly state?: string;
  readonly json?: boolean;
}

/** What a journal says, by digest. */
interface Known {
  readonly records: ReadonlyMap<Digest, RoundRecord>;
  readonly offers: ReadonlyMap<Digest, Offer>;
  readonly states: ReadonlyMap<Digest, ChainState>;
  /** The heaviest state that this peer has folded. */
  readonly chain: ChainState;
}

/** Prints what was asked for; returns the exit code. */
export async function inspect({ folder, what, state, json: asJson = false }: InspectOptions): Promise<number> {
  const { config } = await openRunFolder(folder); // a folder without a run gets its own message
  const path = state ?? defaultStatePath(folder);
  const entries = await readEntries(path);
  if (what === "ledger") return showLedger(path, entries, { config, asJson });
  const known = knownFrom(path, entries);
  if (what === "chain") {
    showChain(known, { rules: syncRules(config, await runIdOf(genesisBytes(config))), asJson });
  } else showRecord(known, what, asJson);
  return EXIT.done;
}

async function readEntries(path: string): Promise<readonly JournalEntry[]> {
  const entries = await readDiskJournal(join(path, "journal"));
  if (entries === null) throw new UsageError(`Cannot inspect ${path}: no peer has run there. Name one with --state`);
  // Those of another version are left out: the peer itself says so when it starts.
  return entries.map(decodeJournalEntry).flatMap((decoded) => decoded.ok ? [decoded.value] : []);
}

function knownFrom(path: string, entries: readonly JournalEntry[]): Known {
  const records = new Map<Digest, RoundRecord>(), offers = new Map<Digest, Offer>();
  const states = new Map<Digest, ChainState>();
  for (const entry of entries) {
    if (entry.kind === "offer") offers.set(bodyDigest(entry.offer.body), entry.offer.body);
    else if (entry.kind === "record" || entry.kind === "state") {
      records.set(bodyDigest(entry.record.body), entry.record.body);
    }
    if (entry.kind === "state") states.set(entry.chain.head, entry.chain);
  }
  const chain = [...states.values()].sort((a, b) => isHeavier(a, b) ? -1 : 1)[0];
  if (chain === undefined) throw new UsageError(noState(path));
  return { records, offers, states, chain };
}

/** The head and all that leads to it, along every parent, the latest round first, as far as the journal goes. */
function history({ records, chain }: Known): readonly (readonly [Digest, RoundRecord])[] {
  const found = new Map<Digest, RoundRecord>(), wanted = new Set([chain.head]);
  for (const digest of wanted) {
    const record = records.get(digest);
    if (record === undefined) continue;
    found.set(digest, record);
    record.parents.forEach((parent) => wanted.add(parent));
  }
  return [...found].sort(([a, one], [b, other]) => other.round - one.round || (a < b ? -1 : 1));
}

function showChain(known: Known, { rules, asJson }: { readonly rules: SyncRules; readonly asJson: boolean }): void {
  const links = history(known);
  if (asJson) return links.forEach(([digest, record]) => json({ digest, ...record }));
  const isSplit = links.some(([, { cell }]) => cell !== "");
  const lineagesAfter = (digest: Digest) => known.states.get(digest)?.lineages.length ?? 1;
  const hasLineages = links.some(([digest]) => lineagesAfter(digest) > 1);
  const rows = links.map(([digest, { round, parents, cell, met, counted: offers, scribe, attempt }]) => [
    String(round),
    ...(isSplit ? [cell === "" ? "all" : cell] : []),
    short(digest),
    parents.map(short).join(" + ") + (met === null ? "" : ` meets ${short(met.record)} of cell ${met.cell}`),
    String(offers.length),
    counted(tokensOf(known, offers)),
    offers.some(({ age }) => age > 0) ? String(offers.filter(({ age }) => age > 0).length) : "",
    ...(hasLineages ? [String(lineagesAfter(digest))] : []),
    nameOf(known, scribe) + (attempt > 0 ? ` (rank ${attempt})` : ""),
  ]);
  line(`${links.length} records from the head back; weight ${grouped(known.chain.weight)}`);
  const estimate = communicationText(communicationIn(known, rules), isFinished(known.chain, rules));
  if (estimate !== null) line(estimate);
  const headings = [
    " round",
    ...(isSplit ? ["cell"] : []),
    "record",
    "after",
    " offers",
    " tokens",
    " late",
    ...(hasLineages ? [" lineages"] : []),
    "scribe",
  ];
  for (const text of table(headings, rows)) line(text);
}

/** Of the whole history, as far as the journal goes. */
function communicationIn(known: Known, rules: SyncRules): Communication {
  return history(known).toReversed().reduce((before, [digest, { round, counted }]) => {
    const chain = known.states.get(digest), offers = counted.flatMap(({ offer }) => known.offers.get(offer) ?? []);
    const worked = offers.filter(({ tokens }) => tokens > 0);
    if (chain === undefined || worked.length === 0) return before;
    const gained = worked.reduce((sum, { tokens }) => sum + tokens, 0);
    const { tokens, lineages } = chain, steps = middleOf(worked.map(({ steps }) => steps));
    const batch = lineages.reduce((sum, { batch: { request } }) => sum + request, 0);
    const ceiling = lineages.length * ceilingOf(tokens, rules) / batch;
    return communicationAfter(before, { round, tokens, gained, steps, ceiling }, rules.targetTokens);
  }, NO_COMMUNICATION);
}

function showRecord(known: Known, prefix: string, asJson: boolean): void {
  const found = [...known.records].filter(([digest]) => digest.startsWith(prefix.replace(/…$/, "")));
  const [first, ...others] = found;
  if (first === undefined || others.length > 0) {
    throw new UsageError(
      first === undefined
        ? `Cannot find a record '${prefix}': say chain, ledger, or the digest of a record that 'inspect <folder>' lists`
        : `Cannot choose among ${found.length} records that begin with '${prefix}': give more digits`,
    );
  }
  const [digest, record] = first;
  const offers = record.counted.map(({ offer, age }) => ({
    digest: offer,
    age,
    offer: known.offers.get(offer) ?? null,
  }));
  if (asJson) return json({ digest, ...record, offers });
  line(`record ${digest}`);
  line(`round ${record.round}, written by ${nameOf(known, record.scribe)}, rank ${record.attempt}`);
  if (record.cell !== "" && record.met === null) line(`of cell ${record.cell}`);
  if (record.met !== null) {
    line(
      `cell ${record.cell} meets cell ${record.met.cell}: it averages its weights with those after record ${
        short(record.met.record)
      }, and counts nothing`,
    );
  }
  if (record.parents.length > 1) line("it makes one history of two, and counts nothing itself");
  line(`${record.parents.length > 1 ? "parents" : "parent"} ${record.parents.join(", ") || "none"}`);
  line(`state before it ${record.bases.join(", ") || "none"}`);
  const hasLineages = offers.some(({ offer }) => (offer?.lineage ?? 0) > 0);
  const rows = offers.map(({ digest, age, offer }) => [
    offer?.name ?? "?",
    short(digest),
    offer === null ? "not in this journal" : grouped(offer.tokens),
    offer === null ? "" : nats(offer.loss),
    offer === null ? "" : String(offer.steps),
    age === 0 ? "" : `${age} late`,
    ...(hasLineages ? [offer === null ? "" : String(offer.lineage)] : []),
  ]);
  const headings = ["peer", "offer", " tokens", " loss", " steps", "age", ...(hasLineages ? ["lineage"] : [])];
  for (const text of table(headings, rows)) line(text);
}

async function showLedger(path: string, entries: readonly JournalEntry[], { config, asJson }: {
  readonly config: RunConfig;
  readonly asJson: boolean;
}): Promise<number> {
  const found = audit(entries, syncRules(config, await runIdOf(genesisBytes(config))));
  if (found === null) throw new UsageError(noState(path));
  if (asJson) json(ledgerJson(found));
  else ledgerLines(found).forEach((text) => line(text));
  return found.problems.length === 0 ? EXIT.done : EXIT.input;
}

function noState(path: string): string {
  return `Cannot inspect ${path}: this peer has no state yet. Start it, and look again after its first round`;
}

/** A peer's name for people, with the end of its id because names may repeat. */
function nameOf({ chain }: Known, peer: PeerId): string {
  const member = chain.roster.find((other) => other.peer === peer);
  return member === undefined ? shortPeer(peer) : `${member.name} ${shortPeer(peer)}`;
}

function tokensOf({ offers }: Known, counted: RoundRecord["counted"]): number {
  return counted.reduce((sum, { offer }) => sum + (offers.get(offer)?.tokens ?? 0), 0);
}
