/**
 * Laws 1 and 10 across cells. Each cell ends on its own head, but no cell is part of another, and no window is two cells'
 * to train.
 * @module
 */
import { areRelated, isIn } from "../../../p2p/sync/cells.ts";
import { ownedIn } from "../../../p2p/sync/classes.ts";
import { intersect, subtract, union, windowCount } from "../../../p2p/sync/ranges.ts";
import { trainedIn } from "../../../p2p/sync/ledger.ts";
import type { SimPeer } from "../sim_peer.ts";
import type { Case } from "./laws.ts";

/**
 * Whoever has no head is told why: the cell that it belongs to died out, and nobody else may give it a state; or what it
 * stood on turned out to follow garbage.
 */
export function cellsApart(cases: readonly Case[], headless: readonly SimPeer[]): readonly string[] {
  const faults: string[] = [], heads = cases.map(({ head }) => head);
  for (const [i, a] of heads.entries()) {
    for (const b of heads.slice(i + 1)) {
      if (areRelated(a.cell, b.cell)) {
        faults.push(`law 1: some stand on cell '${a.cell}', others on '${b.cell}', and these have a part in common`);
      }
      const leased = [a, b].map(({ ledger }) => union(...ledger.leases.map(({ ranges }) => ranges)));
      for (const { start, end } of intersect(leased[0]!, leased[1]!)) {
        faults.push(`law 10: windows ${start}–${end} are leased by cells '${a.cell}' and '${b.cell}'`);
      }
    }
  }
  for (const { id } of headless) {
    const home = cases.find(({ head, weather: { rules } }) => isIn(head.cell, id, rules));
    if (home !== undefined) faults.push(`law 1: ${id} has no head, and cell '${home.head.cell}' is there`);
    else if (
      !cases[0]?.observer.waits.some(({ by, reason }) =>
        by === id && /found only cells|for a peer that has the run .*none of|follows an invalid record/.test(reason)
      )
    ) {
      faults.push(`law 4: ${id} has no head, and was not told why`);
    }
  }
  return faults;
}

/**
 * Law 10 in one cell, from its records alone: of each class what its records counted while it was theirs, and what its
 * meetings told of all others, is trained; all else below the cursor is leased to a member, or returned.
 */
export function cellLedgerFollows({ head, history, weather: { rules } }: Case): readonly string[] {
  const faults: string[] = [], { ledger, roster, cell } = head, trained = trainedIn(ledger);
  const told = history.flatMap(({ record: { cell, met } }) => met === null ? [] : [{ cell, known: met.known }]);
  const own = union(
    ...history.flatMap(({ record, offers }) => offers.map(({ ranges }) => ownedIn(ranges, record.cell))),
  );
  // Of what meetings told not all may be believed; how much, the state says that is computed anew (`ledger.ts`).
  const expected = union(own, ...told.map(({ cell, known }) => subtract(known, ownedIn(known, cell))));
  const wrong = [...subtract(trained, expected), ...subtract(own, trained)];
  for (const { start, end } of wrong.slice(0, 5)) {
    faults.push(
      `law 10: windows ${start}–${end} are ${intersect([{ start, end }], trained).length ? "" : "not "}trained`,
    );
  }
  const leased = union(...ledger.leases.map(({ ranges }) => ranges));
  if (windowCount(ownedIn(leased, cell)) !== windowCount(leased)) {
    faults.push(`law 10: '${cell}' leases other cells' data`);
  }
  for (const { peer } of roster) {
    if (!isIn(cell, peer, rules)) faults.push(`law 10: ${peer} is a member of cell '${cell}', and not in it`);
  }
  for (const { peer } of ledger.leases) {
    if (!roster.some((member) => member.peer === peer)) faults.push(`law 10: ${peer} has a lease and is no member`);
  }
  const each = new Map(
    history.flatMap(({ record, offers }) => offers.map((offer, i) => [record.counted[i]!.offer, offer])),
  );
  const counted = [...each.values()].map(({ ranges }) => ranges);
  const twice = counted.reduce((sum, ranges) => sum + windowCount(ranges), 0) - windowCount(union(...counted));
  if (ledger.duplicated < twice) faults.push(`law 10: ${twice} windows are duplicated, not ${ledger.duplicated}`);
  return faults;
}
