/**
 * The memory of the cpu device: one shared WebAssembly memory, given out in blocks of whole span alignments.
 *
 * It knows no kernels and no threads. Freed blocks join their free neighbours and are given out again, lowest address
 * first; the memory grows when none fits and never shrinks.
 *
 * The one thing to know: growing does not move a shared memory, so a view made earlier stays good, but it cannot be
 * longer than the memory was then. Take a new view for a new block.
 * @module
 */
import { DeviceMemoryError, SPAN_ALIGNMENT } from "./device.ts";
import { LARGEST_PAGE_COUNT } from "./wasm_module.ts";

const PAGE_BYTES = 65_536;
const ALIGNMENT_BYTES = SPAN_ALIGNMENT * 4;

/** What lies behind the last block, in no block: kernels read whole vectors, a little past the end of their last row. */
export const BEHIND_BYTES = ALIGNMENT_BYTES;

/** Addresses below this belong to the threads' control block; 0 is never a block. */
export const RESERVED_BYTES = PAGE_BYTES - BEHIND_BYTES;

export interface CpuMemoryOptions {
  /** Most bytes of the whole memory; the default and the upper bound is what 32-bit addresses reach, 4 GiB. */
  readonly limitBytes?: number;
}

interface Block {
  address: number;
  bytes: number;
}

export class CpuMemory {
  readonly memory: WebAssembly.Memory;
  readonly #limitPages: number;
  /** Invariant: sorted by address, no two touch. */
  readonly #free: Block[] = [];
  readonly #given = new Map<number, number>();
  #pages = 1;
  #bytes = 0;

  constructor({ limitBytes = LARGEST_PAGE_COUNT * PAGE_BYTES }: CpuMemoryOptions = {}) {
    this.#limitPages = Math.min(LARGEST_PAGE_COUNT, Math.floor(limitBytes / PAGE_BYTES));
    this.memory = new WebAssembly.Memory({ initial: this.#pages, maximum: LARGEST_PAGE_COUNT, shared: true });
  }

  /** Bytes given out, rounded up to whole alignments. */
  get bytes(): number {
    return this.#bytes;
  }

  /**
   * The address of a new block of zeros.
   * @throws {DeviceMemoryError} if neither a free block nor growing can give that much.
   */
  give(words: number, label: string): number {
    const bytes = Math.max(1, Math.ceil(words * 4 / ALIGNMENT_BYTES)) * ALIGNMENT_BYTES;
    let index = this.#free.findIndex((block) => block.bytes >= bytes);
    if (index < 0) index = this.#grow(bytes, label);
    const block = this.#free[index]!, { address } = block;
    block.address += bytes;
    block.bytes -= bytes;
    if (block.bytes === 0) this.#free.splice(index, 1);
    this.#given.set(address, bytes);
    this.#bytes += bytes;
    this.view(address, bytes / 4).fill(0);
    return address;
  }

  /** Takes a block back. */
  take(address: number): void {
    const bytes = this.#given.get(address);
    if (bytes === undefined) throw new RangeError(`Cannot free address ${address}: no block starts there`);
    this.#given.delete(address);
    this.#bytes -= bytes;
    this.#release({ address, bytes });
  }

  view(address: number, words: number): Float32Array {
    return new Float32Array(this.memory.buffer, address, words);
  }

  words(address: number, words: number): Uint32Array {
    return new Uint32Array(this.memory.buffer, address, words);
  }

  /** Grows so that the last free block holds `bytes`, and returns its index. */
  #grow(bytes: number, label: string): number {
    const last = this.#free.at(-1), end = this.#pages * PAGE_BYTES - BEHIND_BYTES;
    const tailBytes = last !== undefined && last.address + last.bytes === end ? last.bytes : 0;
    const missing = Math.ceil((bytes - tailBytes) / PAGE_BYTES);
    // Growing by an eighth keeps the number of calls small; when that is too much, exactly what is missing.
    const wanted = Math.min(Math.max(missing, this.#pages >> 3), this.#limitPages - this.#pages);
    for (const pages of wanted > missing ? [wanted, missing] : [missing]) {
      if (this.#pages + pages > this.#limitPages) break;
      try {
        this.memory.grow(pages);
      } catch {
        continue;
      }
      this.#pages += pages;
      this.#release({ address: end, bytes: pages * PAGE_BYTES });
      return this.#free.length - 1;
    }
    throw new DeviceMemoryError(
      `Cannot allocate '${label}': it needs ${mebibytes(bytes)} in one piece, and the cpu device has given out ` +
        `${mebibytes(this.#bytes)} of ${mebibytes(this.#limitPages * PAGE_BYTES)}; ` +
        "use a smaller micro-batch, a shorter context or a smaller model",
    );
  }

  #release(block: Block): void {
    const free = this.#free;
    let index = free.findIndex(({ address }) => address > block.address);
    if (index < 0) index = free.length;
    const before = free[index - 1], after = free[index];
    if (after !== undefined && block.address + block.bytes === after.address) {
      block.bytes += after.bytes;
      free.splice(index, 1);
    }
    if (before !== undefined && before.address + before.bytes === block.address) before.bytes += block.bytes;
    else free.splice(index, 0, block);
  }
}

function mebibytes(bytes: number): string {
  return `${(bytes / 2 ** 20).toFixed(1)} MiB`;
}
