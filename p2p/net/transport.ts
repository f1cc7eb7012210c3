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

/** Who came and who went. */
export type TransportEvent =
  | { readonly kind: "connected"; readonly peer: PeerId; readonly address: string }
  | { readonly kind: "disconnected"; readonly peer: PeerId };

/** Answers a request; throwing or returning null refuses it. */
export type RequestHandler = (from: PeerId, request: Uint8Array) => Promise<Uint8Array | null>;

/** One peer's end of the network. */
export interface Transport extends AsyncDisposable {
  readonly peer: PeerId;
  /** Addresses others can dial, each ending in this peer's id; the loopback ones last. */
  addresses(): readonly string[];
  /** Peers connected now, sorted. */
  peers(): readonly PeerId[];
  /**
   * Connects to an address; resolves with the peer found there.
   * @throws {Error} saying what was tried and what it answered.
   */
  connect(address: string, options?: { readonly signal?: AbortSignal }): Promise<PeerId>;
  /**
   * Announces to every peer of the run, at most once to each. Nobody listening is not an error.
   * @throws {RangeError} if it is larger than `LARGEST_ANNOUNCEMENT_BYTES`.
   */
  announce(bytes: Uint8Array): void;
  onAnnouncement(handler: (bytes: Uint8Array, from: PeerId) => void): void;
  /**
   * Asks one connected peer. `name` is a protocol's name with its version, e.g. "blobs/1".
   * @throws {Error} if the peer is gone, refuses, or the signal aborts.
   */
  request(
    to: PeerId,
    name: string,
    request: Uint8Array,
    options?: { readonly signal?: AbortSignal },
  ): Promise<Uint8Array<ArrayBuffer>>;
  /**
   * Only these peers may be connected from now on, whoever dials; null: everybody, as at first. Others are disconnected,
   * are told nothing, not even that this run is here, and nothing of theirs is heard.
   */
  admit(peers: readonly PeerId[] | null): void;
  onRequest(name: string, handler: RequestHandler): void;
  onEvent(handler: (event: TransportEvent) => void): void;
}
