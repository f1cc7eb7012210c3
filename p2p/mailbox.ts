/**
 * The host's mailbox: inputs for the core, bounded also against senders that never stop (law 7), and fair.
 *
 * What is our own (answers to our effects, ticks, connections) comes first, in order, and is never refused: the core bounds
 * how many it has open. Other peers' messages wait in a line for each sender, and the lines take turns, so that a flood
 * delays its sender alone. When too many wait, the last of the longest line is dropped, so that a crowd of senders keeps
 * out nobody who says little; the protocol repairs what is lost.
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

  /** False if the input is refused: a message whose sender has too many waiting. What was taken may still be dropped. */
  put(input: Input): boolean {
    if (this.#closed) return false;
    if (input.kind === "tick") {
      if (this.#hasTick) return true; // one is as good as two
      this.#hasTick = true;
    }
    if (input.kind === "message") {
      const line = this.#lines.get(input.from);
      if ((line?.length ?? 0) >= MOST_PER_SENDER) return false;
      if (this.#messageCount >= MOST_MESSAGES && !this.#makeRoom(line?.length ?? 0)) return false;
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

  /** Drops the last message of the longest line, if that is longer than this. */
  #makeRoom(length: number): boolean {
    let longest: Input[] = [];
    for (const line of this.#lines.values()) if (line.length > longest.length) longest = line;
    if (longest.length <= Math.max(1, length)) return false; // a line of one would be empty
    longest.pop();
    this.#messageCount--;
    return true;
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
