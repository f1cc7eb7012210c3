/**
 * What the writes to one unfinished blob pass through, so that they can be ended: then nothing of it is written any more.
 * @module
 */
import { StorageError } from "./storage_error.ts";

export class Gate {
  readonly #inside = new Set<Promise<unknown>>();
  #isShut = false;

  get isShut(): boolean {
    return this.#isShut;
  }

  /** @throws {StorageError} if the gate is shut. */
  async pass<T>(work: () => Promise<T>): Promise<T> {
    if (this.#isShut) {
      throw new StorageError("Cannot fetch a blob: the room for it went to what is needed more.", { isFull: true });
    }
    const passing = work();
    this.#inside.add(passing);
    try {
      return await passing;
    } finally {
      this.#inside.delete(passing);
    }
  }

  /** Lets nobody in any more, and resolves when nobody is inside. */
  async shut(): Promise<void> {
    this.#isShut = true;
    await Promise.allSettled(this.#inside);
  }
}
