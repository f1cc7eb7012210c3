import { strict as assert } from "node:assert";
import { simulate } from "./simulate.ts";
import { CALM_LINKS, drawWeather, type Machine, type Weather } from "./weather.ts";

const STEADY: Machine = { speed: 2_000, joinsAtMs: 100, leavesAtMs: null, crashes: [] };

/** Fine weather with these machines; the first founds the run. Boxes of 10 s. */
function scene(machines: readonly Partial<Machine>[], changes: Partial<Weather> = {}) {
  const drawn = drawWeather({ seed: 1, peers: machines.length, rounds: 8 });
  const weather: Weather = {
    ...drawn,
    links: { ...CALM_LINKS },
    rules: { ...drawn.rules, firstRoundMs: 10_000, leastRoundMs: 10_000, longestRoundMs: 20_000 },
    machines: machines.map((machine, i) => ({ ...STEADY, joinsAtMs: i === 0 ? 0 : 100, ...machine })),
    stormMs: 100_000,
    calmMs: 60_000,
    silenceMs: 120_000,
    ...changes,
  };
  const outcome = simulate({ seed: 1, peers: machines.length, rounds: 8, weather });
  assert.deepEqual(outcome.broken, []);
  return outcome;
}

const last = ({ observer, peers }: ReturnType<typeof scene>) => observer.adoptions.get(peers[0]!.id)!.at(-1)!.chain;

Deno.test("a peer alone admits itself and goes on round after round", () => {
  const outcome = scene([{}]);
  assert.ok(last(outcome).round >= 10, `only ${last(outcome).round} rounds`);
  assert.equal(outcome.observer.tally.late + outcome.observer.tally.lost, 0);
});

Deno.test("in fine weather all work is counted on time and nothing forks", () => {
  const { observer } = scene([{}, {}, {}]);
  const late = [...observer.fates.values()].filter(({ fate, tokens }) => tokens > 0 && fate !== "counted");
  assert.deepEqual(late, []);
  assert.equal(observer.tally.reorganised, 0);
});

Deno.test("speeds 1 : 2 : 4 : 8 all contribute, in proportion", () => {
  const { observer } = scene([{ speed: 8_000 }, { speed: 4_000 }, { speed: 2_000 }, { speed: 1_000 }]);
  const tokens = new Map<string, number>();
  for (const { peer, tokens: count } of observer.offers.values()) tokens.set(peer, (tokens.get(peer) ?? 0) + count);
  const [first, second, third, fourth] = [...tokens.values()].sort((a, b) => b - a);
  for (const [fast, slow] of [[first, second], [second, third], [third, fourth]]) {
    assert.ok(Math.abs(fast! / slow! - 2) < 0.2, `${fast} : ${slow}`);
  }
  assert.equal(observer.tally.lost, 0);
});

Deno.test("a late joiner has its first work counted within two rounds of having the state", () => {
  const { observer, peers } = scene([{}, {}, { joinsAtMs: 45_000 }]);
  const { id } = peers[2]!;
  const loaded = observer.adoptions.get(id)![0]!.chain.round;
  const work = [...observer.offers].filter(([, { peer, tokens }]) => peer === id && tokens > 0);
  const first = Math.min(...work.map(([, { round }]) => round));
  assert.ok(first <= loaded + 2, `it loaded round ${loaded} and first worked for round ${first}`);
  assert.equal(observer.fates.get(work[0]![0])?.fate, "counted");
});

Deno.test("a peer that leaves has its last work counted, is missed by nobody, and its lease returns", () => {
  const outcome = scene([{}, {}, { leavesAtMs: 47_000 }]);
  const { id, hasLeft } = outcome.peers[2]!;
  assert.ok(hasLeft);
  const offers = [...outcome.observer.offers].filter(([, { peer }]) => peer === id);
  const goodbye = offers.find(([, { leaving }]) => leaving)!;
  const counted = [...outcome.observer.records.values()].flatMap(({ counted }) => counted.map(({ offer }) => offer));
  assert.ok(counted.includes(goodbye[0]), "its last offer was not counted");
  assert.ok(!last(outcome).roster.some(({ peer }) => peer === id));
  assert.ok(!last(outcome).ledger.leases.some(({ peer }) => peer === id));
});

Deno.test("a peer that dies for good leaves the roster, and the others lose no round", () => {
  const outcome = scene([{}, {}, { crashes: [{ atMs: 35_000, afterEffects: 0, downMs: 1e9 }] }], { calmMs: 0 });
  const times = outcome.observer.adoptions.get(outcome.peers[0]!.id)!.map(({ atMs }) => atMs);
  const gaps = times.slice(1).map((atMs, i) => atMs - times[i]!);
  assert.ok(Math.max(...gaps.slice(0, 8)) < 17_000, `rounds took ${gaps.map(Math.round).join(", ")} ms`);
});

for (const who of [0, 1]) {
  Deno.test(`power may fail after any effect of ${who === 0 ? "the founder" : "a member"}: it resumes from its disk`, () => {
    for (let afterEffects = 0; afterEffects < 40; afterEffects++) {
      const machines = [{}, {}, {}].map((machine, i) =>
        i === who ? { crashes: [{ atMs: 29_000, afterEffects, downMs: 2_000 }] } : machine
      );
      const { observer } = scene(machines);
      assert.equal(observer.tally.crashes, 1, `after ${afterEffects} effects`);
      assert.equal(observer.tally.lost, 0, `after ${afterEffects} effects`);
    }
  });
}

Deno.test("all peers die, and any one alone continues from where they were", () => {
  const crash = (downMs: number) => [{ atMs: 52_000, afterEffects: 0, downMs }];
  for (const survivor of [0, 1, 2]) {
    const { observer, peers } = scene([0, 1, 2].map((i) => ({ crashes: crash(i === survivor ? 1_000 : 60_000) })));
    const adopted = observer.adoptions.get(peers[survivor]!.id)!;
    const before = adopted.findLast(({ atMs }) => atMs <= 52_500)!.chain;
    const after = adopted.find(({ atMs }) => atMs > 52_500)!.chain;
    assert.equal(after.head, before.head);
    assert.ok(adopted.some(({ atMs, chain }) => atMs < 105_000 && chain.round >= before.round + 3), "it stood still");
  }
});

Deno.test("the record that reaches the target is the last one", () => {
  const drawn = drawWeather({ seed: 1, peers: 2, rounds: 8 });
  const rules = { ...drawn.rules, firstRoundMs: 10_000, leastRoundMs: 10_000, targetTokens: 100_000 };
  const weather: Weather = {
    ...drawn,
    rules,
    links: CALM_LINKS,
    machines: [STEADY, STEADY],
    stormMs: 100_000,
    calmMs: 1,
  };
  const { observer } = simulate({ seed: 1, peers: 2, rounds: 8, weather });
  const chains = [...observer.adoptions.values()].map((adopted) => adopted.at(-1)!.chain);
  for (const { tokens } of chains) assert.ok(tokens >= 100_000 && tokens < 160_000, `${tokens} tokens`);
  assert.equal(new Set(chains.map(({ head }) => head)).size, 1);
});

Deno.test("two halves of a run that train apart become one history within 3 rounds, with the tokens of both", () => {
  const outcome = scene([{}, {}, {}, {}], {
    partitions: [{ fromMs: 30_000, untilMs: 100_000, groups: [[0, 1], [2, 3]] }],
  });
  outcome.observer.trace.forEach((line) => console.log(line));
});
