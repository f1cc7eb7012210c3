/**
 * Who trains which windows of the data order (law 10): below the cursor, every window is leased, returned or trained.
 *
 * Pure functions from ledger to ledger; the ledger is part of the chain state, so they run alike at every peer. Windows
 * count up for ever: those beyond the corpus are the next epoch, which is the learner's business. Work of an offer
 * that is never counted needs no entry: its windows stay leased to its author, who trains them again.
 * @module
 */
import { firstWindows, intersect, type Ranges, subtract, union, windowCount } from "./ranges.ts";
import type { Lease, Ledger, PeerId } from "./types.ts";

export const EMPTY_LEDGER: Ledger = { cursor: 0, leases: [], returned: [], duplicated: 0 };

/**
 * Enters windows that a counted offer trained, whoever they are leased to: after a fork it may be somebody else, and
 * some may be trained already; these are counted as duplicated.
 */
export function enterTrained(ledger: Ledger, trained: Ranges): Ledger {
  const end = trained.at(-1)?.end ?? 0;
  const opened = end <= ledger.cursor ? ledger : {
    ...ledger,
    cursor: end,
    returned: union(ledger.returned, [{ start: ledger.cursor, end }]),
  };
  const open = union(opened.returned, ...opened.leases.map(({ ranges }) => ranges));
  return {
    cursor: opened.cursor,
    leases: withoutEmpty(opened.leases.map(({ peer, ranges }) => ({ peer, ranges: subtract(ranges, trained) }))),
    returned: subtract(opened.returned, trained),
    duplicated: opened.duplicated + windowCount(subtract(trained, open)),
  };
}

/** Gives the lease of a peer that left to whoever needs windows next. */
export function returnLease(ledger: Ledger, peer: PeerId): Ledger {
  return {
    ...ledger,
    leases: ledger.leases.filter((lease) => lease.peer !== peer),
    returned: union(ledger.returned, leaseOf(ledger, peer)),
  };
}

/** Tops a lease up to `windows` windows: returned ones first, then new ones. */
export function topUpLease(ledger: Ledger, peer: PeerId, windows: number): Ledger {
  const held = leaseOf(ledger, peer);
  const wanted = windows - windowCount(held);
  if (wanted <= 0) return ledger;
  const again = firstWindows(ledger.returned, wanted);
  const fresh = wanted - windowCount(again);
  const cursor = ledger.cursor + fresh;
  const ranges = union(held, again, [{ start: ledger.cursor, end: cursor }]);
  const others = ledger.leases.filter((lease) => lease.peer !== peer);
  return {
    ...ledger,
    cursor,
    leases: [...others, { peer, ranges }].sort(byPeer),
    returned: subtract(ledger.returned, again),
  };
}

/**
 * The ledger after both histories: what either trained is trained, a window leased on both sides stays with the holder
 * of the heavier one (`a`), and what is neither is returned.
 *
 * @param windows Of the offers that `b`'s history counts and `a`'s does not: so that duplicates stay exact.
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

/** Below the cursor, what nobody has to train. */
export function trainedIn({ cursor, leases, returned }: Ledger): Ranges {
  return subtract([{ start: 0, end: cursor }], union(returned, ...leases.map(({ ranges }) => ranges)));
}

export function leaseOf(ledger: Ledger, peer: PeerId): Ranges {
  return ledger.leases.find((lease) => lease.peer === peer)?.ranges ?? [];
}

/**
 * Audits a ledger against the windows that all counted offers of its history trained, one list for each offer.
 * Returns what breaks law 10, in words; nothing if the ledger is right.
 */
export function account(ledger: Ledger, offers: readonly Ranges[]): readonly string[] {
  const trained = union(...offers);
  const duplicated = offers.reduce((count, ranges) => count + windowCount(ranges), 0) - windowCount(trained);
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
