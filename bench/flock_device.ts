/**
 * What the peers of a flock compute on, for the lines of its benchmark.
 * @module
 */
import type { Flock } from "../tests/swarm/flock.ts";

/** As a counted offer names it: all of them are of one kind. A merge record counts nothing, so any round may lack it. */
export function deviceOf(flock: Flock): string {
  const members = flock.seats().flatMap((seat) => seat.rounds()).flatMap((round) => round.members);
  const [member] = members;
  if (member === undefined) throw new Error(`No record counts anything yet:\n${flock.account()}`);
  return member.device;
}
