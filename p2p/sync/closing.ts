/**
 * When may a round be closed? Pure: time and facts come in, a decision with its reason goes out.
 *
 * It does not know who the scribe is, what an offer holds or how it travelled. Times are local milliseconds of one
 * peer and are never compared with another peer's. No user sets a timeout.
 *
 * The rule: close when everybody expected has offered; until then wait for peers while their share of the tokens
 * outweighs the lateness that they cost all others. Peers that together bring k times the tokens offered so far may
 * stretch the round by a share k of its length: they are worth waiting for from `promised / (1 + k)` after the round
 * opened. Whoever is overdue is believed to be on its way as long as it alone is worth it, until `promised / (1 − k)`;
 * several together for a small share of the round at most, since what stopped one may have stopped them all.
 *
 * Before the box ends nothing is gained by closing, because nobody stops training for it: whoever will be worth
 * waiting for then, is so now. Otherwise the few whose boxes end early (they adopted late) would close without the
 * many, and each half would go on to close without the other.
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

interface Span {
  readonly fromMs: number;
  readonly untilMs: number;
}

export interface ClosingOptions {
  readonly nowMs: number;
  readonly openedAtMs: number;
  /** When boxes that began with the round end. */
  readonly boxEndsAtMs: number;
  /** Upper bound on the length of a round, whatever anybody promised (law 4). */
  readonly longestMs: number;
}

/** Share of a round for which peers that are overdue are waited for, if together they bring as much. */
const GRACE_SHARE = 0.05;

/** Decides for one round; `expected` may be in any order. A decision to wait ends at `openedAtMs + longestMs`. */
export function closing(expected: readonly Expected[], options: ClosingOptions): Closing {
  const { nowMs, openedAtMs, boxEndsAtMs, longestMs } = options;
  const missing = expected.filter(({ offered }) => !offered);
  if (missing.length === 0) return { close: true, reason: `all ${expected.length} members present have offered` };

  const lastMs = openedAtMs + longestMs;
  if (nowMs >= lastMs) return { close: true, reason: `${names(missing)} did not offer within ${longestMs} ms` };

  const offeredTokens = expected.reduce((sum, { offered, tokens }) => offered ? sum + tokens : sum, 0);
  const decisiveMs = Math.max(nowMs, boxEndsAtMs);
  let together = 0; // tokens of all that are promised up to a moment
  const worthWaiting = missing.sort((a, b) => a.promisedAtMs - b.promisedAtMs).map((peer) => {
    together += peer.tokens;
    return { peer, ...worthwhile(peer, together) };
  }).filter(({ fromMs, untilMs }) => fromMs <= decisiveMs && nowMs < untilMs);
  if (worthWaiting.length === 0) {
    return { close: true, reason: `waiting for ${names(missing)} would cost more than they bring` };
  }
  const againAtMs = Math.min(lastMs, Math.max(nowMs + 1, ...worthWaiting.map(({ untilMs }) => untilMs)));
  return {
    close: false,
    get reason() { // mostly nobody asks, and the names of a cell are long
      return `waiting for ${names(worthWaiting.map(({ peer }) => peer))}`;
    },
    againAtMs,
  };

  function worthwhile({ tokens, promisedAtMs }: Expected, together: number): Span {
    if (tokens >= offeredTokens) return { fromMs: openedAtMs, untilMs: lastMs };
    const promisedMs = Math.max(0, promisedAtMs - openedAtMs), share = together / offeredTokens;
    const overdue = Math.max(tokens / offeredTokens, Math.min(GRACE_SHARE, share));
    return { fromMs: openedAtMs + promisedMs / (1 + share), untilMs: openedAtMs + promisedMs / (1 - overdue) };
  }
}

function names(peers: readonly Expected[]): string {
  return peers.map(({ peer }) => peer).sort().join(", ");
}
