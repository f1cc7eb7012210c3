/**
 * A peer's protocol at work: one mailbox and the only loop. Takes an input, asks the pure core, performs its effects.
 *
 * The host decides nothing. It brings what happens (messages, connections, time, answers) to the core one at a time, and
 * does what the core says in order (`perform.ts`): what is journaled is on disk before anything after it is announced.
 * It uses transport, store, journal and learner, and leaves closing them to whoever opened them; the store and the
 * journal are its own for as long as it lives.
 * @module
 */
import type { Clock } from "./clock.ts";
import { runIdOf, serveGenesis } from "./genesis.ts";
import { inParts } from "./history_parts.ts";
import type { HostEnd, HostEvent } from "./host_event.ts";
import { type Identity, isPeerId, verifySignature } from "./identity.ts";
import { PeerJournal } from "./journal_entries.ts";
import type { Learner } from "./learner.ts";
import { Mailbox } from "./mailbox.ts";
import { relayBlobs, serveBlobs } from "./net/blob_server.ts";
import { keepConnected, type Mesh } from "./net/mesh.ts";
import type { Transport } from "./net/transport.ts";
import { IdentityInUseError, watchForTwins } from "./net/twins.ts";
import { MESSAGES_PROTOCOL, Performer } from "./perform.ts";
import { Rates } from "./rates.ts";
import type { BlobStore } from "./store/blob_store.ts";
import type { Journal } from "./store/journal.ts";
import { openStock, type Stock } from "./store/stock.ts";
import { StorageError } from "./store/storage_error.ts";
import { digitsOf } from "./sync/cells.ts";
import { createCore } from "./sync/core.ts";
import type { Core, Effect, Input, JournalEntry } from "./sync/effects.ts";
import type {
  BlobName,
  ChainState,
  Change,
  Digest,
  Offer,
  PeerId,
  RoundRecord,
  Signed,
  SyncRules,
} from "./sync/types.ts";
import { decodeMessage } from "./wire.ts";

/** Time between two refusals told of one sender, so that a flood of bytes is no flood of events. */
const REFUSAL_EVERY_MS = 1000;
/** Senders whose last refusal is remembered. */
const MOST_REFUSED = 128;
/** After this long in one go the loop lets sockets and timers have their turn. */
const LONGEST_TURN_MS = 10;

export interface HostOptions {
  readonly identity: Identity;
  readonly rules: SyncRules;
  /** `run.json` in canonical bytes; its digest is `rules.run`. Served to joiners. */
  readonly genesis: Uint8Array<ArrayBuffer>;
  /** Blobs of the run itself (tokenizer, shards), which may lie in the same store: they stay. */
  readonly runBlobs: readonly Digest[];
  /** Bytes that blobs may take, those of the run included; unless given, as many as the disk has. */
  readonly mostBlobBytes?: number;
  /** Whether this peer may begin the run if it has no state; else it waits for a peer that has one. */
  readonly found: boolean;
  /** Whom to dial: the addresses of the ticket. */
  readonly addresses: readonly string[];
  /** For people; offers carry the first 80 characters of each. */
  readonly name: string;
  readonly device: string;
  readonly transport: Transport;
  readonly store: BlobStore;
  readonly journal: Journal;
  readonly learner: Learner;
  readonly clock: Clock;
  /** Whether to pass blobs on between peers that cannot reach each other. Default: yes. */
  readonly relay?: boolean;
  readonly onEvent: (event: HostEvent) => void;
}

type OpenedOptions = Omit<HostOptions, "journal" | "store"> & {
  readonly journal: PeerJournal;
  readonly store: Stock;
};

/** The head that this peer has adopted; null until there is one. */
export interface HostStatus {
  readonly chain: ChainState | null;
  readonly weights: Digest | null;
}

export interface Host extends AsyncDisposable {
  readonly peer: PeerId;
  /** How this host's life ended. Never rejects. */
  readonly ended: Promise<HostEnd>;
  status(): HostStatus;
  /** The run's owner says who belongs to it; the change is told to all. Refused, and reported, if it is not the owner's. */
  change(change: Signed<Change>): void;
  /** One last offer, then the end. Bounded by the protocol; `close` cuts it short. */
  leave(): Promise<HostEnd>;
  /** Ends now, as a power cut would, but cleanly: nothing is left running. */
  close(): Promise<HostEnd>;
}

