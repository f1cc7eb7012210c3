/**
 * Contributions in shared memory, where every thread that folds reads them: read to there once, in blocks that are used
 * again and again, for the reason that `held_weights.ts` gives.
 * @module
 */
import type { Content } from "../../p2p/learner.ts";

/** Contents begin at multiples of this many bytes. */
const ALIGNMENT_BYTES = 64;
/** A free block so many times as large as what is needed is given up. */
const TOO_LARGE = 8;

export class SharedContents {
  #free: readonly SharedArrayBuffer[] = [];
  #blockCount = 0;

  /** Blocks ever allocated. */
  get blockCount(): number {
    return this.#blockCount;
  }

  /**
   * Reads contents, one after another, into shared memory that is theirs until what `work` gives is settled.
   * @throws {Error} if one of them cannot be had.
   */
  async use<T>(
    contents: readonly Content[],
    work: (bytes: readonly Uint8Array<SharedArrayBuffer>[]) => Promise<T>,
  ): Promise<T> {
    const starts = [0];
    for (const { sizeBytes } of contents) starts.push(starts.at(-1)! + alignedUp(sizeBytes));
    const block = this.#take(starts.at(-1)!);
    try {
      const bytes = contents.map(({ sizeBytes }, i) => new Uint8Array(block, starts[i]!, sizeBytes));
      for (const [i, { readInto }] of contents.entries()) await readInto(bytes[i]!);
      return await work(bytes);
    } finally {
      this.#free = [...this.#free, block];
    }
  }

  #take(bytes: number): SharedArrayBuffer {
    const fits = ({ byteLength }: SharedArrayBuffer) => byteLength >= bytes && byteLength < sizeFor(bytes) * TOO_LARGE;
    const found = this.#free.find(fits);
    if (found !== undefined) {
      this.#free = this.#free.filter((block) => block !== found);
      return found;
    }
    this.#free = [];
    this.#blockCount++;
    return new SharedArrayBuffer(sizeFor(bytes));
  }
}

/** A power of two: as peers come, few blocks are too small. What is never written takes no memory. */
function sizeFor(bytes: number): number {
  return 2 ** Math.ceil(Math.log2(Math.max(bytes, ALIGNMENT_BYTES)));
}

function alignedUp(bytes: number): number {
  return Math.ceil(bytes / ALIGNMENT_BYTES) * ALIGNMENT_BYTES;
}
