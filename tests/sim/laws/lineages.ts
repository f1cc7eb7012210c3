/**
 * Law 3 for lineages: who trains which, when two become one and with what shares, and that each is folded from its own
 * members' work alone. Recomputed from the records and from what peers said of their weights, with none of the core's own
 * functions; states that two histories became are taken as they are.
 * @module
 */
import { foldWeights, INITIAL_WEIGHTS, type Part } from "../sim_learner.ts";
import type { ChainState, Digest, Lineage, Member } from "../../../p2p/sync/types.ts";
import type { Chapter } from "./history.ts";
import type { Case } from "./laws.ts";

export function lineagesFollow(given: Case): readonly string[] {
  const { history, observer, living, weather: { rules } } = given, states = new Map<Digest, ChainState>();
  for (const { id } of living) for (const { chain } of observer.adoptions.get(id) ?? []) states.set(chain.head, chain);
  const weights = new Map<Digest, Digest>([[history[0]!.digest, INITIAL_WEIGHTS], ...observer.weights]);
  // Updates of each lineage of the beginning since two of its history last became one.
  const updates = new Map<Digest, ReadonlyMap<number, number>>();
  return history.flatMap((chapter) => {
    const { digest, record } = chapter, [first, second] = record.parents, after = states.get(digest);
    const before = first === undefined ? undefined : states.get(first);
    const isCounting = second === undefined && record.met === null;
    if (before === undefined || after === undefined || !isCounting) {
      if (after !== undefined) updates.set(digest, new Map(after.lineages.map(({ id, updates }) => [id, updates])));
      return [];
    }
    const counted = countUpdates(updates.get(first!), before, chapter);
    const isMerged = after.lineages.length < before.lineages.length;
    updates.set(digest, isMerged ? new Map() : counted);
    const faults = [
      whyWrongMembers(before, after),
      isMerged ? whyWrongMerge(before, after) : null,
      whyWrongTime(before, { after, counted, rules }),
      whyWrongFold(chapter, { before, after, weights, discount: rules.ageDiscount }),
    ];
    return faults.flatMap((why) => why === null ? [] : [`law 3: ${why}, in round ${record.round}`]);
  });
}

function countUpdates(
  known: ReadonlyMap<number, number> | undefined,
  { lineages }: ChainState,
  { offers }: Chapter,
): ReadonlyMap<number, number> {
  return new Map(lineages.map(({ id, from, updates }) => {
    const isWorkedFor = offers.some(({ lineage, tokens }) => tokens > 0 && from.includes(lineage));
    return [id, (known === undefined ? updates : known.get(id) ?? 0) + (isWorkedFor ? 1 : 0)];
  }));
}

function countOf(roster: readonly Member[], id: number): number {
  return roster.filter(({ hosts }) => hosts.includes(id)).length;
}

/** How many members of mean speed those are who train this; whoever trains several is divided among them. */
function meanMembersOf(roster: readonly Member[], id: number): number {
  const known = roster.flatMap(({ speed }) => speed > 0 ? [speed] : []),
    meanOf = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
  const speeds = roster.map(({ speed }) => speed > 0 ? speed : known.length === 0 ? 1 : meanOf(known));
  return roster.reduce((sum, { hosts }, i) => {
    const turns = hosts.filter((hosted) => hosted === id).length;
    return sum + turns / hosts.length * speeds[i]! / meanOf(speeds);
  }, 0);
}

/** Each trains something, each lineage is trained, and nobody changes unless members or lineages do. */
function whyWrongMembers(before: ChainState, { roster, lineages }: ChainState): string | null {
  const ids = lineages.map(({ id }) => id);
  for (const { peer, hosts } of roster) {
    if (hosts.length === 0 || !hosts.every((id) => ids.includes(id))) return `${peer} trains lineages ${hosts}`;
    if (roster.length >= ids.length && hosts.length > 1) {
      return `${peer} trains several, and there are members for each`;
    }
  }
  const idle = ids.find((id) => roster.length > 0 && countOf(roster, id) === 0);
  if (idle !== undefined) return `nobody trains lineage ${idle}`;
  const isSame = before.lineages.length === ids.length && before.roster.length === roster.length &&
    before.roster.every(({ peer }, i) => peer === roster[i]!.peer);
  const moved = roster.find(({ hosts }, i) => isSame && hosts.join() !== before.roster[i]!.hosts.join());
  return moved === undefined ? null : `${moved.peer} trains another lineage, and nothing has changed`;
}

