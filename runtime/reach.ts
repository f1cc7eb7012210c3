/**
 * How each other peer is reached, as one value that follows from events, with what would make it better. Pure.
 * @module
 */
import type { PeerEvent } from "./event.ts";

/** How this peer reaches one other that it met or heard of. */
export interface PeerReach {
  readonly peer: string;
  readonly verdict: "direct" | "relayed" | "unreachable";
  /** The peer between the two, if it is relayed. */
  readonly relay: string | null;
  /** Why there is no direct way; null if there is one, or nothing was tried. */
  readonly reason: string | null;
  /** What would make it direct; null if it is. */
  readonly remedy: string | null;
}

/** Whether others can begin a connection to this peer. */
export interface OwnReach {
  readonly verdict: "reachable" | "partly" | "not reachable" | "unknown";
  readonly reason: string;
  readonly remedy: string | null;
  /** Peers that let others through to this one. */
  readonly relays: readonly string[];
}

/** Before anybody was met. */
export const unknownReach: OwnReach = {
  verdict: "unknown",
  reason: "nobody has tried to dial this peer yet.",
  remedy: null,
  relays: [],
};

/** Peers told of at most; those connected come first. */
const MOST_TOLD = 128;
const OPEN_A_PORT =
  "One of the two needs a TCP port that the other can dial (--port, firewall, router); UDP is not used";

/** The list after one more event, sorted by peer id. */
export function reachAfter(reach: readonly PeerReach[], event: PeerEvent): readonly PeerReach[] {
  switch (event.kind) {
    case "connected": {
      const { peer, relay } = event, before = reach.find((other) => other.peer === peer);
      return withPeer(
        reach,
        relay === null ? { peer, verdict: "direct", relay, reason: null, remedy: null } : {
          peer,
          verdict: "relayed",
          relay,
          reason: before?.reason ?? null,
          remedy: `Its work comes through ${relay}. ${OPEN_A_PORT}.`,
        },
      );
    }
    case "disconnected":
      return reach.filter(({ peer }) => peer !== event.peer);
    case "unreachable":
      return withPeer(reach, {
        peer: event.peer,
        verdict: "unreachable",
        relay: null,
        reason: event.reason,
        remedy: `${OPEN_A_PORT}, or a peer that both can dial.`,
      });
    default:
      return reach;
  }
}

function withPeer(reach: readonly PeerReach[], entry: PeerReach): readonly PeerReach[] {
  const all = [...reach.filter(({ peer }) => peer !== entry.peer), entry];
  const connectedFirst = all.toSorted((a, b) =>
    Number(a.verdict === "unreachable") - Number(b.verdict === "unreachable") || (a.peer < b.peer ? -1 : 1)
  );
  return connectedFirst.slice(0, MOST_TOLD).sort((a, b) => a.peer < b.peer ? -1 : 1);
}
