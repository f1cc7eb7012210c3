/**
 * Who trains which windows of the data order (law 10): below the cursor, every window is leased, returned or trained.
 *
 * A cell leases windows of its own class only, and counts only those as trained (`classes.ts`): it alone says what has
 * been trained of them. Of all others it knows what its meetings told; what they did not is returned, and never leased.
 *
 * Pure functions from ledger to ledger; the ledger is part of the chain state, so they run alike at every peer. Windows
 * count up for ever: those beyond the corpus are the next epoch, which is the learner's business. Work of an offer
 * that is never counted needs no entry: its windows stay leased to its author, who trains them again.
 * @module
 */
import { freshOf, ownedIn } from "./classes.ts";
import { intersect, type Ranges, subtract, union, windowCount } from "./ranges.ts";
import type { Lease, Ledger, PeerId, Range } from "./types.ts";

export const EMPTY_LEDGER: Ledger = { cursor: 0, leases: [], returned: [], duplicated: 0 };

/**
 * Enters windows that counted offers trained, one list for each, whoever they are leased to: after a fork it may be
 * somebody else, and some may be trained already; these are counted as duplicated. So are windows that are not the cell's:
 * their owner has them trained as well.
 */
export function enterTrained(ledger: Ledger, offered: readonly Ranges[], cell = ""): Ledger {
  const trained = ownedIn(union(...offered), cell), opened = openUpTo(ledger, trained.at(-1)?.end ?? 0);
  const open = union(opened.returned, ...opened.leases.map(({ ranges }) => ranges));
  const windows = offered.reduce((count, ranges) => count + windowCount(ranges), 0);
  return {
    cursor: opened.cursor,
    leases: withoutEmpty(opened.leases.map(({ peer, ranges }) => ({ peer, ranges: subtract(ranges, trained) }))),
    returned: subtract(opened.returned, trained),
    duplicated: opened.duplicated + windows - windowCount(intersect(trained, open)),
  };
}

/** Enters what is believed to be trained by other cells. */
export function learnTrained(ledger: Ledger, foreign: Ranges): Ledger {
  const opened = openUpTo(ledger, foreign.at(-1)?.end ?? 0);
  return { ...opened, returned: subtract(opened.returned, foreign) };
}

/** What nobody leased yet, up to this window, is returned. */
function openUpTo(ledger: Ledger, end: number): Ledger {
  if (end <= ledger.cursor) return ledger;
  return { ...ledger, cursor: end, returned: union(ledger.returned, [{ start: ledger.cursor, end }]) };
}

/** Gives back what a part of a cell that is split has no say in: leases of others, and windows of another class. */
export function returnOutside(
  ledger: Ledger,
  { cell, isMate }: { readonly cell: string; readonly isMate: (peer: PeerId) => boolean },
): Ledger {
  const leases = withoutEmpty(
    ledger.leases.filter(({ peer }) => isMate(peer)).map(({ peer, ranges }) => ({
      peer,
      ranges: ownedIn(ranges, cell),
    })),
  );
  const trained = trainedIn(ledger), kept = union(trained, ...leases.map(({ ranges }) => ranges));
  return { ...ledger, leases, returned: subtract([{ start: 0, end: ledger.cursor }], kept) };
}

/** How many windows a member is to hold. */
export interface Share {
  readonly peer: PeerId;
  readonly windows: number;
}

/**
 * Takes back what those hold who have no share, and tops each lease up to its share, in the order given: of the cell's
 * windows the returned ones first, then new ones.
 */
export function dealLeases(ledger: Ledger, shares: readonly Share[], cell = ""): Ledger {
  const held = new Map(ledger.leases.map(({ peer, ranges }) => [peer, ranges] as const));
  const lacking = shares.map(({ peer, windows }) => Math.max(0, windows - windowCount(held.get(peer) ?? [])));
  const sharers = new Set(shares.map(({ peer }) => peer));
  const returned = union(
    ledger.returned,
    ...ledger.leases.filter(({ peer }) => !sharers.has(peer)).map(({ ranges }) => ranges),
  );
  const wanted = lacking.reduce((sum, windows) => sum + windows, 0), again = ownedIn(returned, cell, wanted);
  const fresh = freshOf(cell, { from: ledger.cursor, count: wanted - windowCount(again) });
  const cursor = fresh.at(-1)?.end ?? ledger.cursor, between = subtract([{ start: ledger.cursor, end: cursor }], fresh);
  const dealt = deal([...again, ...fresh], lacking);
  const leases = shares.map(({ peer }, i) => ({ peer, ranges: union(held.get(peer) ?? [], dealt[i]!) }));
  return {
    ...ledger,
    cursor,
    leases: withoutEmpty(leases).toSorted(byPeer),
    returned: union(subtract(returned, again), between),
  };
}

/** Cuts these ranges, one after another, into pieces of so many windows. */
function deal(ranges: Ranges, counts: readonly number[]): readonly Ranges[] {
  let next = 0, at = ranges[0]?.start ?? 0;
  return counts.map((count) => {
    const piece: Range[] = [];
    for (let left = count; left > 0;) {
      const range = ranges[next]!, end = Math.min(range.end, at + left);
      piece.push({ start: at, end });
      left -= end - at;
      at = end < range.end ? end : ranges[++next]?.start ?? end;
    }
    return piece;
  });
}

