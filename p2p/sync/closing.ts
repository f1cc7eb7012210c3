/**
 * When may a round be closed? Pure: time and facts come in, a decision with its reason goes out.
 *
 * It does not know who the scribe is, what an offer holds or how it travelled. Times are local milliseconds of one
 * peer and are never compared with another peer's. No user sets a timeout.
 *
 * The rule: close when everybody expected has offered; until then wait for a peer while its share of the tokens
 * outweighs the lateness that it costs all others. A peer that brings k times the tokens offered so far may stretch
 * the round by a share k of its length, and is believed to be on its way for as long beyond its promise. So it is
 * worth waiting for between two moments, from `promised / (1 + k)` to `promised / (1 − k)` after the round opened.
 * @module
 */
import type { PeerId } from "./types.ts";

export interface Expected {
  readonly peer: PeerId;
  /** Tokens that this peer may bring. */
  readonly tokens: number;
  /** When its offer may be expected. */
  readonly promisedAtMs: number;
  readonly offered: boolean;
}

export type Closing =
  | { readonly close: true; readonly reason: string }
  | { readonly close: false; readonly reason: string; readonly againAtMs: number };

export interface ClosingOptions {
  readonly nowMs: number;
  readonly openedAtMs: number;
  /** Upper bound on the length of a round, whatever anybody promised (law 4). */
  readonly longestMs: number;
}

/** Decides for one round; `expected` may be in any order. A decision to wait ends at `openedAtMs + longestMs`. */
export function closing(expected: readonly Expected[], options: ClosingOptions): Closing {
  const { nowMs, openedAtMs, longestMs } = options;
  const missing = expected.filter(({ offered }) => !offered);
  if (missing.length === 0) return { close: true, reason: `all ${expected.length} members present have offered` };

  const lastMs = openedAtMs + longestMs;
  if (nowMs >= lastMs) return { close: true, reason: `${names(missing)} did not offer within ${longestMs} ms` };

  const offeredTokens = expected.reduce((sum, { offered, tokens }) => offered ? sum + tokens : sum, 0);
  const worthWaiting = missing
    .map((peer) => ({ peer, ...worthwhile(peer) }))
    .filter(({ fromMs, untilMs }) => fromMs <= nowMs && nowMs < untilMs);
  if (worthWaiting.length === 0) {
    return { close: true, reason: `waiting for ${names(missing)} would cost more than they bring` };
  }
  const againAtMs = Math.min(lastMs, Math.max(nowMs + 1, ...worthWaiting.map(({ untilMs }) => untilMs)));
  return { close: false, reason: `waiting for ${names(worthWaiting.map(({ peer }) => peer))}`, againAtMs };

  function worthwhile({ tokens, promisedAtMs }: Expected): { readonly fromMs: number; readonly untilMs: number } {
    if (tokens >= offeredTokens) return { fromMs: openedAtMs, untilMs: lastMs };
    const share = tokens / offeredTokens;
    const promisedMs = Math.max(0, promisedAtMs - openedAtMs);
    return { fromMs: openedAtMs + promisedMs / (1 + share), untilMs: openedAtMs + promisedMs / (1 - share) };
  }
}

function names(peers: readonly Expected[]): string {
  return peers.map(({ peer }) => peer).sort().join(", ");
}
