/**
 * The parts of a fold in shared memory, where every thread that folds reads them: copied once, in blocks that are used
 * again and again, for the reason that `held_weights.ts` gives.
 * @module
 */
import type { FoldPart } from "../../p2p/learner.ts";
import type { SharedPart } from "./messages.ts";

/** Parts begin at multiples of this many bytes. */
const ALIGNMENT_BYTES = 64;
/** A free block so many times as large as what is needed is given up. */
const TOO_LARGE = 8;

export class SharedParts {
  #free: readonly SharedArrayBuffer[] = [];
  #blockCount = 0;

  /** Blocks ever allocated. */
  get blockCount(): number {
    return this.#blockCount;
  }

  /** Gives parts as shared memory, which is theirs until what `work` gives is settled. */
  async use<T>(parts: readonly FoldPart[], work: (parts: readonly SharedPart[]) => Promise<T>): Promise<T> {
    const starts = [0];
    for (const { bytes } of parts) starts.push(starts.at(-1)! + alignedUp(bytes.length));
    const block = this.#take(starts.at(-1)!);
    try {
      return await work(parts.map((part, i) => {
        const bytes = new Uint8Array(block, starts[i]!, part.bytes.length);
        bytes.set(part.bytes);
        return { ...part, bytes };
      }));
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
