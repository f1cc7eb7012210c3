/**
 * How members spent their time since this peer has watched: sums of what their counted offers say. Pure.
 * @module
 */
import type { MemberRound } from "./event.ts";

/** One member's time, in milliseconds. Training goes on during transfers, so parts may come to more than the span. */
export interface PeerTime {
  readonly peer: string;
  readonly name: string;
  readonly spanMs: number;
  readonly computeMs: number;
  readonly waitMs: number;
  readonly transferMs: number;
}

/** Members that are remembered: those counted last. */
const MOST_PEERS = 64;

/** The sums after one more round, those counted last at the end. */
export function timesAfter(times: readonly PeerTime[], members: readonly MemberRound[]): readonly PeerTime[] {
  const sums = new Map(times.map((time) => [time.peer, time]));
  for (const { peer, name, spanMs, computeShare, waitShare, transferShare, fate } of members) {
    if (fate === "joined") continue; // it had nothing to do yet
    const before = sums.get(peer);
    sums.delete(peer);
    sums.set(peer, {
      peer,
      name,
      spanMs: (before?.spanMs ?? 0) + spanMs,
      computeMs: (before?.computeMs ?? 0) + computeShare * spanMs,
      waitMs: (before?.waitMs ?? 0) + waitShare * spanMs,
      transferMs: (before?.transferMs ?? 0) + transferShare * spanMs,
    });
  }
  return [...sums.values()].slice(-MOST_PEERS);
}

/** Share of all its time that a member waited; null if nothing is known of it. */
export function waitedShare(times: readonly PeerTime[], peer: string): number | null {
  const time = times.find((time) => time.peer === peer);
  return time === undefined || time.spanMs <= 0 ? null : time.waitMs / time.spanMs;
}
