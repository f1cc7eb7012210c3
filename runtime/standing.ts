/**
 * Members, alive, counted: three numbers of one run that are equal while all is well. Pure.
 *
 * A member is who belongs by the records, alive who is on as far as this peer can see: connected to it, or counted in the
 * last round. Counted is whose work the last round has.
 * @module
 */

export interface Standing {
  readonly members: number;
  readonly alive: number;
  readonly counted: number;
  /** Of this peer itself. */
  readonly isMember: boolean;
  readonly isCounted: boolean;
}

/** `members` are those whose offers the last round counted, `roster` all who belong after it. */
export function standingOf({ self, roster, connected, members }: {
  readonly self: string;
  readonly roster: readonly string[];
  readonly connected: readonly string[];
  readonly members: readonly { readonly peer: string; readonly tokens: number }[];
}): Standing {
  const counted = new Set(members.filter(({ tokens }) => tokens > 0).map(({ peer }) => peer));
  const seen = new Set([self, ...connected, ...members.map(({ peer }) => peer)]);
  return {
    members: roster.length,
    alive: roster.filter((peer) => seen.has(peer)).length,
    counted: counted.size,
    isMember: roster.includes(self),
    isCounted: counted.has(self),
  };
}