/** The two of lowest demand, weighed by it: members by speed, times requests, of which the larger one stays. */
function whyWrongMerge({ lineages, roster }: ChainState, { lineages: left, merged }: ChainState): string | null {
  const gone = lineages.filter(({ id }) => left.every((lineage) => lineage.id !== id));
  if (gone.length !== 1 || merged === null || merged.gone !== gone[0]!.id) {
    return `${gone.length} lineages are gone, and not the one that is named`;
  }
  const kept = left.find(({ id }) => id === merged.kept), was = lineages.find(({ id }) => id === merged.kept);
  if (kept === undefined || was === undefined) return `lineage ${merged.kept} is not there`;
  const all = [...was.from, ...gone[0]!.from].sort((a, b) => a - b);
  if (kept.from.join() !== all.join()) return `lineage ${kept.id} is made of ${kept.from}, not of ${all}`;
  const [own, its] = merged.shares, membersOf = (id: number) => meanMembersOf(roster, id);
  const requests = [own / membersOf(kept.id), its / membersOf(merged.gone)];
  if (!isAlike(Math.max(...requests), kept.batch.request)) {
    return `lineages weigh ${own} and ${its}, and the batch is ${kept.batch.request}`;
  }
  const isLight = ({ batch }: Lineage, i: number) =>
    requests[i]! < batch.request && !isAlike(requests[i]!, batch.request);
  if (isLight(was, 0) || isLight(gone[0]!, 1)) return "a lineage weighs too little";
  if (its > own || (its === own && merged.gone > kept.id)) return "the lineage of higher demand is gone";
  const lower = left.find(({ id, batch: { request } }) => {
    const demand = request * membersOf(id);
    return id !== kept.id && demand < own && !isAlike(demand, own);
  });
  return lower === undefined ? null : `lineage ${lower.id} has lower demand than ${own}`;
}

/** But for rounding. */
function isAlike(a: number, b: number): boolean {
  return Math.abs(a - b) <= 1e-9 * b;
}

/** As soon as each has had its updates; those that get none are not waited for without end. */
function whyWrongTime(
  before: ChainState,
  { after, counted, rules: { batching, rosterRounds } }: {
    readonly after: ChainState;
    readonly counted: ReadonlyMap<number, number>;
    readonly rules: Case["weather"]["rules"];
  },
): string | null {
  const isMerged = after.lineages.length < before.lineages.length;
  if (batching.policy !== "adloco" || batching.mergeEvery === null || before.lineages.length === 1) {
    return isMerged ? "two lineages became one, and none should" : null;
  }
  const least = Math.min(...counted.values()), turns = Math.max(1, ...before.roster.map(({ hosts }) => hosts.length));
  const waited = after.round - (before.merged?.round ?? 0);
  const isDue = least >= batching.mergeEvery ||
    (before.roster.length > 0 && waited >= (batching.mergeEvery + rosterRounds) * turns);
  if (isDue === isMerged) return null;
  return `two lineages ${isMerged ? "became one" : "stayed two"} after ${least} updates each and ${waited} rounds`;
}

/** Each lineage's set changes by its own members' contributions: capped tokens, discounted by age. */
function whyWrongFold({ digest, record, offers }: Chapter, { before, after, weights, discount }: {
  readonly before: ChainState;
  readonly after: ChainState;
  readonly weights: ReadonlyMap<Digest, Digest>;
  readonly discount: number;
}): string | null {
  const parent = weights.get(before.head), found = weights.get(digest);
  if (parent === undefined || found === undefined) return null;
  const tokens = offers.map(({ tokens }) => tokens).filter((count) => count > 0).sort((a, b) => a - b);
  const cap = (tokens[Math.ceil(tokens.length / 2) - 1] ?? 0) + (tokens[Math.floor(tokens.length / 2)] ?? 0);
  const parts = offers.flatMap(({ blob, tokens, lineage }, i): readonly Part[] => {
    if (blob === null) return [];
    const at = before.lineages.findIndex(({ from }) => from.includes(lineage));
    let weight = Math.min(tokens, cap);
    for (let age = 0; age < record.counted[i]!.age; age++) weight *= discount;
    return [{ blob, at, weight }];
  });
  const { merged } = after, placeOf = (id: number) => before.lineages.findIndex((lineage) => lineage.id === id);
  const joined = merged === null || after.lineages.length === before.lineages.length
    ? null
    : { kept: placeOf(merged.kept), gone: placeOf(merged.gone), shares: merged.shares };
  return foldWeights({ parent, parts, joined }) === found ? null : "the weights are not what its offers give";
}
