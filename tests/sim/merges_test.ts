import { strict as assert } from "node:assert";
import { RULEBOOK, type Rulebook } from "../../p2p/sync/rulebook.ts";
import type { Digest } from "../../p2p/sync/types.ts";
import { crash, lastOf, play, scene } from "./scene.ts";
import { type Outcome, simulate } from "./simulate.ts";

/** Both sides write about seven records of their own. */
const APART = { fromMs: 30_000, untilMs: 100_000, groups: [[0, 1], [2, 3]] };
const FOUR = [{}, {}, {}, {}];

function mergesOf({ observer }: Outcome): readonly Digest[] {
  return [...observer.records].filter(([, { parents }]) => parents.length > 1).map(([digest]) => digest);
}

/** Whether every token that anybody trained and was told of is in the history. */
function assertNothingLost({ observer }: Outcome): void {
  const lost = [...observer.fates.values()].filter(({ fate, tokens }) => tokens > 0 && fate === "lost");
  assert.deepEqual(lost, []);
}

Deno.test("a merge record has the work of both sides, and each counts as one history's", () => {
  const outcome = scene(FOUR, { partitions: [APART] }), { observer } = outcome;
  const merged = observer.adoptions.get(outcome.peers[0]!.id)!.find(({ chain }) =>
    mergesOf(outcome).includes(chain.head)
  )!;
  const [heavier, lighter] = observer.records.get(merged.chain.head)!.parents.map((parent) =>
    [...observer.adoptions.values()].flat().find(({ chain }) => chain.head === parent)!.chain
  );
  assert.ok(merged.chain.tokens > heavier!.tokens + 0.3 * lighter!.tokens);
  assert.ok(merged.chain.tokens < heavier!.tokens + lighter!.tokens, "what both have from before counts once");
  assert.equal(merged.chain.roster.length, 4);
  assertNothingLost(outcome);
});

Deno.test("a fork of two records is settled by the heavier side, without a merge record", () => {
  const outcome = scene(FOUR, { partitions: [{ ...APART, fromMs: 35_000, untilMs: 58_000 }] });
  assert.ok(outcome.observer.tally.reorganised > 0);
  assert.deepEqual(mergesOf(outcome), []);
});

Deno.test("one peer cut off from three brings its work back with it", () => {
  const outcome = scene(FOUR, { partitions: [{ ...APART, groups: [[3]] }] });
  assert.equal(mergesOf(outcome).length, 1);
  assertNothingLost(outcome);
});

Deno.test("three groups that meet at once become one history", () => {
  const outcome = scene(Array.from({ length: 6 }, () => ({})), {
    partitions: [{ ...APART, groups: [[0, 1], [2, 3], [4, 5]] }],
  });
  assert.ok(mergesOf(outcome).length >= 2);
  assertNothingLost(outcome);
});

Deno.test("offers that reach both sides just before they part are counted once in the merged history", () => {
  let shared = 0;
  for (let fromMs = 31_000; fromMs <= 34_000; fromMs += 200) {
    const { observer } = scene(FOUR, { partitions: [{ ...APART, fromMs }] });
    const counted = [...observer.records.values()].flatMap((record) => record.counted.map(({ offer }) => offer));
    shared += counted.length - new Set(counted).size;
  }
  assert.ok(shared > 0, "no offer was ever counted on both sides");
});

Deno.test("sides that part, meet for a moment and part again come to one history", () => {
  const partitions = [[30_000, 60_000], [61_000, 90_000], [90_800, 130_000]].map(([fromMs, untilMs]) => (
    { ...APART, fromMs: fromMs!, untilMs: untilMs! }
  ));
  assertNothingLost(scene(FOUR, { partitions, stormMs: 140_000 }));
});

for (const who of [0, 1, 2, 3]) {
  Deno.test(`power may fail at peer ${who} after any effect while two histories are merged`, () => {
    for (let afterEffects = 0; afterEffects < 36; afterEffects++) {
      const machines = FOUR.map((machine, i) => i === who ? { crashes: [crash(100_050, { afterEffects })] } : machine);
      const outcome = scene(machines, { partitions: [APART], stormMs: 110_000 });
      assert.equal(outcome.observer.tally.crashes, 1, `after ${afterEffects} effects`);
      assert.ok(mergesOf(outcome).length > 0, `after ${afterEffects} effects`);
    }
  });
}

for (const { what, downMs } of [{ what: "for good", downMs: 1e9 }, { what: "for a while", downMs: 40_000 }]) {
  Deno.test(`a side that dies ${what} just after it was seen again does not hold up the other`, () => {
    for (const atMs of [100_020, 100_080, 100_200, 100_500]) {
      const machines = FOUR.map((machine, i) => i < 2 ? machine : { crashes: [crash(atMs, { downMs })] });
      const outcome = scene(machines, { partitions: [APART], stormMs: 150_000, ...downMs > 1e6 && { calmMs: 0 } });
      const times = outcome.observer.adoptions.get(outcome.peers[0]!.id)!.map(({ atMs }) => atMs);
      const gaps = times.slice(1).map((atMs, i) => atMs - times[i]!);
      assert.ok(Math.max(...gaps.slice(1, 12)) < 25_000, `rounds took ${gaps.map(Math.round).join(", ")} ms`);
      // It is at round 8 or 9 when the other dies, and has time for three to six more, by the luck of who writes them.
      assert.ok(lastOf(outcome).round > 10, `only round ${lastOf(outcome).round} was reached`);
      if (downMs < 1e6) assert.ok(mergesOf(outcome).length > 0, "its work never came back");
    }
  });
}

/** A planted bug of merge records, which peers have it, and the law that must be found broken. */
const planted: readonly { readonly bug: string; readonly law: string; readonly rulebookOf: (i: number) => Rulebook }[] =
  [
    {
      bug: "a weight that is not the union's",
      law: "law 10",
      rulebookOf: () => ({
        ...RULEBOOK,
        unite: (sides, options) => ({
          ...RULEBOOK.unite(sides, options),
          weight: sides[0].chain.weight + sides[1].chain.weight,
        }),
      }),
    },
    {
      bug: "offers of both sides counted twice",
      law: "law 2",
      rulebookOf: () => ({
        ...RULEBOOK,
        unite: (sides, options) => ({
          ...RULEBOOK.unite(sides, options),
          tokens: sides[0].chain.tokens + sides[1].chain.tokens,
        }),
      }),
    },
    {
      bug: "a ledger that is one side's",
      law: "law 10",
      rulebookOf: () => ({
        ...RULEBOOK,
        unite: (sides, options) => ({ ...RULEBOOK.unite(sides, options), ledger: sides[0].chain.ledger }),
      }),
    },
    {
      bug: "weights averaged in another order at one peer",
      law: "law 3",
      rulebookOf: (i) =>
        i !== 1 ? RULEBOOK : {
          ...RULEBOOK,
          mergeShares: (...given) => RULEBOOK.mergeShares(...given).map((sides) => sides.toReversed()),
        },
    },
  ];

for (const { bug, law, rulebookOf } of planted) {
  Deno.test(`the checkers catch ${bug} as a breach of ${law}`, () => {
    const { weather } = play(FOUR, { partitions: [APART] });
    const { broken } = simulate({ seed: 1, peers: 4, rounds: 8, weather, rulebookOf });
    assert.ok(
      broken.some((fault) => fault.startsWith(law)),
      `found only: ${broken.slice(0, 5).join("; ") || "nothing"}`,
    );
  });
}
