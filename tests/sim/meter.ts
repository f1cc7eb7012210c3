/**
 * What a run costs each of its peers: messages heard and said, blobs fetched, bytes, and time that its core takes.
 *
 * It only looks: a metered run is the same run. Time is the one figure that differs from machine to machine.
 * @module
 */
import type { Effect, Input } from "../../p2p/sync/effects.ts";
import type { Message } from "../../p2p/sync/types.ts";
import { encodeMessage } from "../../p2p/wire.ts";

export interface Totals {
  messagesHeard: number;
  messageBytes: number;
  announced: number;
  sent: number;
  fetches: number;
  loads: number;
  blobBytes: number;
  coreMs: number;
}

export class Meter {
  readonly totals: Totals = {
    messagesHeard: 0,
    messageBytes: 0,
    announced: 0,
    sent: 0,
    fetches: 0,
    loads: 0,
    blobBytes: 0,
    coreMs: 0,
  };
  readonly #span: { readonly fromMs: number; readonly untilMs: number };
  readonly #sizes = new WeakMap<Message, number>();

  /** @param span Virtual time in which it counts. */
  constructor(span: { readonly fromMs: number; readonly untilMs: number }) {
    this.#span = span;
  }

  /** Hands an input to a core, and counts what it costs. */
  handle(nowMs: number, input: Input, handle: () => readonly Effect[]): readonly Effect[] {
    if (nowMs < this.#span.fromMs || nowMs >= this.#span.untilMs) return handle();
    const { totals } = this, sinceMs = performance.now();
    const effects = handle();
    totals.coreMs += performance.now() - sinceMs;
    if (input.kind === "message") {
      totals.messagesHeard++;
      totals.messageBytes += this.#sizeOf(input.message);
    }
    for (const effect of effects) {
      if (effect.kind === "announce") totals.announced++;
      if (effect.kind === "send") totals.sent++;
      if (effect.kind === "fetch") totals.fetches++;
      if (effect.kind === "load") totals.loads++;
      if (effect.kind === "fetch") totals.blobBytes += effect.blob.sizeBytes;
      if (effect.kind === "load") totals.blobBytes += effect.weights.sizeBytes;
    }
    return effects;
  }

  /** Of the bytes on the wire; a message is encoded once for all who hear it. */
  #sizeOf(message: Message): number {
    let size = this.#sizes.get(message);
    if (size === undefined) this.#sizes.set(message, size = encodeMessage(message).byteLength);
    return size;
  }
}
