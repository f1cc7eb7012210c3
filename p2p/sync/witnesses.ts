/**
 * Who has said which state a record leads to: by beats, which the transport authenticates, and by signed offers.
 *
 * A peer speaks once for each record, and its first word stands. Bounded: the oldest records are forgotten (law 7).
 * @module
 */
import type { Digest, PeerId } from "./types.ts";

const MOST_HEADS = 64, MOST_PEERS = 64;

/** What a peer last said of itself. */
export interface Word {
  readonly peer: PeerId;
  readonly head: Digest;
  readonly base: Digest;
}

/** Where a peer says that it stands. */
export interface Standing extends Word {
  readonly cell: string;
}

interface Said {
  readonly base: Digest;
  /** Of which part of the state it spoke; null if that is not known. */
  readonly cell: string | null;
}

export class Witnesses {
  readonly #bases = new Map<Digest, Map<PeerId, Said>>();
  readonly #last = new Map<PeerId, Standing>();

  /** A peer says that `base` is the state after `head`, and that this is where it stands. */
  stands(word: Standing): void {
    const before = this.#last.get(word.peer);
    const isSame = before?.head === word.head && before.base === word.base && before.cell === word.cell;
    if (isSame && this.#bases.get(word.head)?.has(word.peer)) return; // most beats say nothing new
    this.#last.delete(word.peer);
    this.#last.set(word.peer, word);
    if (this.#last.size > MOST_PEERS) this.#last.delete(this.#last.keys().next().value!);
    this.says(word);
  }

  /** A peer is in another cell now: where it stood says nothing any more of who stands where. */
  left(peer: PeerId): void {
    this.#last.delete(peer);
  }

  /** A peer says that `base` is the state after `head`. */
  says({ peer, head, base, cell }: Word & { readonly cell: string | null }): void {
    const known = this.#bases.get(head), bases = known ?? new Map<PeerId, Said>();
    if (!bases.has(peer) && bases.size < MOST_PEERS) bases.set(peer, { base, cell });
    if (known !== undefined) return;
    this.#bases.set(head, bases);
    if (this.#bases.size > MOST_HEADS) this.#bases.delete(this.#bases.keys().next().value!);
  }

  /**
   * How many of those who spoke of a record confirm its state, and how many name another. Of a state with too many members
   * each sees its own part: who spoke of another one than that of `cell`, or who may have, says nothing of this.
   */
  count(head: Digest, base: Digest, { except, cell }: { readonly except?: PeerId; readonly cell?: string } = {}): {
    readonly confirm: number;
    readonly contradict: number;
  } {
    const isOfPart = (said: Said) => cell === undefined || (said.cell ?? "") === cell;
    const said = [...this.#bases.get(head) ?? []].filter(([peer, said]) => peer !== except && isOfPart(said));
    const confirm = said.filter(([, other]) => other.base === base).length;
    return { confirm, contradict: said.length - confirm };
  }

  /** Those of these peers that said that they stand on this record, the last time. */
  standing(peers: readonly PeerId[], head: Digest): readonly PeerId[] {
    return peers.filter((peer) => this.#last.get(peer)?.head === head);
  }

  /** Where these peers stand, as far as they have said. */
  words(peers: readonly PeerId[]): readonly Standing[] {
    return peers.flatMap((peer) => this.#last.get(peer) ?? []);
  }
}
