/**
 * Runs of several lineages: that they become one, whatever befalls their members; and bugs planted in their rules, which
 * the checkers must find.
 * @module
 */
import { strict as assert } from "node:assert";
import type { AdlocoChoice } from "../../p2p/sync/batch/batching.ts";
import { RULEBOOK, type Rulebook } from "../../p2p/sync/rulebook.ts";
import { drawWeather } from "./draw_weather.ts";
import { crash, lastOf, play } from "./scene.ts";
import { type Outcome, simulate, type SimulateOptions } from "./simulate.ts";
import type { Machine, Weather } from "./weather.ts";

const FOUR = [{}, {}, {}, {}], ALL = () => true, ONE = (peer: number) => peer === 1;

function weatherOf(weather: Weather, changes: Partial<AdlocoChoice> = {}): Weather {
  const choice: AdlocoChoice = {
    ...{ policy: "adloco", lineages: 4, mergeEvery: 2, test: "norm", variant: "corrected" },
    ...{ eta: 0.7, theta: 0.5, nu: 1 },
    ...changes,
  };
  return { ...weather, rules: { ...weather.rules, batching: { most: null, ceilingTokens: null, ...choice } } };
}

function playLineages(
  machines: readonly Partial<Machine>[],
  { choice = {}, weather = {}, planted = {} }: {
    readonly choice?: Partial<AdlocoChoice>;
    readonly weather?: Partial<Weather>;
    readonly planted?: Pick<SimulateOptions, "rulebookOf">;
  } = {},
): Outcome {
  const { rules } = weatherOf(drawWeather({ seed: 1, peers: machines.length, rounds: 8 }), choice);
  const roundsMs = { firstRoundMs: 10_000, leastRoundMs: 10_000, longestRoundMs: 20_000 };
  return play(machines, { rules: { ...rules, ...roundsMs }, ...weather }, planted);
}

function seed(of: number, planted: Pick<SimulateOptions, "rulebookOf"> = {}): Outcome {
  const options = { seed: of, peers: 6, rounds: 12 };
  return simulate({ ...options, weather: weatherOf(drawWeather(options)), ...planted });
}

function assertKept({ broken }: Outcome): void {
  assert.deepEqual(broken.slice(0, 5), []);
}

/** How many lineages there were, each time that changed, as the first peer saw it. */
function countsOf({ observer, peers }: Outcome): readonly number[] {
  const counts = observer.adoptions.get(peers[0]!.id)!.map(({ chain }) => chain.lineages.length);
  return counts.filter((count, i) => i === 0 || count !== counts[i - 1]);
}

Deno.test("four lineages of four peers become one, and all end on one state", () => {
  const outcome = playLineages(FOUR);
  assertKept(outcome);
  assert.deepEqual(countsOf(outcome), [4, 3, 2, 1]);
  assert.deepEqual(lastOf(outcome).lineages[0]!.from, [0, 1, 2, 3]);
});

Deno.test("one peer alone trains three lineages in turn, until they are one", () => {
  const outcome = playLineages([{}], { choice: { lineages: 3, mergeEvery: 1 }, weather: { stormMs: 150_000 } });
  assertKept(outcome);
  assert.deepEqual(countsOf(outcome), [3, 2, 1]);
});

Deno.test("a run parts while two lineages become one on either side, and what either has made one is one", () => {
  const weather = { partitions: [{ fromMs: 12_000, untilMs: 80_000, groups: [[0, 1], [2, 3]] }], stormMs: 150_000 };
  const outcome = playLineages(FOUR, { weather });
  assertKept(outcome);
  assert.ok(outcome.observer.tally.merged > 0, "there was a merge record");
  assert.equal(lastOf(outcome).lineages.length, 1);
});

Deno.test("lineages whose members crash, leave or come late go on with others", () => {
  const machines = [{}, { crashes: [crash(35_000)] }, { leavesAtMs: 42_000 }, { joinsAtMs: 24_000, speed: 500 }, {}];
  const outcome = playLineages(machines, { choice: { mergeEvery: 4 }, weather: { stormMs: 200_000 } });
  assertKept(outcome);
  assert.equal(lastOf(outcome).lineages.length, 1);
});

Deno.test("a run with more members than a cell has is not split before its lineages are one", () => {
  const { rules } = weatherOf(drawWeather({ seed: 1, peers: 9, rounds: 8, cellSize: 4 }), { lineages: 3 });
  const machines = Array.from({ length: 9 }, () => ({}));
  const outcome = play(machines, {
    rules: { ...rules, firstRoundMs: 10_000, leastRoundMs: 10_000, longestRoundMs: 20_000 },
    stormMs: 150_000,
  });
  assertKept(outcome);
  const chains = [...outcome.observer.adoptions.values()].flat().map(({ chain }) => chain);
  assert.ok(chains.every(({ cell, lineages }) => cell === "" || lineages.length === 1));
  assert.ok(chains.some(({ cell }) => cell !== ""), "in the end it is split");
});

interface Planted {
  readonly bug: string;
  readonly rules: Partial<Rulebook>;
  readonly at?: (peer: number) => boolean;
}

const PLANTED: readonly Planted[] = [
  {
    bug: "merging lineages alike instead of by demand",
    rules: {
      advance: (...given) => {
        const after = RULEBOOK.advance(...given);
        return after.merged?.round === after.round ? { ...after, merged: { ...after.merged, shares: [1, 1] } } : after;
      },
    },
  },
  {
    bug: "merging them alike at one peer",
    at: ONE,
    rules: {
      advance: (...given) => {
        const after = RULEBOOK.advance(...given);
        return after.merged === null ? after : { ...after, merged: { ...after.merged, shares: [1, 1] } };
      },
    },
  },
  {
    bug: "folding a lineage with another's parts",
    rules: { foldParts: (...given) => RULEBOOK.foldParts(...given).map((part) => ({ ...part, at: 0 })) },
  },
  {
    bug: "averaging over the lineages of two histories in another order",
    at: ONE,
    rules: { mergeShares: (...given) => RULEBOOK.mergeShares(...given).toReversed() },
  },
  {
    bug: "leaving a lineage to nobody",
    rules: {
      advance: (...given) => {
        const after = RULEBOOK.advance(...given), { id } = after.lineages[0]!;
        return { ...after, roster: after.roster.map((member) => ({ ...member, hosts: [id] })) };
      },
    },
  },
];

for (const { bug, rules, at = ALL } of PLANTED) {
  Deno.test(`the checkers catch ${bug} as a breach of law 3`, () => {
    const planted = { rulebookOf: (peer: number) => at(peer) ? { ...RULEBOOK, ...rules } : RULEBOOK };
    const found = new Set<string>();
    for (const { broken } of runs(planted)) {
      for (const fault of broken) found.add(fault.slice(0, 160));
      if (broken.some((fault) => fault.startsWith("law 3:"))) return;
    }
    assert.fail(`found only: ${[...found].slice(0, 5).join("; ") || "nothing"}`);
  });
}

function* runs(planted: Pick<SimulateOptions, "rulebookOf">): Generator<Outcome> {
  yield playLineages([{}, {}, { speed: 500 }, {}], {
    planted,
    weather: { partitions: [{ fromMs: 12_000, untilMs: 62_000, groups: [[0, 1]] }] },
  });
  for (let of = 1; of <= 12; of++) yield seed(of, planted);
}
