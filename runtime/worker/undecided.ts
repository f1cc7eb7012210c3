/**
 * Contributions whose fate is not known yet, as far as error feedback needs them. Bounded by age (law 7).
 *
 * Of dense ones the last alone matters: what earlier ones left out is small, and went on with the next cut. Of sparse
 * ones the bytes are kept, because what they sent comes back if they are lost.
 * @module
 */
import { anyCodec } from "../state/codec/codecs.ts";

/** More rounds than any run lets an offer be late. */
const OPEN_ROUNDS = 32;

export type Settled =
  | { readonly kind: "dense" }
  | {
    readonly kind: "sparse";
    /** Sparse contributions lost since one was counted, this one included. */
    readonly lostInARow: number;
    /** What it sent, as a vector of so many values. */
    decode(length: number): Float64Array;
  };

export class Undecided {
  #dense: number | null = null;
  readonly #sparse = new Map<number, Uint8Array<ArrayBuffer>>();
  #lostInARow = 0;

  addDense(round: number): void {
    this.#dense = round;
  }

  /** Keeps a copy: the bytes themselves move to another thread. */
  addSparse(round: number, bytes: Uint8Array<ArrayBuffer>): void {
    this.#dense = null;
    this.#sparse.set(round, bytes.slice());
    for (const old of this.#sparse.keys()) if (old <= round - OPEN_ROUNDS) this.#sparse.delete(old);
  }

  /** The device's half of a dense one is gone. */
  forgetDense(): void {
    this.#dense = null;
  }

  /** What is now decided, or null if nothing waits for it. */
  settle(round: number, isCounted: boolean): Settled | null {
    if (round === this.#dense) {
      this.#dense = null;
      return { kind: "dense" };
    }
    const bytes = this.#sparse.get(round);
    if (bytes === undefined) return null;
    this.#sparse.delete(round);
    this.#lostInARow = isCounted ? 0 : this.#lostInARow + 1;
    return { kind: "sparse", lostInARow: this.#lostInARow, decode: (length) => decode(bytes, length) };
  }
}

function decode(bytes: Uint8Array, length: number): Float64Array {
  const opened = anyCodec.open(bytes, length), values = new Float64Array(length);
  if (!opened.ok) throw new Error(`Cannot read an own contribution: it ${opened.reason}`);
  opened.vector.addTo(values, { start: 0, share: 1 });
  return values;
}
