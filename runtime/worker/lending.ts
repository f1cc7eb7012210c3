/**
 * Something long that another thread takes piece by piece, while whoever lends it waits.
 *
 * One at a time, which the lender sees to: it waits until `lend` has returned before it lends again.
 * @module
 */

type LentPieces = AsyncGenerator<Uint8Array<ArrayBuffer>, void, void>;

export class Lending {
  #lent: { readonly pieces: LentPieces; readonly end: () => void } | null = null;

  /** Lends pieces; resolves when the taker has ended it, whether or not it took all of them. */
  async lend(pieces: LentPieces): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#lent = { pieces, end: resolve };
    await promise;
    this.#lent = null;
    await pieces.return();
  }

  /**
   * For the taker: the next piece; null after the last.
   * @throws {Error} what the making of it throws; there are no more then.
   */
  async next(): Promise<Uint8Array<ArrayBuffer> | null> {
    const next = await this.#lent?.pieces.next();
    return next === undefined || next.done ? null : next.value;
  }

  /** For the taker: it wants no more. */
  end(): void {
    this.#lent?.end();
  }
}
