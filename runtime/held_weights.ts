/**
 * The weights of the last states, by digest, in blocks of shared memory that are used again and again.
 *
 * A block of shared memory lives until every thread that has seen it has collected its view, and such views press no
 * collector: weights that are simply dropped pile up, one of each round. So blocks are never dropped; new weights are
 * written where the oldest lay. The one thing to know: nobody may read a block but within `use`, or under a `pin`.
 *
 * Weights have one set for each lineage of their state. That number falls a few times in a run and never rises again, but
 * where a fork takes it back: blocks that are free then and of another size are dropped after all.
 * @module
 */
import type { Digest } from "../p2p/sync/types.ts";
import type { WeightsBytes } from "./worker/messages.ts";

/** States whose weights a learner holds besides the anchor's: the head's, its parent's, and some for late readers. */
export const HELD_STATES = 4;

interface Free {
  readonly bytes: WeightsBytes;
  readonly sets: number;
}

interface Block extends Free {
  /** Pins that are not released yet. */
  pins: number;
}

/** Holds a block in its place until it is released. */
export interface Pin {
  readonly bytes: WeightsBytes;
  release(): void;
}

export interface HeldWeightsOptions {
  /** Weights to hold besides those that are pinned: new ones must stay however many are. */
  readonly most: number;
  /** Makes a new block, for so many sets. */
  readonly allocate: (sets: number) => WeightsBytes;
}

export class HeldWeights {
  readonly #options: HeldWeightsOptions;
  /** The last used comes last. */
  readonly #held = new Map<Digest, Block>();
  #free: readonly Free[] = [];
  #blockCount = 0;

  constructor(options: HeldWeightsOptions) {
    this.#options = options;
  }

  /** Blocks ever allocated: what is held, pinned, being written or free. */
  get blockCount(): number {
    return this.#blockCount;
  }

  has(digest: Digest): boolean {
    return this.#held.has(digest);
  }

  /** Has new weights written into a block, and holds them by the digest that comes of it. What was in it is anything. */
  async make<T extends { readonly digest: Digest }>(
    sets: number,
    write: (into: WeightsBytes) => Promise<T>,
  ): Promise<T> {
    const block = this.#take(sets), { bytes } = block;
    try {
      const made = await write(bytes);
      const known = this.#held.get(made.digest);
      if (known !== undefined) this.#release(block);
      this.#touch(made.digest, known ?? { bytes, sets, pins: 0 });
      return made;
    } catch (error) {
      this.#release(block);
      throw error;
    }
  }

  /**
   * Keeps weights in their place until the pin is released.
   * @throws {Error} if they are not held any more.
   */
  pin(digest: Digest): Pin {
    const block = this.#held.get(digest);
    if (block === undefined) {
      throw new Error(`Cannot use weights ${digest}: they are not held any more; load them again`);
    }
    block.pins++;
    this.#touch(digest, block);
    let isReleased = false;
    return {
      bytes: block.bytes,
      release: () => {
        if (isReleased) return;
        isReleased = true;
        block.pins--;
        this.#evict();
      },
    };
  }

  /**
   * Does something with weights, pinned as long as it takes.
   * @throws {Error} if some of them are not held any more.
   */
  async use<T>(digests: readonly Digest[], read: (weights: readonly WeightsBytes[]) => Promise<T>): Promise<T> {
    const pins: Pin[] = [];
    try {
      for (const digest of digests) pins.push(this.pin(digest));
      return await read(pins.map(({ bytes }) => bytes));
    } finally {
      for (const pin of pins) pin.release();
    }
  }

  #touch(digest: Digest, block: Block): void {
    this.#held.delete(digest);
    this.#held.set(digest, block);
    this.#evict();
  }

  #evict(): void {
    const idle = [...this.#held].filter(([, { pins }]) => pins === 0);
    for (const [digest, block] of idle.slice(0, Math.max(0, idle.length - this.#options.most))) {
      this.#held.delete(digest);
      this.#release(block);
    }
  }

  #release({ bytes, sets }: Free): void {
    this.#free = [...this.#free, { bytes, sets }];
  }

  #take(sets: number): Free {
    const fitting = this.#free.filter((free) => free.sets === sets), block = fitting.pop();
    this.#free = fitting;
    if (block !== undefined) return block;
    this.#blockCount++;
    return { bytes: this.#options.allocate(sets), sets };
  }
}
