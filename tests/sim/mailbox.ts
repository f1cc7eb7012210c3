/**
 * What waits for a process that stands still: the bounds of `p2p/mailbox.ts`, without its promises.
 * @module
 */
import type { Input } from "../../p2p/sync/effects.ts";
import type { PeerId } from "../../p2p/sync/types.ts";

const MOST_PER_SENDER = 256, MOST_MESSAGES = 4096;

export class Mailbox {
  #inputs: Input[] = [];
  #waitingFrom = new Map<PeerId, number>();
  #messageCount = 0;

  /** A message is lost when its sender or all have too many waiting. */
  put(input: Input): void {
    if (input.kind === "message") {
      const waiting = this.#waitingFrom.get(input.from) ?? 0;
      if (waiting >= MOST_PER_SENDER || this.#messageCount >= MOST_MESSAGES) return;
      this.#waitingFrom.set(input.from, waiting + 1);
      this.#messageCount++;
    }
    this.#inputs.push(input);
  }

  /** All that waits, oldest first. */
  takeAll(): readonly Input[] {
    const inputs = this.#inputs;
    this.clear();
    return inputs;
  }

  clear(): void {
    this.#inputs = [];
    this.#waitingFrom = new Map();
    this.#messageCount = 0;
  }
}
