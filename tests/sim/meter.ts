/**
 * What a run costs each of its peers: messages heard and said, blobs fetched, bytes, and time that its core takes.
 *
 * It only looks: a metered run is the same run. Time is the one figure that differs from machine to machine.
 * @module
 */
import process from "node:process";
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
  };
  /** Wall time within cores, and of all in the span; and the process's time on processors in it. */
  #insideMs = 0;
  #wholeMs = 0;
  #cpuMs = 0;
  #isOn = false;
  readonly #span: { readonly fromMs: number; readonly untilMs: number };
  readonly #sizes = new WeakMap<Message, number>();

  /** @param span Virtual time in which it counts. */
  constructor(span: { readonly fromMs: number; readonly untilMs: number }) {
    this.#span = span;
  }

  /** Time on a processor that cores took: their part of the process's, which a busy machine does not stretch. */
  get coreMs(): number {
    return this.#cpuMs * this.#insideMs / this.#wholeMs;
  }

  /** Hands an input to a core, and counts what it costs. */
  handle(nowMs: number, input: Input, handle: () => readonly Effect[]): readonly Effect[] {
    this.#turn(nowMs >= this.#span.fromMs && nowMs < this.#span.untilMs);
    if (!this.#isOn) return handle();
    const { totals } = this, sinceMs = performance.now();
    const effects = handle();
    this.#insideMs += performance.now() - sinceMs;
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

  #turn(isOn: boolean): void {
    if (this.#isOn === isOn) return;
    this.#isOn = isOn;
    const { user, system } = process.cpuUsage(), sign = isOn ? -1 : 1;
    this.#cpuMs += sign * (user + system) / 1000;
    this.#wholeMs += sign * performance.now();
  }

  /** Of the bytes on the wire; a message is encoded once for all who hear it. */
  #sizeOf(message: Message): number {
    let size = this.#sizes.get(message);
    if (size === undefined) this.#sizes.set(message, size = encodeMessage(message).byteLength);
    return size;
  }
}
