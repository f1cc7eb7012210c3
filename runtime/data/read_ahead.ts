/**
 * Windows read before they are asked for, while the device computes: a disk that is slow then holds up no step.
 *
 * What is at a position never changes, so whatever becomes of a lease, what was read ahead is right or not asked for.
 * It holds one batch at most, and reads in the calling thread.
 * @module
 */

export type Window = Uint32Array<ArrayBuffer>;

export class ReadAhead {
  readonly #read: (position: number) => Window;
  #ahead: ReadonlyMap<number, Window> = new Map();

  constructor(read: (position: number) => Window) {
    this.#read = read;
  }

  /** The windows at these positions, in their order. What else was read ahead is given up. */
  take(positions: readonly number[]): Window[] {
    const windows = positions.map((position) => this.#ahead.get(position) ?? this.#read(position));
    this.#ahead = new Map();
    return windows;
  }

  /** Reads what will be asked for next. */
  fetch(positions: readonly number[]): void {
    this.#ahead = new Map(positions.map((position) => [position, this.#ahead.get(position) ?? this.#read(position)]));
  }
}
