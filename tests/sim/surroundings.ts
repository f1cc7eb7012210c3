/**
 * What a simulated peer needs from the world around it.
 * @module
 */
import type { BlobName, Digest, Message, PeerId } from "../../p2p/sync/types.ts";
import type { Chance } from "../chance.ts";
import type { Meter } from "./meter.ts";
import type { Observer } from "./observer.ts";
import type { Content } from "./sim_learner.ts";
import type { SimPeer } from "./sim_peer.ts";
import type { VirtualTime } from "./virtual_time.ts";

/** One peer, or all that listen to a cell's announcements. */
export type Audience = { readonly peer: PeerId } | { readonly cell: string };

export interface Surroundings {
  readonly clock: VirtualTime;
  readonly draw: Chance;
  readonly observer: Observer;
  readonly meter: Meter | null;
  /** Nobody offers. */
  isSilent(): boolean;
  /** Calls back when the silence ends, if it does. */
  onSpeak(act: () => void): void;
  /** Liars lie no more. */
  isTruthful(): boolean;
  /** Delivers to one peer, or to all others. */
  deliver(from: SimPeer, to: Audience, message: Message): void;
  /** Brings a blob from one of these peers; calls back once. */
  fetch(to: SimPeer, blob: BlobName, from: readonly PeerId[], done: (found: boolean) => void): void;
  /** What is in each contribution. */
  readonly contents: Map<Digest, Content>;
  /** The peer stands on a state of another cell than before. */
  moved(peer: SimPeer): void;
  /** The process ended: by itself, or because the power failed. */
  down(peer: SimPeer, reason: "left" | "crashed"): void;
}
