/**
 * How much each sender may send: a bucket of messages and one of bytes, which fill again with time.
 *
 * It is asked before anything is decoded, so that a flood costs its receiver next to nothing. Far above what the protocol
 * needs: a peer sends a few messages with every beat, and a long history in one. Those whom this peer is not connected
 * to, whose words gossip passes on, share one bucket: keys cost nothing, and each would come with a full one.
 * @module
 */
import type { PeerId } from "./sync/types.ts";

/** Most at once, and how fast it may go on for ever. */
const BURST = { messages: 400, bytes: 16 * 1024 * 1024 };
const PER_SECOND = { messages: 100, bytes: 4 * 1024 * 1024 };
/** Senders remembered. */
const MOST_SENDERS = 1024;

interface Bucket {
  atMs: number;
  messages: number;
  bytes: number;
}

export class Rates {
  readonly #buckets = new Map<PeerId | null, Bucket>();

  /** Whether a message of this size may come in now; if not, it costs its sender nothing. Null: whoever is not connected. */
  take(sender: PeerId | null, sizeBytes: number, nowMs: number): boolean {
    const bucket = this.#buckets.get(sender) ?? { atMs: nowMs, ...BURST };
    const seconds = Math.max(0, nowMs - bucket.atMs) / 1000;
    bucket.atMs = nowMs;
    bucket.messages = Math.min(BURST.messages, bucket.messages + seconds * PER_SECOND.messages);
    bucket.bytes = Math.min(BURST.bytes, bucket.bytes + seconds * PER_SECOND.bytes);
    this.#buckets.delete(sender); // the last heard is the last forgotten
    this.#buckets.set(sender, bucket);
    if (this.#buckets.size > MOST_SENDERS) this.#buckets.delete(this.#buckets.keys().next().value!);
    if (bucket.messages < 1 || bucket.bytes < sizeBytes) return false;
    bucket.messages--;
    bucket.bytes -= sizeBytes;
    return true;
  }
}
