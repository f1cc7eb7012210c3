/**
 * Windows read before they are asked for, while the device computes: a disk that is slow then holds up no step.
 *
 * What is at a position never changes, so whatever becomes of a lease, what was read ahead is right or not asked for.
 * It holds a few batches at most, mostly two, in memory that is used again and again, and reads in the calling thread.
 * @module
 */

export type Window = Uint32Array<ArrayBuffer>;

export interface ReadAheadOptions {
  /** Tokens of a window. */
  readonly tokens: number;
  /** Reads the window at a position. */
  readonly read: (position: number, into: Window) => void;
}

export class ReadAhead {
  readonly #options: ReadAheadOptions;
  readonly #ahead = new Map<number, Window>();
  #taken: readonly Window[] = [];
  #free: Window[] = [];

  constructor(options: ReadAheadOptions) {
    this.#options = options;
  }

  /**
   * The windows at these positions, in their order; they are the caller's until it takes the next. What else was read
   * ahead is given up.
   */
  take(positions: readonly number[]): readonly Window[] {
    this.#free = [...this.#free, ...this.#taken].slice(0, 2 * positions.length);
    this.#taken = positions.map((position) => this.#windowAt(position));
    this.#giveUp();
    return this.#taken;
  }

  /** Reads what will be asked for next. */
  fetch(positions: readonly number[]): void {
    const windows = positions.map((position) => [position, this.#windowAt(position)] as const);
    this.#giveUp();
    for (const [position, window] of windows) this.#ahead.set(position, window);
  }

  /** What was read ahead, which it is no more, or is read now. */
  #windowAt(position: number): Window {
    const ahead = this.#ahead.get(position);
    this.#ahead.delete(position);
    if (ahead !== undefined) return ahead;
    const { tokens, read } = this.#options, window = this.#free.pop() ?? new Uint32Array(tokens);
    read(position, window);
    return window;
  }

  #giveUp(): void {
    this.#free.push(...this.#ahead.values());
    this.#ahead.clear();
  }
}
