/**
 * The chunk lists that a store gave out or made last: so a donor need not hash a blob before its first answer.
 * @module
 */
import type { Digest } from "../sync/types.ts";

/** Most bytes of lists remembered: those of blobs of 32 GiB. */
const MOST_BYTES = 4 * 1024 * 1024;

/** An encoded list (`chunks.ts`). */
type List = Uint8Array<ArrayBuffer>;

export class KnownLists {
  /** The last used comes last. */
  readonly #lists = new Map<Digest, List>();
  readonly #making = new Map<Digest, Promise<List | null>>();
  #bytes = 0;

  set(digest: Digest, list: List): void {
    this.forget(digest);
    this.#lists.set(digest, list);
    this.#bytes += list.length;
    for (const oldest of this.#lists.keys()) {
      if (this.#bytes <= MOST_BYTES) break;
      this.forget(oldest);
    }
  }

  forget(digest: Digest): void {
    this.#bytes -= this.#lists.get(digest)?.length ?? 0;
    this.#lists.delete(digest);
  }

  /** The list of a blob: remembered, or made, once however many ask; null if `make` gives none. */
  async get(digest: Digest, make: () => Promise<List | null>): Promise<List | null> {
    const known = this.#lists.get(digest);
    if (known !== undefined) {
      this.set(digest, known);
      return known;
    }
    const making = this.#making.get(digest) ?? make().finally(() => this.#making.delete(digest));
    this.#making.set(digest, making);
    const list = await making;
    if (list !== null) this.set(digest, list);
    return list;
  }
}
