/**
 * A peer: learner and host together, with what both say as one stream of events.
 *
 * It opens neither disk nor sockets: transport, stores and journal are given, so a peer runs wherever they do. Who gave
 * them closes them, after the peer.
 * @module
 */
import type { Clock } from "../p2p/clock.ts";
import { runIdOf } from "../p2p/genesis.ts";
import { type Host, startHost } from "../p2p/host.ts";
import type { HostEnd, HostEvent } from "../p2p/host_event.ts";
import type { Identity } from "../p2p/identity.ts";
import type { Transport } from "../p2p/net/transport.ts";
import type { BlobStore } from "../p2p/store/blob_store.ts";
import type { Journal } from "../p2p/store/journal.ts";
import { ceilingOf } from "../p2p/sync/batch/ceiling.ts";
import type { Change, Digest, PeerId, Signed, SyncRules } from "../p2p/sync/types.ts";
import { systemClock } from "../p2p/clock.ts";
import { formatTicket } from "../p2p/ticket.ts";
import { blobsOf, genesisBytes, type RunConfig } from "./config.ts";
import type { PeerEvent } from "./event.ts";
import type { ByteReader } from "./folder.ts";
import { planHost } from "./host_memory.ts";
import { type LocalLearner, openLearner } from "./learner.ts";
import type { Pieces } from "./state/sealed.ts";
import type { TunedProducts } from "./tuning/tuned_products.ts";
import type { DeviceSpeeds } from "./worker/messages.ts";
import { peerEvents } from "./peer_events.ts";
import type { DeviceChoice } from "./device/open.ts";
import type { BlobPlace } from "./worker/messages.ts";
import type { PrecisionChoice } from "./worker/precision.ts";

/** All that a peer is made of; only what has no default must be given. */
export interface PeerOptions {
  readonly config: RunConfig;
  /** For people; offers carry its first 80 characters. */
  readonly name: string;
  readonly identity: Identity;
  readonly transport: Transport;
  /** This peer's own blobs, and the run's. */
  readonly blobs: BlobStore;
  readonly journal: Journal;
  /** Bytes that `blobs` may take; unless given, as many as there is room for. */
  readonly mostBlobBytes?: number;
  /** The blobs that the run's tokenizer and data name, for the learner's thread. */
  readonly runBlobs?: Readonly<Record<string, BlobPlace>>;
  /** Of a private run: goes into the ticket. */
  readonly networkKey: Uint8Array<ArrayBuffer> | null;
  /** Peers to dial; they are dialled again whenever they are lost. */
  readonly addresses?: readonly string[];
  /** Whether this peer may begin the run if it has no state of it. Default: if it has nobody to dial. */
  readonly found?: boolean;
  readonly device?: DeviceChoice;
  /** How activations lie in the device's memory. Default `auto`. */
  readonly precision?: PrecisionChoice;
  /** Threads of the cpu device. */
  readonly threads?: number;
  /** Share of the time to compute in, 1 to 100. */
  readonly throttle?: number;
  /** Whether to pass blobs on between peers that cannot reach each other. Default: yes. */
  readonly relay?: boolean;
  /** What `onSpeeds` of an earlier session was given last. */
  readonly speeds?: DeviceSpeeds;
  /** What `onTuned` of an earlier session, of any peer on this machine, was given last. */
  readonly tuned?: TunedProducts;
  /** What `checkpoint` of an earlier session gave, whole. It is moved to the thread that uses it: the caller loses it. */
  readonly checkpoint?: Uint8Array<ArrayBuffer>;
  /** What `average` of an earlier session gave. */
  readonly average?: ByteReader;
  readonly clock?: Clock;
  readonly onEvent?: (event: PeerEvent) => void;
  /** Told how fast the device is, for this peer's own restart. */
  readonly onSpeeds?: (speeds: DeviceSpeeds) => void;
  /** Told what was measured of the machine's GPU, for the next peer on it. */
  readonly onTuned?: (products: TunedProducts) => void;
}

/** A peer at work. Disposing ends it at once; `leave` lets its last work be counted. */
export interface Peer extends AsyncDisposable {
  readonly id: PeerId;
  /** The text that lets others join, as of now; null if there is no way to this peer yet. */
  readonly ticket: string | null;
  /** How its life ended: it left, the run is finished, or its own disk or device failed. Never rejects. */
  readonly ended: Promise<HostEnd>;
  /** Changes the share of the time to compute in; acts at once. */
  throttle(percent: number): void;
  pause(): void;
  resume(): void;
  /**
   * Lends the inner optimizer's state piece by piece, for this peer's own restart: training stands still until `use` is
   * done. Gives what `use` gives; null before anything was trained.
   */
  checkpoint<T>(use: (pieces: Pieces) => Promise<T>): Promise<T | null>;
  /** Lends the average of the run's weights that this peer keeps, for `--ewa` and a restart; null before there is one. */
  average<T>(use: (pieces: Pieces) => Promise<T>): Promise<T | null>;
  /** The owner of a run with a list of members changes it; see `signChange` (`p2p/sync/members.ts`). */
  change(change: Signed<Change>): void;
  /** One last offer, then the end; `signal` cuts it short. */
  leave(options?: { readonly signal?: AbortSignal }): Promise<HostEnd>;
}

/** Rounds after which a silent peer leaves the roster; more than an offer may be late. */
const ROSTER_ROUNDS_BEYOND_LATE = 2;

/**
 * Starts a peer of a run. Resolves when it is at work; it trains as soon as it has a state.
 * @throws {Error} if the device, the data or the journal cannot be opened; then nothing is left running.
 */
