/**
 * Which peers let others through to this one: asked for a place, one after the other, where others cannot dial it.
 * @module
 */
import type { PeerId } from "../sync/types.ts";

/** Peers asked at most; one is enough to be reached, more outlive the loss of one. */
const MOST_RELAYS = 8;

export interface RelaySeatsOptions {
  /** Asks a connected peer for a place. @throws {Error} if it relays nothing, or is full. */
  readonly reserve: (relay: PeerId) => Promise<void>;
  /** A place was given or lost. */
  readonly onChange: () => void;
}

export class RelaySeats {
  readonly #options: RelaySeatsOptions;
  /** Asked, and whether they have agreed. */
  readonly #asked = new Map<PeerId, boolean>();

  constructor(options: RelaySeatsOptions) {
    this.#options = options;
  }

  /** Those who let others through now, sorted. */
  held(): readonly PeerId[] {
    return [...this.#asked].filter(([, agreed]) => agreed).map(([peer]) => peer).sort();
  }

  /** Asks those of these peers that were not asked yet; never rejects. */
  async seek(peers: readonly PeerId[]): Promise<void> {
    const asking: Promise<void>[] = [];
    for (const peer of peers) {
      if (this.#asked.size >= MOST_RELAYS) break;
      if (this.#asked.has(peer)) continue;
      this.#asked.set(peer, false);
      asking.push(this.#options.reserve(peer).then(() => this.#agreed(peer), () => void this.#asked.delete(peer)));
    }
    await Promise.all(asking);
  }

  /** The link to a peer is gone, and its place with it. */
  lost(peer: PeerId): void {
    const agreed = this.#asked.get(peer) === true;
    this.#asked.delete(peer);
    if (agreed) this.#options.onChange();
  }

  #agreed(relay: PeerId): void {
    if (!this.#asked.has(relay)) return; // it went meanwhile
    this.#asked.set(relay, true);
    this.#options.onChange();
  }
}
