/**
 * In which order records, offers and states are written down (law 6): what a record needs before the record, and each
 * once. `restore.ts` reads it back.
 * @module
 */
import type { Book } from "./book.ts";
import type { Context } from "./context.ts";
import { chainOf, type Link, type State } from "./link.ts";

/** Writes down a state with all that leads to it, each once: offers before the record that counts them. */
export function journalState(context: Context, book: Book, { link, chain, weights }: State): void {
  journalRecords(context, book, link);
  context.emit({ kind: "journal", entry: { kind: "state", record: link.record, chain, weights } });
}

/** Writes down a record with all that leads to it: of a merge that this peer writes also what it unites. */
export function journalRecords(context: Context, book: Book, link: Link): void {
  for (const each of book.ancestry.unjournaled(link)) {
    // What came with a state that another peer gave has no known ancestors.
    if (each === link || chainOf(each) !== null) journalRecord(context, book, each);
  }
}

/** Writes down a record: after the offers that it counts. */
function journalRecord({ emit }: Context, book: Book, link: Link): void {
  for (const held of book.countedOffers(link) ?? []) {
    if (!held.journaled) emit({ kind: "journal", entry: { kind: "offer", offer: held.signed } });
    held.journaled = true;
  }
  emit({ kind: "journal", entry: { kind: "record", record: link.record } });
  link.journaled = true;
}
