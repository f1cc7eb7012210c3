/**
 * The host's mailbox: inputs for the core, bounded also against senders that never stop (law 7), and fair.
 *
 * What is our own (answers to our effects, ticks, connections) comes first, in order, and is never refused: the core bounds
 * how many it has open. Other peers' messages wait in a line for each sender, and the lines take turns, so that a flood
 * delays its sender alone. They may be refused when too many wait; the protocol repairs what is lost.
 * @module
 */
import type { Input } from "./sync/effects.ts";
import type { PeerId } from "./sync/types.ts";

/** Messages that may wait, of one sender and of all. */
const MOST_PER_SENDER = 256, MOST_MESSAGES = 4096;

export class Mailbox {
  readonly #own: Input[] = [];
  /** In the order of their turns; none is empty. */
  readonly #lines = new Map<PeerId, Input[]>();
  #messageCount = 0;
  #hasTick = false;
  #closed = false;
  #wake: (() => void) | null = null;

  get size(): number {
    return this.#own.length + this.#messageCount;
  }

  /** Whether the input will be handled; a message is refused when its sender or all have too many waiting. */
  put(input: Input): boolean {
    if (this.#closed) return false;
    if (input.kind === "tick") {
      if (this.#hasTick) return true; // one is as good as two
      this.#hasTick = true;
    }
    if (input.kind === "message") {
      const line = this.#lines.get(input.from);
      if ((line?.length ?? 0) >= MOST_PER_SENDER || this.#messageCount >= MOST_MESSAGES) return false;
      if (line === undefined) this.#lines.set(input.from, [input]);
      else line.push(input);
      this.#messageCount++;
    } else this.#own.push(input);
    this.#wake?.();
    return true;
  }

  /** The next input, or null once the mailbox is closed. One taker at a time. */
  async take(): Promise<Input | null> {
    while (this.size === 0 && !this.#closed) {
      await new Promise<void>((resolve) => this.#wake = resolve);
    }
    this.#wake = null;
    if (this.#closed) return null;
    const own = this.#own.shift();
    if (own?.kind === "tick") this.#hasTick = false;
    return own ?? this.#nextMessage();
  }

  /** What still waits is dropped. */
  close(): void {
    this.#closed = true;
    this.#wake?.();
  }

  #nextMessage(): Input {
    const [sender, line] = this.#lines.entries().next().value!;
    const message = line.shift()!;
    this.#messageCount--;
    this.#lines.delete(sender);
    if (line.length > 0) this.#lines.set(sender, line); // to the end: the others come first
    return message;
  }
}
