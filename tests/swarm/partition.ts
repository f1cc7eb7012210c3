/**
 * The scene of a partition: a flock cut into two halves that both go on training, and meet again.
 * @module
 */
import type { Digest } from "../../p2p/sync/types.ts";
import { expect, type RoundEvent } from "../starling.ts";
import { ancestry } from "./chronicle.ts";
import { agreement, type Flock, type Partition } from "./flock.ts";

export interface PartitionOptions {
  readonly sides: readonly [readonly string[], readonly string[]];
  /** Rounds that each side trains alone, at least. */
  readonly rounds: number;
  readonly partition: Partition;
}

export interface Reunion {
  /** The last record that all had before the cut. */
  readonly together: RoundEvent;
  /** What each side stood on when the first two of them were connected again: how soon they dial is not the protocol's. */
  readonly sides: readonly [RoundEvent, RoundEvent];
  /** Held-out loss of each side's last measured state, in nats per token. */
  readonly heldOut: readonly [number, number];
  /** The first record after it that all adopted. */
  readonly one: RoundEvent;
  /** From the healing of the links until the last peer adopted that. */
  readonly healedMs: number;
  /** Sides whose records are in the history of that. */
  readonly kept: readonly boolean[];
  /** Held-out loss of the next measured state. */
  readonly heldOutAfter: number;
}

/** Cuts a flock that trains together, and heals it. */
export async function partAndMeet(flock: Flock, { sides, rounds, partition }: PartitionOptions): Promise<Reunion> {
  const together = await flock.together();
  flock.split(sides, partition);
  const enough = ({ round, heldOut }: RoundEvent) => round >= together.round + rounds && heldOut !== null;
  await Promise.all(flock.seats().map((seat) => seat.round(enough)));

  const healedAtMs = Date.now();
  flock.heal();
  const others = sides[1].map((name) => flock.peer(name));
  const isAcross = () => sides[0].some((name) => others.some((peer) => flock.isConnected(name, peer)));
  await expect("a connection across the cut", flock.seats(), () => isAcross() || null);
  const [left, right] = sides.map(([name]) => [...flock.seat(name!).rounds()]) as [RoundEvent[], RoundEvent[]];
  const lastRound = Math.max(left.at(-1)!.round, right.at(-1)!.round);
  const same = await agreement(flock.seats(), ({ round }) => round > lastRound);
  const healedMs = Date.now() - healedAtMs;
  const history = ancestry(await flock.chronicle(), same[0].head as Digest);
  const after = await flock.seat(sides[0][0]!).round(({ round, heldOut }) => round > same[0].round && heldOut !== null);
  return {
    together,
    sides: [left.at(-1)!, right.at(-1)!],
    heldOut: [lastHeldOut(left), lastHeldOut(right)],
    one: same[0],
    healedMs,
    kept: [left, right].map((side) => history.has(side.at(-1)!.head as Digest)),
    heldOutAfter: after.heldOut!,
  };
}

function lastHeldOut(rounds: readonly RoundEvent[]): number {
  return rounds.findLast(({ heldOut }) => heldOut !== null)!.heldOut!;
}