/**
 * Starts a peer of a run. Resolves when it is at work, not when it has a state.
 * @throws {Error} if journal, store or learner fail, or the genesis is that of another run.
 */
export async function startHost(options: HostOptions): Promise<Host> {
  const { learner, journal, found, genesis, rules, onEvent } = options;
  const run = await runIdOf(genesis);
  if (run !== rules.run) throw new Error(`Cannot start: the rules are for run ${rules.run}, the genesis gives ${run}`);
  const entriesOnDisk = new PeerJournal(journal);
  const { entries, damage } = await entriesOnDisk.read();
  if (damage !== null) onEvent({ kind: "journal damaged", reason: damage });
  expectRun(entries, rules.run);
  const store = await openStock(options.store, {
    mostBytes: options.mostBlobBytes ?? Infinity,
    runBlobs: options.runBlobs,
    onSpared: (spared) => onEvent({ kind: "blobs spared", ...spared }),
  });
  nameBlobs(store, entries);
  const initial = await initialWeights(learner, store, found && entries.length === 0);
  const isLost = entries.length === 0 && await holdsMore(store, [initial.digest, ...options.runBlobs]);
  if (isLost && found) throw lostError();
  // After damage it is not known what else was named, so nothing is dropped.
  if (damage === null && !isLost) await store.dropUnnamed([initial.digest]);
  return new PeerHost({ ...options, store, journal: entriesOnDisk }, {
    kind: "start",
    initial,
    found,
    journal: entries,
  });
}

/** @throws {StorageError} if the journal is that of another run: its weights would go on under a name not theirs. */
function expectRun(entries: readonly JournalEntry[], run: Digest): void {
  for (const entry of entries) {
    const { run: found } = bodyOf(entry);
    if (found === run) continue;
    throw new StorageError(
      `Cannot start: this peer's folder belongs to run ${
        found.slice(0, 8)
      }…, and the configuration is now that of run ` +
        `${run.slice(0, 8)}…. Put run.json back as it was, or give the changed run a folder of its own.`,
    );
  }
}

/** Whether blobs lie there that only a peer with a history can have. */
async function holdsMore(store: BlobStore, known: readonly Digest[]): Promise<boolean> {
  return (await store.list()).some((digest) => !known.includes(digest));
}

/** Law 6: whoever has lost its history does not begin the run anew, which would look like a run of its own. */
function lostError(): StorageError {
  return new StorageError(
    "Cannot start: this peer's journal is empty, but blobs of a history lie beside it: the history is lost here. " +
      "Give the address of a peer that has the run with --peer, or begin anew in another folder with --state.",
  );
}

function bodyOf(entry: JournalEntry): Offer | RoundRecord | Change {
  if (entry.kind === "offer" || entry.kind === "refuted") return entry.offer.body;
  return entry.kind === "change" ? entry.change.body : entry.record.body;
}

class PeerHost implements Host {
  readonly peer: PeerId;
  readonly ended: Promise<HostEnd>;
  readonly #options: OpenedOptions;
  readonly #core: Core;
  readonly #mailbox = new Mailbox();
  readonly #rates = new Rates();
  readonly #performer: Performer;
  readonly #mesh: Mesh;
  readonly #twins: Disposable;
  readonly #loop: Promise<void>;
  /** When a refusal of a sender's message was last told. */
  readonly #refusedAtMs = new Map<PeerId, number>();
  readonly #resolveEnded: (end: HostEnd) => void;
  #end: HostEnd | null = null;
  #chain: ChainState | null = null;
  #weights: Digest | null = null;
  #alarm: Disposable | null = null;