/**
 * The ledger after both histories: what either trained is trained, a window leased on both sides stays with the holder
 * of the heavier one (`a`), and what is neither is returned.
 *
 * @param windows That `b`'s history added and `a`'s did not: of offers that it counts, and learned in meetings. So
 * duplicates stay exact.
 */
export function uniteLedgers(a: Ledger, b: Ledger, { windows }: { readonly windows: number }): Ledger {
  const cursor = Math.max(a.cursor, b.cursor);
  const trained = union(trainedIn(a), trainedIn(b));
  const leases = new Map<PeerId, Ranges>();
  let taken = trained;
  for (const { peer, ranges } of [...a.leases, ...b.leases]) {
    const free = subtract(ranges, taken);
    taken = union(taken, free);
    leases.set(peer, union(leases.get(peer) ?? [], free));
  }
  return {
    cursor,
    leases: withoutEmpty([...leases].map(([peer, ranges]) => ({ peer, ranges }))).toSorted(byPeer),
    returned: subtract([{ start: 0, end: cursor }], taken),
    duplicated: a.duplicated + windowCount(trainedIn(a)) + windows - windowCount(trained),
  };
}

/** Windows that `b` knows to be trained, though neither `a` nor these offers' ranges say so: learned in meetings. */
export function learnedBy(b: Ledger, { a, offered }: { readonly a: Ledger; readonly offered: Ranges }): number {
  return windowCount(subtract(trainedIn(b), union(trainedIn(a), offered)));
}

const trained = new WeakMap<Ledger, Ranges>();

/** Below the cursor, what nobody has to train; found out once for each ledger, which never changes. */
export function trainedIn(ledger: Ledger): Ranges {
  let ranges = trained.get(ledger);
  if (ranges === undefined) {
    const { cursor, leases, returned } = ledger;
    ranges = subtract([{ start: 0, end: cursor }], union(returned, ...leases.map(({ ranges }) => ranges)));
    trained.set(ledger, ranges);
  }
  return ranges;
}

export function leaseOf(ledger: Ledger, peer: PeerId): Ranges {
  return ledger.leases.find((lease) => lease.peer === peer)?.ranges ?? [];
}

/**
 * Audits a ledger against the windows that all counted offers of its history trained, one list for each offer.
 * Returns what breaks law 10, in words; nothing if the ledger is right.
 *
 * @param told What meetings told to be trained; null in a run that was never split. A cell may have counted more windows
 * twice than it knows of: those that other cells trained as well.
 */
export function account(ledger: Ledger, offers: readonly Ranges[], told: Ranges | null = null): readonly string[] {
  const trained = union(...offers, told ?? []);
  const duplicated = told !== null
    ? ledger.duplicated
    : offers.reduce((count, ranges) => count + windowCount(ranges), 0) - windowCount(trained);
  const holders: { readonly who: string; readonly ranges: Ranges }[] = [
    { who: "trained", ranges: trained },
    { who: "returned", ranges: ledger.returned },
    ...ledger.leases.map(({ peer, ranges }) => ({ who: `leased to ${peer}`, ranges })),
  ];
  const faults = holders.flatMap((a, i) =>
    holders.slice(i + 1).flatMap((b) =>
      intersect(a.ranges, b.ranges).map(({ start, end }) => `windows ${start}–${end} are ${a.who} and ${b.who}`)
    )
  );
  const known = union(...holders.map(({ ranges }) => ranges));
  for (const { start, end } of subtract([{ start: 0, end: ledger.cursor }], known)) {
    faults.push(`windows ${start}–${end} are nobody's`);
  }
  for (const { start, end } of subtract(known, [{ start: 0, end: ledger.cursor }])) {
    faults.push(`windows ${start}–${end} are beyond the cursor ${ledger.cursor}`);
  }
  if (duplicated !== ledger.duplicated) faults.push(`${duplicated} windows are duplicated, not ${ledger.duplicated}`);
  return faults;
}

/** Where a ledger is not the one that was computed, window by window, in words; nothing if they are equal. */
export function differences(stated: Ledger, computed: Ledger): readonly string[] {
  const end = Math.max(stated.cursor, computed.cursor);
  const words = holdersOf(stated, end).flatMap((a) =>
    holdersOf(computed, end).flatMap((b) =>
      a.who === b.who
        ? []
        : intersect(a.ranges, b.ranges).map(({ start, end }) =>
          `windows ${start}–${end} are ${a.who} by the state, ${b.who} by the records`
        )
    )
  );
  if (stated.duplicated !== computed.duplicated) {
    words.push(`${stated.duplicated} windows are duplicated by the state, ${computed.duplicated} by the records`);
  }
  return words;
}

function holdersOf(ledger: Ledger, end: number): readonly { readonly who: string; readonly ranges: Ranges }[] {
  return [
    { who: "trained", ranges: trainedIn(ledger) },
    { who: "returned", ranges: ledger.returned },
    { who: "nobody's yet", ranges: union([{ start: ledger.cursor, end }]) },
    ...ledger.leases.map(({ peer, ranges }) => ({ who: `leased to ${peer}`, ranges })),
  ];
}

function byPeer(a: Lease, b: Lease): number {
  return a.peer < b.peer ? -1 : 1;
}

function withoutEmpty(leases: readonly Lease[]): readonly Lease[] {
  return leases.filter(({ ranges }) => ranges.length > 0);
}
