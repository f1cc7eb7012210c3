/**
 * Arenas on the host that a local model uses again with every cut and every anchor: the weights that were cut at, and the
 * difference between two.
 *
 * The weights of a cut are the base until the next one, or the next anchor, takes their place; so there are two of those
 * at most. The one thing to know: a difference holds until the next.
 * @module
 */

export class OwnArenas {
  /** Weights of the last cuts, two at most. */
  #weights: readonly Float32Array<ArrayBuffer>[] = [];
  #difference = new Float32Array();

  /** Memory for the weights of a cut, other than those that are in use, or none. */
  spare(inUse: Float32Array): { readonly weights?: Float32Array<ArrayBuffer> } {
    const weights = this.#weights.find((arena) => arena !== inUse);
    return weights === undefined ? {} : { weights };
  }

  /** Notes weights that were cut at, as memory for others later. */
  keep(weights: Float32Array<ArrayBuffer>): void {
    this.#weights = [...this.#weights.filter((arena) => arena !== weights), weights].slice(-2);
  }

  /** a − b, value by value. */
  difference(a: Float32Array, b: Float32Array): Float32Array<ArrayBuffer> {
    if (this.#difference.length !== a.length) this.#difference = new Float32Array(a.length);
    const values = this.#difference;
    for (let i = 0; i < values.length; i++) values[i] = a[i]! - b[i]!;
    return values;
  }
}
