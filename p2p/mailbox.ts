/**
 * The host's mailbox: inputs for the core, first in, first out, bounded also against senders that never stop (law 7).
 *
 * Other peers' messages may be refused when too many wait; the protocol repairs what is lost. Answers to our own effects
 * are never refused: the core bounds how many it has open.
 * @module
 */
import type { Input } from "./sync/effects.ts";
import type { PeerId } from "./sync/types.ts";

/** Messages that may wait, of one sender and of all. */
const MOST_PER_SENDER = 256, MOST_MESSAGES = 4096;

export class Mailbox {
  readonly #inputs: Input[] = [];
  readonly #waitingFrom = new Map<PeerId, number>();
  #messageCount = 0;
  #hasTick = false;
  #closed = false;
  #wake: (() => void) | null = null;

  get size(): number {
    return this.#inputs.length;
  }

  /** Whether the input will be handled; a message is refused when its sender or all have too many waiting. */
  put(input: Input): boolean {
    if (this.#closed) return false;
    if (input.kind === "tick") {
      if (this.#hasTick) return true; // one is as good as two
      this.#hasTick = true;
    }
    if (input.kind === "message") {
      const waiting = this.#waitingFrom.get(input.from) ?? 0;
      if (waiting >= MOST_PER_SENDER || this.#messageCount >= MOST_MESSAGES) return false;
      this.#waitingFrom.set(input.from, waiting + 1);
      this.#messageCount++;
    }
    this.#inputs.push(input);
    this.#wake?.();
    return true;
  }

  /** The next input, or null once the mailbox is closed. One taker at a time. */
  async take(): Promise<Input | null> {
    while (this.#inputs.length === 0 && !this.#closed) {
      await new Promise<void>((resolve) => this.#wake = resolve);
    }
    this.#wake = null;
    if (this.#closed) return null;
    const input = this.#inputs.shift()!;
    if (input.kind === "tick") this.#hasTick = false;
    if (input.kind === "message") {
      this.#messageCount--;
      const waiting = this.#waitingFrom.get(input.from)! - 1;
      if (waiting === 0) this.#waitingFrom.delete(input.from);
      else this.#waitingFrom.set(input.from, waiting);
    }
    return input;
  }

  /** What still waits is dropped. */
  close(): void {
    this.#closed = true;
    this.#wake?.();
  }
}
