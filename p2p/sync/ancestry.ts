/**
 * How the records that one peer knows hang together: what one history has and another has not, what two of them would
 * unite, and where what is known ends. It changes nothing.
 * @module
 */
import { chainOf, type Link } from "./link.ts";
import { bodyDigest } from "./digest.ts";
import { exclusive } from "./fork.ts";
import { type Chapter, inOrder, type Side, type Sides } from "./merge.ts";
import type { OfferShelf } from "./offer_shelf.ts";
import type { ChainState, Digest } from "./types.ts";

export class Ancestry {
  readonly #links: ReadonlyMap<Digest, Link>;
  readonly #offers: OfferShelf;

  readonly #wholeOf: (link: Link) => ChainState | null;

  /** @param wholeOf The whole state after a record, however many members it has; null if that is not known. */
  constructor(links: ReadonlyMap<Digest, Link>, offers: OfferShelf, wholeOf: (link: Link) => ChainState | null) {
    this.#links = links;
    this.#offers = offers;
    this.#wholeOf = wholeOf;
  }

  /** Records of the history of `ours` that are not in that of `theirs`, the latest first; null if that is not known. */
  exclusive(ours: Link, theirs: Link, most?: number): readonly Link[] | null {
    return this.exclusiveOf([ours], [theirs], most);
  }

  exclusiveOf(ours: readonly Link[], theirs: readonly Link[], most?: number): readonly Link[] | null {
    return exclusive(ours, theirs, { find: (record) => this.#links.get(record), ...most !== undefined && { most } });
  }

  /** The two histories that a merge record unites, the heavier first, or null while something of them is unknown. */
  sidesOf({ parents }: Pick<Link, "parents">): Sides | null {
    const [one, other] = parents.map((parent) => this.#links.get(parent));
    if (one === undefined || other === undefined) return null;
    const sides = [this.#side(one, other), this.#side(other, one)];
    return sides[0] && sides[1] ? inOrder(sides[0], sides[1]) : null;
  }

  /**
   * Records that are known with all that leads to them, and that no other such record follows: the latest first.
   *
   * @param isWhole Leaves out what goes back to a state that another gave, but not to the beginning.
   */
  ends({ isWhole = false } = {}): readonly Link[] {
    const grounded = new Set<Link>(), followed = new Set<Digest>();
    for (const link of [...this.#links.values()].sort((a, b) => a.round - b.round)) {
      const parents = link.parents.map((parent) => this.#links.get(parent));
      const isKnown = link.stage.kind === "incomplete" || isWhole
        ? parents.every((parent) => parent !== undefined && grounded.has(parent))
        : link.stage.kind !== "invalid";
      if (!isKnown) continue;
      grounded.add(link);
      link.parents.forEach((parent) => followed.add(parent));
    }
    return [...grounded].filter(({ digest }) => !followed.has(digest)).reverse();
  }

  /** Records that no peer can adopt, and that no other such record follows: the latest first. */
  condemnedEnds(): readonly Link[] {
    const condemned = [...this.#links.values()].filter(({ stage }) => stage.kind === "invalid" && stage.isCertain);
    const followed = new Set(condemned.flatMap(({ parents }) => parents));
    return condemned.filter(({ digest }) => !followed.has(digest)).sort((a, b) => b.round - a.round);
  }

  /** This record and its ancestors, as far as they are known: the latest round first. */
  of(link: Link): readonly Link[] {
    const known = new Set([link]);
    for (const { parents } of known) {
      for (const parent of parents) {
        const found = this.#links.get(parent);
        if (found !== undefined) known.add(found);
      }
    }
    return [...known].sort((a, b) => b.round - a.round || (a.digest < b.digest ? -1 : 1));
  }

  /** The last record that leads to this one, or itself, whose cell is one of these; null if none is known. */
  lastOf(link: Link, isWanted: (cell: string) => boolean): Link | null {
    let last: Link | undefined = link;
    while (last !== undefined && !isWanted(last.record.body.cell)) last = this.#links.get(last.parents[0]!);
    return last ?? null;
  }

  /** Records not yet journaled among this one and its ancestors, oldest first. */
  unjournaled(link: Link): readonly Link[] {
    const found = new Set(link.journaled ? [] : [link]);
    for (const { parents } of found) {
      for (const digest of parents) {
        const parent = this.#links.get(digest);
        if (parent !== undefined && !parent.journaled) found.add(parent);
      }
    }
    return [...found].sort((a, b) => a.round - b.round);
  }

  #side(link: Link, other: Link): Side | null {
    const chain = this.#wholeOf(link), own = this.exclusive(link, other);
    const chapters = own && this.#chapters(own);
    if (chain === null || !chapters) return null;
    // What a merge record of this side's own brought in may be shared, and then its offers are as well.
    const shared = new Set<Digest>();
    for (const { parents } of own.filter(({ parents }) => parents.length > 1)) {
      const [one, two] = parents.map((parent) => this.#links.get(parent));
      const [left, right] = one && two ? [this.exclusive(one, two), this.exclusive(two, one)] : [null, null];
      if (left === null || right === null) return null;
      for (const link of [...left, ...right].filter((link) => !own.includes(link))) {
        for (const { offer } of link.record.body.counted) shared.add(offer);
      }
    }
    const inOrder = (a: Chapter, b: Chapter) =>
      a.record.round - b.record.round || (bodyDigest(a.record) < bodyDigest(b.record) ? -1 : 1);
    return { chain, own: chapters.toSorted(inOrder), shared };
  }

  /** These records with their offers, or null while some of that, or a state before them, is unknown. */
  #chapters(links: readonly Link[]): readonly Chapter[] | null {
    const chapters = links.map((link): Chapter | null => {
      const offers = this.#offers.countedBy(link.record.body), parent = this.#links.get(link.parents[0]!);
      const before = parent && chainOf(parent);
      if (!before || offers === null) return null;
      return { record: link.record.body, offers: offers.map(({ signed }) => signed.body), usual: before.usual };
    });
    return chapters.every((chapter) => chapter !== null) ? chapters : null;
  }
}
