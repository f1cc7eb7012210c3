/**
 * What a host tells whoever shows or logs it: the core's reports, and what happens between peers and on the disk.
 * @module
 */
import type { TransportEvent } from "./net/transport.ts";
import type { SyncEvent } from "./sync/effects.ts";
import type { BlobName, PeerId } from "./sync/types.ts";

export type HostEvent =
  | SyncEvent
  | TransportEvent
  /** An address could not be dialled; it is tried again. */
  | { readonly kind: "unreachable"; readonly peer: string; readonly address: string; readonly reason: string }
  /** Bytes of another peer were no message of this run, or too many at once. */
  | { readonly kind: "message refused"; readonly peer: PeerId; readonly reason: string }
  /** A message of ours could not leave. */
  | { readonly kind: "message lost"; readonly to: PeerId | null; readonly reason: string }
  | { readonly kind: "fetching"; readonly blob: BlobName; readonly heldBytes: number }
  | { readonly kind: "fetched"; readonly blob: BlobName }
  /** A donor lied, stalled or went while a blob was fetched from it. */
  | { readonly kind: "donor dropped"; readonly peer: PeerId; readonly blob: BlobName; readonly reason: string }
  | { readonly kind: "journal damaged"; readonly reason: string }
  /** Contributions that no record counts yet are not fetched: there is no room. Told once for as long as that goes on. */
  | { readonly kind: "no room"; readonly reason: string }
  /** Blobs that this peer can do without were dropped to make room. */
  | { readonly kind: "blobs spared"; readonly blobs: number; readonly bytes: number; readonly reason: string };

/** How a host's life ended. */
export type HostEnd =
  /** The core stopped: the peer left, or the run is finished. */
  | { readonly kind: "stopped"; readonly reason: string }
  /** `close()` was called. */
  | { readonly kind: "closed" }
  /** The disk or the learner failed: nothing more can be promised. What was journaled is safe. */
  | { readonly kind: "failed"; readonly error: unknown };
