/**
 * How bytes travel between peers: announcements to all, requests to one, and who is connected.
 *
 * A transport knows nothing of what the bytes mean and trusts nobody; every size is bounded here. Two providers,
 * `memory.ts` (tests, simulations in one process) and `libp2p.ts`, pass one suite (`tests/conformance/transport.ts`).
 * @module
 */
import type { PeerId } from "../sync/types.ts";

/** Most bytes of one announcement. Larger ones never leave: gossipsub breaks a link silently on oversized frames. */
export const LARGEST_ANNOUNCEMENT_BYTES = 64 * 1024;
/** Most bytes of a request and of a response. Bulk is pulled in pieces of this size, so a slow reader slows the sender. */
export const LARGEST_MESSAGE_BYTES = 1024 * 1024 + 16 * 1024;

/** How a connected peer is reached. */
export type Link =
  | { readonly kind: "direct" }
  /** Through a peer that both are connected to. It carries control messages only; for blobs there is `relay.ts`. */
  | { readonly kind: "relayed"; readonly relay: PeerId };

/** Whether others can begin a connection to this peer. */
export interface Reachability {
  /** "partly": some can and others cannot, as where a router stands between. "unknown": nobody has tried yet. */
  readonly verdict: "reachable" | "partly" | "not reachable" | "unknown";
  /** In plain words: what was found, and what would change it. */
  readonly reason: string;
  readonly remedy: string | null;
  /** Peers that let others through to this one, sorted; sought only where some cannot dial it. */
  readonly relays: readonly PeerId[];
}

/** Who came and who went, how peers are reached, and what went through this one. */
export type TransportEvent =
  | { readonly kind: "connected"; readonly peer: PeerId; readonly address: string; readonly link: Link }
  | { readonly kind: "disconnected"; readonly peer: PeerId }
  | { readonly kind: "reachability"; readonly reachability: Reachability }
  /** Bytes went through this peer, between two that cannot reach each other. */
  | { readonly kind: "relayed"; readonly sizeBytes: number };

/** Answers a request; throwing or returning null refuses it. */
export type RequestHandler = (from: PeerId, request: Uint8Array) => Promise<Uint8Array | null>;

export interface RequestOptions {
  readonly signal?: AbortSignal;
  /** More of them follow to the same peer within seconds, as for the pieces of a blob: then each of them costs less. */
  readonly isOneOfMany?: boolean;
}

/** The address of a peer as one dials it through another. */
export function relayedAddress(relay: PeerId, peer: PeerId): string {
  return `/p2p/${relay}/p2p-circuit/p2p/${peer}`;
}

/** The two peers of a relayed address, or null if it is none. Whatever leads to the relay may stand before it. */
export function parseRelayed(address: string): { readonly relay: string; readonly peer: string } | null {
  const match = /\/p2p\/(\w+)\/p2p-circuit\/p2p\/(\w+)$/.exec(address);
  return match === null ? null : { relay: match[1]!, peer: match[2]! };
}

/** One peer's end of the network. */
export interface Transport extends AsyncDisposable {
  readonly peer: PeerId;
  /** Addresses others can dial, each ending in this peer's id; the loopback ones last. */
  addresses(): readonly string[];
  /** Addresses that lead to this peer through another, where some cannot dial it; empty until one lets others through. */
  relayedAddresses(): readonly string[];
  /** Peers connected now, sorted. */
  peers(): readonly PeerId[];
  /** How a peer is reached; null if it is not connected. */
  link(peer: PeerId): Link | null;
  /**
   * Connects to an address, or through another peer (`relayedAddress`), which is connected already unless the address
   * says where it is; resolves with the peer found there.
   * @throws {Error} saying what was tried and what it answered.
   */
  connect(address: string, options?: { readonly signal?: AbortSignal }): Promise<PeerId>;
  /**
   * Announces to every peer that listens to a cell, named by digits alone, at most once to each; "" is the whole run, to
   * which all listen. Nobody listening is not an error.
   * @throws {RangeError} if it is larger than `LARGEST_ANNOUNCEMENT_BYTES`.
   */
  announce(bytes: Uint8Array, cell?: string): void;
  /**
   * Listens from now on to what is announced to this cell, named by this peer's own digits, and to those that it is a part
   * of; at first to "" alone.
   */
  hear(cell: string): void;
  onAnnouncement(handler: (bytes: Uint8Array, from: PeerId) => void): void;
  /**
   * Asks one connected peer. `name` is a protocol's name with its version, e.g. "blobs/1".
   * @throws {Error} if the peer is gone, refuses, or the signal aborts.
   */
  request(
    to: PeerId,
    name: string,
    request: Uint8Array,
    options?: RequestOptions,
  ): Promise<Uint8Array<ArrayBuffer>>;
  /**
   * Only these peers may be connected from now on, whoever dials; null: everybody, as at first. Others are disconnected,
   * are told nothing, not even that this run is here, and nothing of theirs is heard.
   */
  admit(peers: readonly PeerId[] | null): void;
  /** Closes the connection to a peer. Either may connect again. */
  disconnect(peer: PeerId): void;
  onRequest(name: string, handler: RequestHandler): void;
  /** The handler hears the last verdict on this peer's reachability at once, if there is one. */
  onEvent(handler: (event: TransportEvent) => void): void;
}
