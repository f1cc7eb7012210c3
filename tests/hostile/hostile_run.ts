/**
 * A run of eight peers in one process, real hosts on a network in memory, some of them hostile; and the loss it ends at.
 *
 * Time is virtual (`quiet_clock.ts`) and boxes are counted in steps, so a run depends on its seed alone.
 * @module
 */
import { type Host, startHost } from "../../p2p/host.ts";
import type { HostEvent } from "../../p2p/host_event.ts";
import { identityFromSeed } from "../../p2p/identity.ts";
import { runIdOf } from "../../p2p/genesis.ts";
import type { Learner } from "../../p2p/learner.ts";
import { MemoryNetwork } from "../../p2p/net/memory.ts";
import { MemoryJournal } from "../../p2p/store/journal.ts";
import { MemoryBlobStore } from "../../p2p/store/memory.ts";
import type { Digest, PeerId } from "../../p2p/sync/types.ts";
import { genesisBytes, type OuterConfig, type RunConfig } from "../../runtime/config.ts";
import { syncRules } from "../../runtime/peer.ts";
import { codecs } from "../../runtime/state/codec/codecs.ts";
import { weightsLayout } from "../../runtime/state/weights.ts";
import { tinyRun } from "../tiny_run.ts";
import type { Attack } from "./attacks.ts";
import { openDrivenLearner } from "./driven_learner.ts";
import { digestsInOrder, QuietClock } from "./quiet_clock.ts";

export const PEERS = 8, HOSTILE = 2;
const CODEC = "int8";
const LONGEST_MS = 3_600_000;

export interface HostileRunOptions {
  readonly seed: number;
  readonly robust: OuterConfig["robust"];
  readonly screen: OuterConfig["screen"];
  /** What the last two peers do; null: all are honest. */
  readonly attack: Attack | null;
  /** The round after which the loss is measured. */
  readonly rounds: number;
  /** Inner steps of a box. */
  readonly steps: number;
}

export interface HostileRun {
  /** Held out, nats per token, of the state after the last round. */
  readonly loss: number;
  /** Of that state, the same at every honest peer. */
  readonly digest: Digest;
  /** Whose end that was; a peer that fell behind may have passed over the one asked for. */
  readonly round: number;
  readonly hostile: readonly PeerId[];
  /** What each honest peer was told. */
  readonly events: readonly (readonly HostEvent[])[];
}

interface Seat {
  readonly host: Host;
  readonly learner: Learner;
  readonly events: HostEvent[];
}

type RoundEvent = Extract<HostEvent, { kind: "round" }>;

/** A model of a few thousand parameters that needs all of the rounds to learn its source. */
function hostileConfig({ seed, robust, screen }: Omit<HostileRunOptions, "attack">): RunConfig {
  const { model, training, outer } = tinyRun();
  return tinyRun({
    name: "hostile",
    seed,
    model: { ...model, vocabularySize: 16, contextLength: 16, layerCount: 1, width: 16, hiddenWidth: 64 },
    data: { kind: "markov", seed: 3, symbolCount: 16, tokenCount: 200_000 },
    training: { ...training, learningRate: 3e-3, warmupTokens: 0, batch: 4 * PEERS },
    outer: { ...outer, robust, screen, codec: CODEC },
    rounds: { firstMs: 1000, leastMs: 1000, longestMs: 2000 },
  });
}

/**
 * Runs until all honest peers have one state after the last round, and closes everything.
 * @throws {Error} if they come to none.
 */
export async function hostileRun(options: HostileRunOptions): Promise<HostileRun> {
  const config = hostileConfig(options), genesis = genesisBytes(config), run = await runIdOf(genesis);
  const clock = new QuietClock(), network = new MemoryNetwork();
  using _ = digestsInOrder();
  const identities = Array.from({ length: PEERS }, (_, n) => identityFromSeed(new Uint8Array(32).fill(n + 1)));
  const den = { codec: codecs[CODEC], length: weightsLayout(config).parameterWords };
  const seats: Seat[] = [];
  try {
    for (const [n, identity] of identities.entries()) {
      const attack = n >= PEERS - HOSTILE ? options.attack : null, own = { ...den, seed: options.seed * PEERS + n };
      const honest = await openDrivenLearner({ config, steps: options.steps });
      const learner = attack?.learner?.(honest, own) ?? honest;
      const joined = network.join(identity.peer);
      const events: HostEvent[] = [];
      const host = await startHost({
        identity,
        rules: syncRules(config, run),
        genesis,
        runBlobs: [],
        found: n === 0,
        addresses: n === 0 ? [] : [`/memory/${identities[0]!.peer}`],
        name: `peer ${n}`,
        device: "cpu",
        transport: clock.watch(attack?.transport?.(joined, own) ?? joined),
        store: clock.watch(new MemoryBlobStore()),
        journal: new MemoryJournal(),
        learner: clock.watch(learner),
        clock,
        onEvent: (event) => events.push(event),
      });
      seats.push({ host, learner, events });
    }
    const honest = seats.slice(0, options.attack === null ? PEERS : PEERS - HOSTILE);
    await clock.runUntil(
      `all honest peers have one state after round ${options.rounds} or a later one`,
      () => commonRound(honest, options.rounds) !== undefined,
      LONGEST_MS,
    );
    const { weights, base: digest, round } = commonRound(honest, options.rounds)!;
    return {
      loss: await honest[0]!.learner.evaluate(weights, 0),
      digest,
      round,
      hostile: seats.slice(honest.length).map(({ host }) => host.peer),
      events: honest.map(({ events }) => events),
    };
  } finally {
    await Promise.all(seats.map(async ({ host, learner }) => {
      await host.close();
      await learner.close();
    }));
  }
}

/** The first round, not before `from`, after which all of them have one state, by the last word of each. */
function commonRound(seats: readonly Seat[], from: number): RoundEvent | undefined {
  const [first, ...others] = seats.map(({ events }) =>
    new Map(events.flatMap((event) => event.kind === "round" && event.round >= from ? [[event.round, event]] : []))
  );
  return [...first!.values()].sort((a, b) => a.round - b.round)
    .find(({ round, base }) => others.every((rounds) => rounds.get(round)?.base === base));
}
