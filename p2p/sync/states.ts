/**
 * The state after each record that one peer knows, as far as it follows from what is known: the record's parents, and the
 * offers that it counts. A state with too many members is more than the part of it that this peer sees: the whole is what
 * its parts have in common, and what a merge is made of.
 *
 * It asks the rules, and changes no record.
 * @module
 */
import { areRelated, depthOf, digitsOf, isIn } from "./cells.ts";
import type { Ancestry } from "./ancestry.ts";
import { chainOf, type Link } from "./link.ts";
import type { OfferShelf } from "./offer_shelf.ts";
import type { Rulebook } from "./rulebook.ts";
import type { ChainState, Digest, RoundRecord, SyncRules } from "./types.ts";

export const FOLLOWS_INVALID = "it follows an invalid record";

export interface StatesOptions {
  readonly links: ReadonlyMap<Digest, Link>;
  readonly offers: OfferShelf;
  readonly ancestry: Ancestry;
  readonly rules: SyncRules;
  readonly rulebook: Rulebook;
  /** Of the peer that sees its part of a state. */
  readonly digits: string;
}

export class States {
  readonly #options: StatesOptions;
  /** States with too many members, of which the links have one part. */
  readonly #wholes = new Map<Digest, ChainState>();

  constructor(options: StatesOptions) {
    this.#options = options;
  }

  /** The state after a record, whole, or why the record is invalid; null while that cannot be said. */
  after(link: Link): ChainState | string | null {
    const { links, offers, ancestry, rules, rulebook } = this.#options;
    const parents = link.parents.map((parent) => links.get(parent));
    if (parents.some((parent) => parent?.stage.kind === "invalid")) return FOLLOWS_INVALID;
    const { digest } = link, record = link.record.body;
    if (parents.length > 1) {
      const sides = ancestry.sidesOf(link);
      if (sides === null) return null;
      return rulebook.whyInvalidMerge(record, sides, rules) ?? rulebook.unite(sides, { record, digest, rules });
    }
    const parent = parents[0] === undefined ? null : this.#before(record, parents[0]);
    if (parent === null || typeof parent === "string") return parent;
    const held = offers.countedBy(record), counted = held?.map(({ signed }) => signed.body);
    if (!held || !counted) return null;
    for (const { digest, verdict } of held) if (verdict?.valid === false) return countsRefuted(digest, verdict.reason);
    const fault = record.met === null
      ? rulebook.whyInvalid(record, counted, { parent, rules })
      : rulebook.whyNoMeeting(record, parent, rules);
    return fault ?? rulebook.advance(parent, { record, digest, offers: counted, rules });
  }

  /** The part of this state after a record that is ours. */
  partOf({ digest }: Link, whole: ChainState): ChainState {
    const { rules, rulebook, digits } = this.#options, part = rulebook.viewOf(whole, digits, rules);
    if (part !== whole) this.#wholes.set(digest, whole);
    return part;
  }

  /**
   * The whole state after a record, however many members it has; null if that is not known. Of one from our disk or from
   * another peer we have only the part that is ours, and the whole as soon as its parents are known.
   */
  wholeOf(link: Link): ChainState | null {
    const chain = chainOf(link);
    if (chain === null || depthOf(chain.cell) <= depthOf(link.record.body.cell)) return chain;
    const known = this.#wholes.get(link.digest);
    if (known !== undefined) return known;
    const made = this.after(link);
    if (made === null || typeof made === "string") return null;
    this.#wholes.set(link.digest, made);
    return made;
  }

  forget(record: Digest): void {
    this.#wholes.delete(record);
  }

  /** The state that a record follows: its cell's part of it, if it has too many members. Or why there is none; or null. */
  #before({ cell }: RoundRecord, parent: Link): ChainState | string | null {
    const chain = this.wholeOf(parent) ?? chainOf(parent), { rules, rulebook } = this.#options;
    if (chain === null || !areRelated(chain.cell, cell)) return null; // a part that we never saw
    const mate = chain.roster.find(({ peer }) => isIn(cell, peer, rules));
    const seen = mate === undefined ? chain : rulebook.viewOf(chain, digitsOf(rules, mate.peer), rules);
    return seen.cell === cell ? seen : `it is of cell '${cell}' after a state of cell '${seen.cell}'`;
  }
}

export function countsRefuted(offer: Digest, reason: string): string {
  return `it counts offer ${offer} although ${reason}`;
}