export async function startPeer(options: PeerOptions): Promise<Peer> {
  const { config, name, identity, transport, blobs, journal, addresses = [], clock = systemClock } = options;
  const genesis = genesisBytes(config), run = await runIdOf(genesis);
  const contact = () => {
    const dialable = transport.addresses(), { networkKey } = options;
    const ways = ticketAddresses(dialable, transport.relayedAddresses());
    const ticket = ways.length === 0 ? null : formatTicket({ run, name: config.name, addresses: ways, networkKey });
    return { addresses: dialable, ticket };
  };
  const rules = syncRules(config, run);
  const hostMemory = planHost(config, options.threads ?? navigator.hardwareConcurrency);
  const events = peerEvents({
    self: identity.peer,
    config,
    hostMemory,
    contact,
    onEvent: options.onEvent ?? (() => {}),
  });
  const tooLarge = whyBatchTooLarge(rules);
  if (tooLarge !== null) options.onEvent?.({ kind: "warning", message: tooLarge });
  const learner = await openLearner({
    config,
    device: options.device ?? "auto",
    precision: options.precision ?? "auto",
    blobs: options.runBlobs ?? {},
    percent: options.throttle ?? 100,
    onEvent(event) {
      if (event.kind === "speeds") options.onSpeeds?.(event.speeds);
      else if (event.kind === "tuned") options.onTuned?.(event.products);
      else events.fromLearner(event);
    },
    ...(options.speeds === undefined ? {} : { speeds: options.speeds }),
    ...(options.tuned === undefined ? {} : { tuned: options.tuned }),
    ...(options.threads === undefined ? {} : { threads: options.threads }),
    ...(options.checkpoint === undefined ? {} : { checkpoint: options.checkpoint }),
    ...(options.average === undefined ? {} : { average: options.average }),
  });
  try {
    const host = await startHost({
      identity,
      rules,
      genesis,
      found: options.found ?? addresses.length === 0,
      addresses,
      name,
      device: learner.device,
      transport,
      store: blobs,
      runBlobs: blobsOf(config).map(({ blob }) => blob as Digest), // checked with the configuration
      ...(options.mostBlobBytes === undefined ? {} : { mostBlobBytes: options.mostBlobBytes }),
      journal,
      learner,
      clock,
      relay: options.relay ?? true,
      onEvent: (event: HostEvent) => events.fromHost(event),
    });
    return peerOf(host, learner, () => contact().ticket);
  } catch (error) {
    await learner.close();
    throw error;
  }
}

/** The rules that the protocol takes from a run. */
export function syncRules(
  { model, training, outer, rounds, cells, batching, owner }: RunConfig,
  run: SyncRules["run"],
): SyncRules {
  return {
    run,
    lateRounds: outer.lateRounds,
    ageDiscount: outer.ageDiscount,
    rosterRounds: outer.lateRounds + ROSTER_ROUNDS_BEYOND_LATE,
    firstRoundMs: rounds.firstMs,
    leastRoundMs: rounds.leastMs,
    longestRoundMs: rounds.longestMs,
    batch: training.batch,
    batching: batchingRules(batching),
    contextLength: model.contextLength,
    codec: outer.codec,
    targetTokens: training.targetTokens,
    owner: owner ?? null,
    cellSize: cells.size,
    cellRounds: cells.rounds,
  };
}

/** How a batch is executed is each peer's own affair, so the protocol does not know it. */
function batchingRules({ ceiling: ceilingTokens, ...rest }: RunConfig["batching"]): SyncRules["batching"] {
  if (rest.policy !== "adloco") return { ...rest, ceilingTokens };
  const { switch: _, ...adloco } = rest;
  return { ...adloco, ceilingTokens };
}

/** A warning for people, or null; of an open-ended run nobody knows the ceiling yet. */
export function whyBatchTooLarge(rules: SyncRules): string | null {
  const { batch, contextLength, targetTokens, batching } = rules, ceiling = ceilingOf(0, rules);
  if (batch <= ceiling || (targetTokens === null && batching.ceilingTokens === null)) return null;
  return `The run's batch is ${batch} sequences of ${contextLength} tokens, and more than ${ceiling} bring little ` +
    "in a run of its length (the critical batch, docs/methods/ceiling.md). A smaller training.batch makes more of the data.";
}

const MOST_TICKET_ADDRESSES = 8, MOST_RELAYED_ADDRESSES = 2;

/** The best first: who cannot be dialled directly may still be in the same house, and is else reached through others. */
function ticketAddresses([nearest, ...others]: readonly string[], relayed: readonly string[]): readonly string[] {
  const all = [...nearest === undefined ? [] : [nearest], ...relayed.slice(0, MOST_RELAYED_ADDRESSES), ...others];
  return all.slice(0, MOST_TICKET_ADDRESSES);
}

function peerOf(host: Host, learner: LocalLearner, ticket: () => string | null): Peer {
  const end = async (ending: Promise<HostEnd>): Promise<HostEnd> => {
    const reason = await ending;
    await learner.close();
    return reason;
  };
  return {
    id: host.peer,
    get ticket() {
      return ticket();
    },
    ended: host.ended,
    throttle: (percent) => learner.throttle(percent),
    pause: () => learner.pause(),
    resume: () => learner.resume(),
    checkpoint: (use) => learner.checkpoint(use),
    average: (use) => learner.average(use),
    change: (change) => host.change(change),
    leave({ signal } = {}) {
      signal?.addEventListener("abort", () => void host.close(), { once: true });
      return host.leave();
    },
    [Symbol.asyncDispose]: async () => void await end(host.close()),
  };
}
