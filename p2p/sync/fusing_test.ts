import { strict as assert } from "node:assert";
import { tinyRules } from "../../tests/tiny_rules.ts";
import { withHosts } from "./dealing.ts";
import { genesisState } from "./chain.ts";
import { nextLineages, partsIn, uniteLineages } from "./fusing.ts";
import { lineageOf } from "./lineages.ts";
import type { AdlocoChoice } from "./batch/batching.ts";
import type { ChainState, Lineage, Member, Noise, Offer, PeerId, SyncRules } from "./types.ts";

function rulesOf(changes: Partial<AdlocoChoice> = {}): SyncRules {
  const choice: AdlocoChoice = {
    ...{ policy: "adloco", lineages: 4, mergeEvery: 2, test: "none", variant: "corrected" },
    ...{ eta: 0.7, theta: 0.5, nu: 1 },
    ...changes,
  };
  return tinyRules({ batch: 8, batching: { most: null, ceilingTokens: null, ...choice } });
}

function memberOf(i: number, speed = 1_000): Member {
  return { peer: `peer${i}` as PeerId, since: 1, lastCounted: 1, speed, nextMs: 1_000, name: `peer${i}`, hosts: [] };
}

/** A state of so many members, each of whom trains a lineage. */
function stateOf(members: number, rules: SyncRules): ChainState {
  const genesis = genesisState(rules), { lineages } = genesis;
  const roster = withHosts(Array.from({ length: members }, (_, i) => memberOf(i)), { before: [], lineages });
  return { ...genesis, roster };
}

function offerFor(lineage: number, changes: Partial<Offer> = {}): Offer {
  return { lineage, tokens: 512, steps: 10, noise: null, ...changes } as Offer; // what lineages look at
}

/** The states after records in which every member offers on the lineage that it trains. */
function follow(state: ChainState, records: number, rules: SyncRules): readonly ChainState[] {
  const states: ChainState[] = [];
  for (let i = 0; i < records; i++) {
    const before = states.at(-1) ?? state, round = before.round + 1;
    const offers = before.roster.map(({ peer }) => offerFor(lineageOf(before, peer).id));
    const { lineages, merged } = nextLineages(before, { round, offers, fresh: offers, tokens: 512 * round, rules });
    const roster = withHosts(before.roster, { before: before.roster, lineages });
    states.push({ ...before, round, lineages, merged, roster });
  }
  return states;
}

/** A lineage with this request. */
function asking(id: number, request: number, from = [id]): Lineage {
  return { id, from, batch: { request, wanted: request, steps: 0, noise: null }, updates: 0 };
}

function hosting(...hosts: readonly number[]): Member[] {
  return hosts.map((id, i) => ({ ...memberOf(i), hosts: [id] }));
}

Deno.test("four lineages that merge every two updates become one after the second, fourth and sixth", () => {
  const rules = rulesOf(), states = follow(stateOf(4, rules), 8, rules);
  assert.deepEqual(states.map(({ lineages }) => lineages.length), [4, 3, 3, 2, 2, 1, 1, 1]);
  assert.deepEqual(states.at(-1)!.lineages[0]!.from, [0, 1, 2, 3]);
  assert.deepEqual(states.map(({ merged }) => merged?.round), [undefined, 2, 2, 4, 4, 6, 6, 6]);
});

Deno.test("a peer that trains three lineages in turn takes three times as long to merge two", () => {
  const rules = rulesOf({ lineages: 3 }), states = follow(stateOf(1, rules), 12, rules);
  assert.deepEqual(states.map(({ lineages }) => lineages.length), [3, 3, 3, 3, 3, 2, 2, 2, 2, 1, 1, 1]);
});

Deno.test("lineages that never merge stay, and a run without lineages counts no updates", () => {
  const never = rulesOf({ mergeEvery: null });
  assert.equal(follow(stateOf(4, never), 20, never).at(-1)!.lineages.length, 4);
  const plain = tinyRules(), [last] = follow(stateOf(2, plain), 3, plain).slice(-1);
  assert.deepEqual(last!.lineages.map(({ id, from, updates }) => ({ id, from, updates })), [
    { id: 0, from: [0], updates: 0 },
  ]);
});

