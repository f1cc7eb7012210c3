/**
 * How lineages become one: every so many updates of each, the two of lowest demand are averaged by demand (AdLoCo's
 * merging of trainers, Kutuzov et al. 2025, arXiv 2508.18182). The one of higher demand keeps its name and momentum.
 *
 * Facts of the chain alone: weights are averaged elsewhere, by the shares that follow from here.
 * @module
 */
import { firstBatch, nextBatch } from "./batch/request.ts";
import { demandsOf, sharesOf } from "./demand.ts";
import { type Ground, lineageCount } from "./lineages.ts";
import type { BatchState, ChainState, Lineage, LineageMerge, Noise, Offer, SyncRules } from "./types.ts";

export function firstLineages(rules: SyncRules): readonly Lineage[] {
  const batch = firstBatch(rules);
  return Array.from({ length: lineageCount(rules) }, (_, id) => ({ id, from: [id], batch, updates: 0 }));
}

export interface NextLineagesOptions {
  readonly round: number;
  /** All that the record counts, and what of it was trained on the state before it. */
  readonly offers: readonly Offer[];
  readonly fresh: readonly Offer[];
  /** Tokens of the run after the record. */
  readonly tokens: number;
  readonly rules: SyncRules;
}

/** The lineages after a record that counts work. */
export function nextLineages(
  parent: Pick<ChainState, "lineages" | "roster" | "merged">,
  { round, offers, fresh, tokens, rules }: NextLineagesOptions,
): Pick<ChainState, "lineages" | "merged"> {
  const isOne = parent.lineages.length === 1;
  const grown = parent.lineages.map((lineage): Lineage => {
    const isIts = ({ lineage: id }: Offer) => lineage.from.includes(id);
    const isUpdated = !isOne && offers.some((offer) => isIts(offer) && offer.tokens > 0);
    return {
      ...lineage,
      batch: nextBatch(lineage.batch, { fresh: isOne ? fresh : fresh.filter(isIts), tokens, rules }),
      updates: lineage.updates + (isUpdated ? 1 : 0),
    };
  });
  if (!isMergeDue({ ...parent, lineages: grown }, round, rules)) return { lineages: grown, merged: parent.merged };
  const { roster } = parent, [gone, kept] = byDemand({ lineages: grown, roster });
  const shares = sharesOf({ lineages: [kept!, gone!], roster });
  const merged: LineageMerge = { round, kept: kept!.id, gone: gone!.id, shares: [shares[0]!, shares[1]!] };
  const lineages = grown.filter((lineage) => lineage !== gone)
    .map((lineage) => ({ ...(lineage === kept ? fuse(kept, gone!, merged.shares) : lineage), updates: 0 }));
  return { lineages, merged };
}

/**
 * Every `mergeEvery` updates of each. One whose members bring nothing does not keep the others waiting for ever: as many
 * rounds as an update of each takes where members train several in turn, and those after which a silent member is gone.
 */
function isMergeDue(
  { lineages, roster, merged }: Pick<ChainState, "lineages" | "roster" | "merged">,
  round: number,
  { batching, rosterRounds }: SyncRules,
): boolean {
  if (batching.policy !== "adloco" || batching.mergeEvery === null || lineages.length === 1) return false;
  const { mergeEvery } = batching, turns = Math.max(1, ...roster.map(({ hosts }) => hosts.length));
  if (lineages.every(({ updates }) => updates >= mergeEvery)) return true;
  return round - (merged?.round ?? 0) >= (mergeEvery + rosterRounds) * turns && roster.length > 0;
}

/** The lowest first; of equals the lower id. */
function byDemand(ground: Ground): readonly Lineage[] {
  const demands = demandsOf(ground);
  return ground.lineages.map((lineage, i) => ({ lineage, demand: demands[i]! }))
    .sort((a, b) => a.demand - b.demand || a.lineage.id - b.lineage.id)
    .map(({ lineage }) => lineage);
}

/** Two lineages as one, with the id of the first. A batch never shrinks, so it is the larger one. */
function fuse(kept: Lineage, gone: Lineage, [own, others]: readonly [number, number]): Lineage {
  const from = [...kept.from, ...gone.from].sort((a, b) => a - b);
  return { ...kept, from, batch: fuseBatches(kept.batch, gone.batch, others / (own + others)) };
}

function fuseBatches(a: BatchState, b: BatchState, share: number): BatchState {
  return {
    request: Math.max(a.request, b.request),
    wanted: Math.max(a.wanted, b.wanted),
    steps: Math.max(a.steps, b.steps),
    noise: a.noise !== null && b.noise !== null ? fuseNoise(a.noise, b.noise, share) : a.noise ?? b.noise,
  };
}

function fuseNoise(a: Noise, b: Noise, share: number): Noise {
  const mean = (of: (noise: Noise) => number) => (1 - share) * of(a) + share * of(b);
  return {
    tests: a.tests + b.tests,
    variance: mean(({ variance }) => variance),
    signal: mean(({ signal }) => signal),
    along: mean(({ along }) => along),
  };
}

/**
 * The lineages of two histories that become one, the heavier first: what either has made one is one. What is a choice is
 * the heavier side's.
 */
export function uniteLineages([heavier, lighter]: readonly [Ground, Ground]): readonly Lineage[] {
  const { roster } = heavier;
  let groups = heavier.lineages.map(({ from }) => from);
  for (const { from } of lighter.lineages) {
    const touched = groups.filter((group) => group.some((id) => from.includes(id)));
    groups = [...groups.filter((group) => !touched.includes(group)), touched.flat()];
  }
  return groups.map((group) => {
    const [first, ...others] = byDemand({ roster, lineages: heavier.lineages.filter(({ id }) => group.includes(id)) });
    return others.reduce((gone, kept) => {
      const [own, its] = sharesOf({ lineages: [kept, gone], roster });
      return { ...fuse(kept, gone, [own!, its!]), updates: 0 };
    }, first!);
  }).sort((a, b) => a.id - b.id);
}

/** The lineages of a state that are in this one, each with where its weights are and how much they count. */
export function partsIn(
  { lineages, roster }: Ground,
  { from }: Lineage,
): readonly { readonly at: number; readonly share: number }[] {
  const parts = lineages.flatMap((lineage, at) => from.includes(lineage.id) ? [{ lineage, at }] : []);
  const shares = sharesOf({ lineages: parts.map(({ lineage }) => lineage), roster });
  const total = shares.reduce((sum, share) => sum + share, 0);
  return parts.map(({ at }, i) => ({ at, share: shares[i]! / total }));
}
