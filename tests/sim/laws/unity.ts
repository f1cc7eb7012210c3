/**
 * Laws 1, 2, 3 and 8: one head, each offer once, the same bits everywhere, and nobody honest is blamed.
 * @module
 */
import { areRelated, isIn } from "../../../p2p/sync/cells.ts";
import { ownedIn } from "../../../p2p/sync/classes.ts";
import { subtract, union, windowCount } from "../../../p2p/sync/ranges.ts";
import type { Digest, SyncRules } from "../../../p2p/sync/types.ts";
import { ancestorsIn, type Chapter } from "./history.ts";
import type { Case, Scene } from "./laws.ts";

/** All of a cell who are up end on one head; where states differ, law 3 says so. */
export function convergence({ living, observer }: Case): readonly string[] {
  const ends = living.map(({ id }) => ({ id, chain: observer.adoptions.get(id)?.at(-1)?.chain }));
  if (new Set(ends.map(({ chain }) => chain?.head)).size === 1) return [];
  return [`law 1: ${ends.map(({ id, chain }) => `${id} ended on round ${chain?.round ?? "none"}`).join(", ")}`];
}

/** Whether all honest peers of a cell have one head, no two cells have a part in common, and nobody lacks a head that could have one. */
export function areAtOne(
  { observer, peers, rules }: Pick<Scene, "observer" | "peers"> & { readonly rules: SyncRules },
): boolean {
  const living = peers.filter(({ isUp, isHonest }) => isUp && isHonest), heads = new Map<string, Digest>();
  for (const { id } of living) {
    const chain = observer.adoptions.get(id)?.at(-1)?.chain;
    if (chain === undefined) continue;
    if ((heads.get(chain.cell) ?? chain.head) !== chain.head) return false;
    heads.set(chain.cell, chain.head);
  }
  const cells = [...heads.keys()], headless = living.filter(({ id }) => !observer.adoptions.has(id));
  return cells.every((cell, i) => !cells.slice(i + 1).some((other) => areRelated(cell, other))) &&
    headless.every(({ id }) => !cells.some((cell) => isIn(cell, id, rules)));
}

/** No offer is counted by a record and again by one that follows it; two sides of a fork may each count it. */
export function exactlyOnce({ head, history, observer: { offers }, weather: { rules } }: Case): readonly string[] {
  const faults: string[] = [], countedBy = new Map<Digest, Digest[]>();
  const hasMerges = history.some(({ record }) => record.parents.length > 1);
  const ancestors = hasMerges ? ancestorsIn(history) : null;
  let tokens = 0;
  for (const { digest, record } of history) {
    for (const { offer } of record.counted) {
      const before = countedBy.get(offer) ?? [];
      if (before.length === 0) tokens += offers.get(offer)?.tokens ?? NaN;
      if (before.some((earlier) => ancestors === null || earlier === digest || ancestors.get(digest)!.has(earlier))) {
        faults.push(`law 2: offer ${offer} is counted in round ${record.round} and before`);
      }
      countedBy.set(offer, [...before, digest]);
    }
  }
  const { contextLength } = rules, told = windowsTold(history);
  if (head.tokens < tokens || head.tokens > tokens + told * contextLength) {
    const more = told === 0 ? "" : `, and is told of ${told} windows`;
    faults.push(`law 2: the history counts ${tokens} tokens${more}, its state says ${head.tokens}`);
  }
  return faults;
}

/**
 * Windows of other cells that meetings told of: the tokens of a history include those that it did not know before, and no
 * more. How many those were depends on what came first, a meeting or an offer on its way over a split, and on which side of
 * a merge: the state that is computed anew says that (`ledger.ts`).
 */
function windowsTold(history: readonly Chapter[]): number {
  const told = history.flatMap(({ record: { cell, met } }) => met === null ? [] : [{ cell, known: met.known }]);
  return windowCount(union(...told.map(({ cell, known }) => subtract(known, ownedIn(known, cell)))));
}

export function sameBits({ observer: { bases, mismatches }, peers }: Case): readonly string[] {
  const honest = new Set(peers.filter(({ isHonest }) => isHonest).map(({ id }) => id));
  const states = [...bases].filter(([, states]) => states.size > 1).map(([record, states]) =>
    `law 3: record ${record} became ${states.size} states, at ${[...states.values()].join(" and ")}`
  );
  const told = mismatches.filter(({ event }) => honest.has(event.peer)).map(({ by, event }) =>
    `law 3: ${by} has state ${event.mine} after ${event.record}, ${event.peer} ${event.theirs}`
  );
  return [...states, ...told];
}

/** What a liar says in another's name proves nothing against that other. */
const UNPROVEN = ["its signature is not its author's", "it belongs to run"];

/** Law 8: only liars are rejected. */
export function nobodyWronged({ observer: { rejections }, peers }: Case): readonly string[] {
  const honest = new Set(peers.filter(({ isHonest }) => isHonest).map(({ id }) => id));
  return rejections
    .filter(({ event: { peer, reason } }) => honest.has(peer) && !UNPROVEN.some((start) => reason.startsWith(start)))
    .map(({ by, event }) => `law 8: ${by} rejected ${event.what} of ${event.peer}, who is honest: ${event.reason}`);
}
