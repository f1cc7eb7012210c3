/**
 * A run of eight peers in one process, real hosts on a network in memory, some of them hostile; and the loss it ends at.
 * @module
 */
import type { HostEvent } from "../../p2p/host_event.ts";
import type { Digest, PeerId } from "../../p2p/sync/types.ts";
import type { OuterConfig, RunConfig } from "../../runtime/config.ts";
import { codecs } from "../../runtime/state/codec/codecs.ts";
import { weightsLayout } from "../../runtime/state/weights.ts";
import { openDrivenFlock, type Seat } from "../driven/driven_flock.ts";
import { tinyRun } from "../tiny_run.ts";
import type { Attack } from "./attacks.ts";

export const PEERS = 8, HOSTILE = 2;
const CODEC = "int8", ROUND_MS = 1000, LOCAL_BATCH = 4;
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

type RoundEvent = Extract<HostEvent, { kind: "round" }>;

/** A model of a few thousand parameters that needs all of the rounds to learn its source. */
function hostileConfig({ seed, robust, screen }: Omit<HostileRunOptions, "attack">): RunConfig {
  const { model, training, outer } = tinyRun();
  return tinyRun({
    name: "hostile",
    seed,
    model: { ...model, vocabularySize: 16, contextLength: 16, layerCount: 1, width: 16, hiddenWidth: 64 },
    data: { kind: "markov", seed: 3, symbolCount: 16, tokenCount: 200_000 },
    training: { ...training, learningRate: 3e-3, warmupTokens: 0, batch: LOCAL_BATCH * PEERS },
    outer: { ...outer, robust, screen, codec: CODEC },
    rounds: { firstMs: ROUND_MS, leastMs: ROUND_MS, longestMs: 2 * ROUND_MS },
  });
}

/**
 * Runs until all honest peers have one state after the last round, and closes everything.
 * @throws {Error} if they come to none.
 */
export async function hostileRun(options: HostileRunOptions): Promise<HostileRun> {
  const { seed, attack, rounds, steps } = options, config = hostileConfig(options);
  const den = { codec: codecs[CODEC], length: weightsLayout(config).parameterWords };
  const speed = { tokensPerSecond: steps * LOCAL_BATCH * config.model.contextLength * 1000 / ROUND_MS, stepMs: 0 };
  await using flock = await openDrivenFlock({
    config,
    speeds: Array.from({ length: PEERS }, () => speed),
    dress(parts, n) {
      if (attack === null || n < PEERS - HOSTILE) return parts;
      const own = { ...den, seed: seed * PEERS + n };
      return {
        learner: attack.learner?.(parts.learner, own) ?? parts.learner,
        transport: attack.transport?.(parts.transport, own) ?? parts.transport,
      };
    },
  });
  const honest = flock.seats.slice(0, attack === null ? PEERS : PEERS - HOSTILE);
  await flock.runUntil(
    `all honest peers have one state after round ${rounds} or a later one`,
    () => commonRound(honest, rounds) !== undefined,
    LONGEST_MS,
  );
  const { weights, base: digest, round } = commonRound(honest, rounds)!;
  let loss: number | undefined; // a learner in the middle of its work measures when that is done, which takes time
  honest[0]!.learner.evaluate(weights, 0).then((measured) => loss = measured);
  await flock.runUntil("the loss is measured", () => loss !== undefined, LONGEST_MS);
  return {
    loss: loss!,
    digest,
    round,
    hostile: flock.seats.slice(honest.length).map(({ host }) => host.peer),
    events: honest.map(({ events }) => events),
  };
}

/** The first round, not before `from`, after which all of them have one state, by the last word of each. */
function commonRound(seats: readonly Seat[], from: number): RoundEvent | undefined {
  const [first, ...others] = seats.map(({ events }) =>
    new Map(events.flatMap((event) => event.kind === "round" && event.round >= from ? [[event.round, event]] : []))
  );
  return [...first!.values()].sort((a, b) => a.round - b.round)
    .find(({ round, base }) => others.every((rounds) => rounds.get(round)?.base === base));
}
