/**
 * The scene of a sudden death: one peer of a flock is killed while it trains, and started again.
 * @module
 */
import type { RoundEvent } from "../starling.ts";
import type { Flock } from "./flock.ts";

export interface Recovery {
  /** The last record that all had before. */
  readonly together: RoundEvent;
  /** What the others stood on when the peer was connected again and trained: how long a device takes to open is no round's. */
  readonly returned: RoundEvent;
  /** The first record after it that counts tokens of the peer. */
  readonly counted: RoundEvent;
  /** From the start of the process until it had adopted a state; was connected; was counted. */
  readonly stateMs: number;
  readonly connectedMs: number;
  readonly countedMs: number;
}

/** Kills a peer in the middle of its work, lets the others train a round without it, and starts it again. */
export async function killAndReturn(flock: Flock, name: string): Promise<Recovery> {
  const witness = flock.seat(flock.names.find((other) => other !== name)!), peer = flock.peer(name);
  const together = await flock.together();
  await flock.happens(["progress"], [name]);
  await flock.kill(name);
  const last = witness.rounds().at(-1)!.round;
  await witness.round((round) => round.round > last && !counts(round, peer));

  const startedAtMs = Date.now(), again = flock.start(name);
  await again.round(() => true);
  const stateMs = Date.now() - startedAtMs;
  await again.next("connected");
  const connectedMs = Date.now() - startedAtMs;
  await again.next("progress");
  const returned = witness.rounds().at(-1)!;
  const counted = await witness.round((round) => round.round > returned.round && counts(round, peer));
  return { together, returned, counted, stateMs, connectedMs, countedMs: Date.now() - startedAtMs };
}

/** Whether a round counted tokens of this peer. */
export function counts({ members }: RoundEvent, peer: string): boolean {
  return members.some((member) => member.peer === peer && member.tokens > 0);
}
