/**
 * What libp2p's connections say of the way to a peer: direct or through another, and which of several is to stay.
 * @module
 */
import type { Connection } from "@libp2p/interface";
import { isPeerId } from "../identity.ts";
import type { PeerId } from "../sync/types.ts";
import { type Link, parseRelayed, relayedAddress } from "./transport.ts";

/** The link that a connection makes. */
export function linkOf(connection: Connection | undefined): Link {
  const relay = connection?.limits === undefined ? undefined : parseRelayed(connection.remoteAddr.toString())?.relay;
  return relay !== undefined && isPeerId(relay) ? { kind: "relayed", relay } : { kind: "direct" };
}

/** The open connection to use among several, a direct one if there is one. */
export function bestOf(connections: readonly Connection[]): Connection | undefined {
  const open = connections.filter(({ status }) => status === "open");
  return open.find(({ limits }) => limits === undefined) ?? open[0];
}

/** The host at the other end of a direct connection, as "/ip4/1.2.3.4"; null if a relay hides it. */
export function hostOf(connection: Connection | undefined): string | null {
  if (connection === undefined || connection.limits !== undefined) return null;
  return /^\/ip[46]\/[^/]+/.exec(connection.remoteAddr.toString())?.[0] ?? null;
}

/** Where others can dial `self` through the peer at the other end; null if only that one can dial, and not be dialled. */
export function addressThrough(connection: Connection | undefined, self: PeerId): string | null {
  const relay = connection?.remotePeer.toString() ?? "";
  // Where the other side dialled, the port that is seen of it is not the one on which it listens.
  if (connection?.direction !== "outbound" || connection.limits !== undefined || !isPeerId(relay)) return null;
  return connection.remoteAddr.toString().replace(/\/p2p\/.*$/, "") + relayedAddress(relay, self);
}

/**
 * Which connections to close when one has opened beside others to the same peer, who has one link. Gossip stays on the
 * connection that came first and does not move: so a relayed one beside a direct one goes, and where a relayed one came
 * first all go, and the mesh connects anew, directly.
 */
export function superfluous(opened: Connection, others: readonly Connection[]): readonly Connection[] {
  if (opened.limits !== undefined) return others.some(({ limits }) => limits === undefined) ? [opened] : [];
  return others.some(({ limits }) => limits !== undefined) ? [...others, opened] : [];
}
