/**
 * Real hosts with real training in one process, on virtual time: a run whose course depends on its configuration, its
 * peers' speeds and its seed alone.
 *
 * Network, stores and folds take no time, unless lines are asked for: then contributions take the time that lines take.
 * @module
 */
import { type Host, startHost } from "../../p2p/host.ts";
import type { HostEnd, HostEvent } from "../../p2p/host_event.ts";
import { identityFromSeed } from "../../p2p/identity.ts";
import { runIdOf } from "../../p2p/genesis.ts";
import type { Learner, TrainOrder } from "../../p2p/learner.ts";
import { MemoryNetwork } from "../../p2p/net/memory.ts";
import type { Transport } from "../../p2p/net/transport.ts";
import { MemoryJournal } from "../../p2p/store/journal.ts";
import { MemoryBlobStore } from "../../p2p/store/memory.ts";
import type { PeerId } from "../../p2p/sync/types.ts";
import { genesisBytes, type RunConfig } from "../../runtime/config.ts";
import { openRunText } from "../../runtime/data/run_text.ts";
import { bytesTokenizer } from "../../runtime/data/tokenizer.ts";
import { syncRules } from "../../runtime/peer.ts";
import { MemoryLine, throughLines } from "../net/memory_lines.ts";
import { openDrivenLearner, type Speed } from "./driven_learner.ts";
import { digestsInOrder, QuietClock } from "./quiet_clock.ts";
import { replaced } from "./replaced.ts";

/** A peer's line, both ways. */
export interface LineOptions {
  readonly bitsPerSecond: number;
  readonly delayMs: number;
}

/** What one peer is made of, before its host. */
export interface Parts {
  readonly learner: Learner;
  readonly transport: Transport;
}

export interface DrivenFlockOptions {
  /** Of a run on bytes or on a Markov source. */
  readonly config: RunConfig;
  /** The first one founds the run. */
  readonly speeds: readonly Speed[];
  /** Every peer's line; null: nothing takes time on its way. */
  readonly line?: LineOptions | null;
  /** What a peer trains instead of what it is told to. */
  readonly alter?: (order: TrainOrder) => TrainOrder;
  /** What a peer is made of instead. */
  readonly dress?: (parts: Parts, n: number) => Parts;
  readonly onEvent?: (event: HostEvent, n: number) => void;
}

/** One peer at work. */
export interface Seat {
  readonly host: Host;
  readonly learner: Learner;
  readonly events: readonly HostEvent[];
}

export interface DrivenFlock extends AsyncDisposable {
  readonly seats: readonly Seat[];
  readonly clock: QuietClock;
  /**
   * Lets time pass until something has come true.
   * @throws {Error} if it has not after so many milliseconds of virtual time, or a host failed.
   */
  runUntil(what: string, isTrue: () => boolean, mostMs: number): Promise<void>;
}

/** Starts all peers; disposing closes them. One flock at a time: it has the digests of its process computed in order. */
export async function openDrivenFlock(options: DrivenFlockOptions): Promise<DrivenFlock> {
  const { config, speeds, line = null, alter, dress = (parts) => parts, onEvent = () => {} } = options;
  const genesis = genesisBytes(config), run = await runIdOf(genesis);
  const tokens = await openRunText(config.data, {
    tokenizer: bytesTokenizer(),
    openBlob: () => Promise.reject(new Error("A driven flock trains on what needs no blobs")),
  });
  const clock = new QuietClock(), network = new MemoryNetwork(), seats: Seat[] = [];
  const identities = speeds.map((_, n) => identityFromSeed(new Uint8Array(32).fill(n + 1)));
  const up = line === null
    ? new Map<PeerId, MemoryLine>()
    : new Map(identities.map(({ peer }) => [peer, new MemoryLine(line.bitsPerSecond)]));
  const inOrder = digestsInOrder();
  let failure: HostEnd & { kind: "failed" } | null = null;
  const close = async () => {
    const hosts = seats.map(({ host }) => host.close()); // they end when their learners have
    await Promise.all(seats.map(({ learner }) => learner.close()));
    await Promise.all(hosts);
    inOrder[Symbol.dispose]();
  };
  try {
    for (const [n, identity] of identities.entries()) {
      const honest = await openDrivenLearner({ config, tokens, clock, ...speeds[n]!, ...(alter && { alter }) });
      const { learner, transport } = dress({ learner: honest, transport: network.join(identity.peer) }, n);
      const events: HostEvent[] = [], watched = clock.watch(transport);
      const host = await startHost({
        identity,
        rules: syncRules(config, run),
        genesis,
        runBlobs: [],
        found: n === 0,
        addresses: n === 0 ? [] : [`/memory/${identities[0]!.peer}`],
        name: `peer ${n}`,
        device: "cpu",
        transport: line === null ? watched : replaced(watched, {
          request: throughLines(watched, { ...line, clock, up, down: new MemoryLine(line.bitsPerSecond) }).request,
        }),
        store: clock.watch(new MemoryBlobStore()),
        journal: new MemoryJournal(),
        learner,
        clock,
        onEvent(event) {
          events.push(event);
          onEvent(event, n);
        },
      });
      host.ended.then((end) => {
        if (end.kind === "failed") failure ??= end;
      });
      seats.push({ host, learner, events });
    }
  } catch (error) {
    await close();
    throw error;
  }
  return {
    seats,
    clock,
    runUntil(what, isTrue, mostMs) {
      const isOver = () => {
        if (failure !== null) throw failure.error;
        return isTrue();
      };
      return clock.runUntil(what, isOver, mostMs);
    },
    [Symbol.asyncDispose]: close,
  };
}