  constructor(options: OpenedOptions, start: Extract<Input, { kind: "start" }>) {
    const { identity, rules, name, device, transport, store, clock, addresses } = options;
    this.#options = options;
    this.peer = identity.peer;
    ({ promise: this.ended, resolve: this.#resolveEnded } = Promise.withResolvers<HostEnd>());
    this.#core = createCore({
      self: identity.peer,
      rules,
      name,
      device,
      sign: identity.sign,
      verify: (digest, signature, author) => verifySignature(author, digest, signature),
    });
    this.#performer = new Performer({
      ...options,
      self: this.peer,
      run: rules.run,
      initial: start.initial,
      answer: (input) => this.#mailbox.put(input),
      emit: options.onEvent,
      fail: (error) => this.#finish({ kind: "failed", error }),
    });
    this.#mailbox.put(start);
    const answerBlobs = serveBlobs(transport, store);
    if (options.relay !== false) {
      relayBlobs(transport, answerBlobs, {
        underWay: (digest) => this.#performer.underWay(digest),
        onRelayed: (sizeBytes) => options.onEvent({ kind: "relayed", sizeBytes }),
      });
    }
    serveGenesis(transport, options.genesis);
    this.#listen();
    this.#mesh = keepConnected(transport, {
      run: rules.run,
      addresses,
      clock,
      onUnreachable: (peer, address, reason) => this.#options.onEvent({ kind: "unreachable", peer, address, reason }),
    });
    this.#twins = watchForTwins(transport, {
      identity,
      run: rules.run,
      clock,
      dialled: addresses.map((address) => address.slice(address.lastIndexOf("/") + 1)).filter(isPeerId),
      onTwin: (error) => this.#finish({ kind: "failed", error }),
    });
    this.#loop = this.#run();
  }

  status(): HostStatus {
    return { chain: this.#chain, weights: this.#weights };
  }

  change(change: Signed<Change>): void {
    this.#mailbox.put({ kind: "change", change });
  }

  leave(): Promise<HostEnd> {
    this.#mesh[Symbol.asyncDispose](); // whoever leaves looks for nobody; `#finish` waits for it
    this.#mailbox.put({ kind: "leave" });
    return this.ended;
  }

  close(): Promise<HostEnd> {
    this.#finish({ kind: "closed" });
    return this.ended;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #listen(): void {
    const { transport } = this.#options;
    transport.onEvent((event) => {
      if (this.#end !== null) return;
      this.#options.onEvent(event);
      if (event.kind === "reachability" || event.kind === "relayed") return;
      this.#mailbox.put({ kind: event.kind, peer: event.peer });
      if (event.kind === "connected") this.#performer.arrived(event.peer);
    });
    for (const peer of transport.peers()) {
      this.#options.onEvent({ kind: "connected", peer, address: "", link: transport.link(peer) ?? { kind: "direct" } });
      this.#mailbox.put({ kind: "connected", peer });
    }
    transport.onAnnouncement((bytes, from) => this.#hear(bytes, from));
    transport.onRequest(MESSAGES_PROTOCOL, (from, bytes) => {
      this.#hear(bytes, from);
      return Promise.resolve(this.#end === null ? new Uint8Array() : null);
    });
  }

  #hear(bytes: Uint8Array, from: PeerId): void {
    if (this.#end !== null) return;
    const { clock, transport } = this.#options, isConnected = transport.link(from) !== null;
    if (!this.#rates.take(isConnected ? from : null, bytes.length, clock.now())) {
      if (isConnected) this.#refuse(from, "it sends too much"); // of the others nobody can be named: they share a bucket
      return;
    }
    const decoded = decodeMessage(bytes, this.#options.rules.run);
    if (!decoded.ok) return this.#refuse(from, `it ${decoded.reason}`);
    const message = decoded.value;
    // A beat has no signature of its own: it counts only from its peer, whom the transport has authenticated.
    if (message.kind === "beat" && message.peer !== from) return this.#refuse(from, "it is the beat of another peer");
    const isTaken = inParts(message).every((part) => this.#mailbox.put({ kind: "message", from, message: part }));
    if (!isTaken) this.#refuse(from, "too many messages wait");
  }

  #refuse(peer: PeerId, reason: string): void {
    const now = this.#options.clock.now();
    if (now - (this.#refusedAtMs.get(peer) ?? -Infinity) < REFUSAL_EVERY_MS) return;
    if (this.#refusedAtMs.size >= MOST_REFUSED) this.#refusedAtMs.clear();
    this.#refusedAtMs.set(peer, now);
    this.#options.onEvent({ kind: "message refused", peer, reason });
  }

  /** The loop: one input at a time, its effects in order, then the next. */
  async #run(): Promise<void> {
    const { clock } = this.#options;
    let turnSinceMs = clock.now();
    try {
      for (let input = await this.#mailbox.take(); input !== null; input = await this.#mailbox.take()) {
        const effects = this.#core.handle(clock.now(), input);
        for (const effect of effects) {
          if (effect.kind === "adopted") this.#adopt(effect);
        }
        await this.#performer.performAll(effects);
        const stop = effects.find((effect) => effect.kind === "stop");
        if (stop !== undefined) return this.#finish(endOf(stop));
        this.#setAlarm();
        if (clock.now() - turnSinceMs < LONGEST_TURN_MS) continue;
        await new Promise((resolve) => setTimeout(resolve, 0));
        turnSinceMs = clock.now();
      }
    } catch (error) {
      this.#finish({ kind: "failed", error });
    }
  }

  #adopt({ chain, weights }: Extract<Effect, { kind: "adopted" }>): void {
    if (chain.cell !== (this.#chain?.cell ?? "")) {
      this.#options.transport.hear(digitsOf(this.#options.rules, this.peer).slice(0, chain.cell.length));
      this.#mesh.enter(chain.cell);
    }
    [this.#chain, this.#weights] = [chain, weights];
  }

  #setAlarm(): void {
    this.#alarm?.[Symbol.dispose]();
    this.#alarm = null;
    const { deadline } = this.#core;
    if (deadline === null || this.#end !== null) return;
    this.#alarm = this.#options.clock.alarm(deadline, () => this.#mailbox.put({ kind: "tick" }));
  }

  /** Ends everything once, for the first reason given. */
  #finish(end: HostEnd): void {
    if (this.#end !== null) return;
    this.#end = end;
    this.#mailbox.close();
    this.#alarm?.[Symbol.dispose]();
    this.#twins[Symbol.dispose]();
    const quiet = [this.#mesh[Symbol.asyncDispose](), this.#performer.close(), this.#loop];
    Promise.all(quiet).then(() => this.#resolveEnded(end));
  }
}

function endOf({ reason, fault }: Extract<Effect, { kind: "stop" }>): HostEnd {
  if (fault === null) return { kind: "stopped", reason };
  const FaultError = fault === "key" ? IdentityInUseError : StorageError;
  return { kind: "failed", error: new FaultError(`Cannot go on: ${reason}.`) };
}

/** The name of the run's first weights; whoever begins the run also stores them, for those who join early. */
async function initialWeights(learner: Learner, store: BlobStore, isFirst: boolean): Promise<BlobName> {
  const digest = await learner.initial();
  const storedBytes = await store.sizeOf(digest);
  if (storedBytes !== null) return { digest, sizeBytes: storedBytes };
  const sizeBytes = await learner.save(digest, async (bytes) => {
    if (isFirst) await store.put(bytes);
    return bytes.length;
  });
  if (sizeBytes === null) {
    throw new Error(`Cannot start: the learner does not hold the initial weights ${digest} it named`);
  }
  return { digest, sizeBytes };
}

/** What the blobs of a peer's own journal are for. Its offers are this peer's own, and those that records count. */
function nameBlobs(store: Stock, entries: readonly JournalEntry[]): void {
  const rounds = entries.flatMap((entry) => entry.kind === "state" ? [entry.chain.round] : []);
  store.stand({ round: rounds.reduce((last, round) => Math.max(last, round), 0), weights: null });
  for (const entry of entries) {
    if (entry.kind === "state") store.name(entry.weights.digest, { kind: "weights", round: entry.chain.round });
    if (entry.kind !== "offer" || entry.offer.body.blob === null) continue;
    const { round, blob } = entry.offer.body;
    store.name(blob.digest, { kind: "contribution", round, need: "certain" });
  }
}