Deno.test("the two of lowest demand merge: members times request, weights by it, and the second lowest keeps its name", () => {
  const rules = rulesOf(), { merged: _, ...ground } = stateOf(4, rules);
  const lineages = [asking(0, 30), asking(1, 20), asking(2, 16), asking(3, 10)]
    .map((lineage) => ({ ...lineage, updates: 2 }));
  const roster = hosting(0, 1, 2, 3, 3); // demands 30, 20, 16 and 20
  const options = { round: 2, offers: [], fresh: [], tokens: 0, rules };
  const { lineages: after, merged } = nextLineages({ ...ground, lineages, roster, merged: null }, options);
  assert.deepEqual(merged, { round: 2, kept: 1, gone: 2, shares: [20, 16] });
  assert.deepEqual(after.map(({ id, from, batch, updates }) => ({ id, from, request: batch.request, updates })), [
    { id: 0, from: [0], request: 30, updates: 0 },
    { id: 1, from: [1, 2], request: 20, updates: 0 },
    { id: 3, from: [3], request: 10, updates: 0 },
  ]);
});

Deno.test("what two lineages measured is averaged by demand, and the larger batch stays", () => {
  const rules = rulesOf({ lineages: 2 }),
    noise = (variance: number): Noise => (
      { tests: 3, variance, signal: variance / 100, along: 0 }
    );
  const lineages = [asking(0, 30), asking(1, 10)]
    .map((each, i) => ({ ...each, updates: 2, batch: { ...each.batch, noise: noise(i === 0 ? 100 : 200) } }));
  const state = { ...stateOf(2, rules), lineages, roster: hosting(0, 1) };
  const { lineages: [one] } = nextLineages(state, { round: 2, offers: [], fresh: [], tokens: 0, rules });
  assert.equal(one!.batch.request, 30);
  assert.deepEqual(one!.batch.noise, { tests: 6, variance: 125, signal: 1.25, along: 0 });
});

Deno.test("each lineage goes by what its own members measured, also if the offer names it by an older name", () => {
  const rules = rulesOf({ lineages: 3, mergeEvery: null, test: "norm" });
  const state = { ...stateOf(3, rules), lineages: [asking(0, 8, [0, 2]), asking(1, 8)], roster: hosting(0, 1) };
  const measured = (lineage: number, variance: number) =>
    offerFor(lineage, { steps: 20, noise: { tests: 1, variance, signal: 10, along: 0, sketch: null } });
  const offers = [measured(2, 60), measured(1, 1e6)];
  const { lineages } = nextLineages(state, { round: 1, offers, fresh: offers, tokens: 0, rules });
  assert.deepEqual(lineages.map(({ batch }) => batch.noise?.variance), [60, 1e6]);
  assert.deepEqual(lineages.map(({ batch }) => batch.request), [13, 16], "60 / (0.49 · 10), and twice 8");
});

Deno.test("a lineage that nobody brings work for does not keep the others from merging for ever", () => {
  const rules = rulesOf({ lineages: 2 }), state = stateOf(2, rules), offers = [offerFor(0)];
  const after = (round: number) => nextLineages(state, { round, offers, fresh: offers, tokens: 0, rules }).lineages;
  assert.equal(after(6).length, 2);
  assert.equal(after(7).length, 1, "two updates, and five rounds after which a silent member is gone");
});

Deno.test("of two histories what either has made one is one, by the demands of the heavier side", () => {
  const roster = hosting(0, 1, 2, 3), ground = (lineages: readonly Lineage[]) => ({ lineages, roster });
  const heavier = ground([asking(0, 8), asking(1, 12, [1, 2]), asking(3, 20)]);
  const lighter = ground([asking(2, 8, [0, 2]), asking(1, 8), asking(3, 8)]);
  const united = uniteLineages([heavier, lighter]);
  assert.deepEqual(united.map(({ id, from, batch }) => ({ id, from, request: batch.request })), [
    { id: 1, from: [0, 1, 2], request: 12 },
    { id: 3, from: [3], request: 20 },
  ]);
  assert.deepEqual(partsIn(heavier, united[0]!), [{ at: 0, share: 0.4 }, { at: 1, share: 0.6 }]);
  assert.deepEqual(partsIn(lighter, united[0]!), [{ at: 0, share: 0.5 }, { at: 1, share: 0.5 }]);
  assert.deepEqual(partsIn(heavier, united[1]!), [{ at: 2, share: 1 }]);
  assert.deepEqual(uniteLineages([heavier, heavier]), heavier.lineages, "equal ones stay as they are");
});
