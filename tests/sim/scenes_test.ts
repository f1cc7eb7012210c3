import { strict as assert } from "node:assert";
import { bodyDigest } from "../../p2p/sync/digest.ts";
import type { Input } from "../../p2p/sync/effects.ts";
import type { Digest, PeerId } from "../../p2p/sync/types.ts";
import { crash, lastOf, play, scene } from "./scene.ts";

Deno.test("a peer alone admits itself and goes on round after round", () => {
  const outcome = scene([{}]);
  assert.ok(lastOf(outcome).round >= 10, `only ${lastOf(outcome).round} rounds`);
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
  const { observer, peers } = scene([{}, {}, { joinsAtMs: 38_000 }]);
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
  assert.ok(!lastOf(outcome).roster.some(({ peer }) => peer === id));
  assert.ok(!lastOf(outcome).ledger.leases.some(({ peer }) => peer === id));
});

Deno.test("a peer that dies for good leaves the roster, and the others lose no round", () => {
  const outcome = scene([{}, {}, { crashes: [crash(35_000, { downMs: 1e9 })] }], { calmMs: 0 });
  const times = outcome.observer.adoptions.get(outcome.peers[0]!.id)!.map(({ atMs }) => atMs);
  const gaps = times.slice(1).map((atMs, i) => atMs - times[i]!);
  assert.ok(Math.max(...gaps.slice(0, 8)) < 17_000, `rounds took ${gaps.map(Math.round).join(", ")} ms`);
});

for (const who of [0, 1]) {
  Deno.test(`power may fail after any effect of ${who === 0 ? "the founder" : "a member"}: it resumes from its disk`, () => {
    for (let afterEffects = 0; afterEffects < 40; afterEffects++) {
      const machines = [{}, {}, {}].map((machine, i) =>
        i === who ? { crashes: [crash(29_000, { afterEffects })] } : machine
      );
      const { observer } = scene(machines);
      assert.equal(observer.tally.crashes, 1, `after ${afterEffects} effects`);
      assert.equal(observer.tally.lost, 0, `after ${afterEffects} effects`);
    }
  });
}

Deno.test("all peers die, and any one alone continues from where they were", () => {
  for (const survivor of [0, 1, 2]) {
    const { observer, peers } = scene(
      [0, 1, 2].map((i) => ({ crashes: [crash(52_000, { downMs: i === survivor ? 1_000 : 60_000 })] })),
    );
    const adopted = observer.adoptions.get(peers[survivor]!.id)!;
    const before = adopted.findLast(({ atMs }) => atMs <= 52_500)!.chain;
    const after = adopted.find(({ atMs }) => atMs > 52_500)!.chain;
    assert.equal(after.head, before.head);
    assert.ok(adopted.some(({ atMs, chain }) => atMs < 105_000 && chain.round >= before.round + 3), "it stood still");
  }
});

Deno.test("the record that reaches the target is the last one", () => {
  const { observer, weather } = scene([{}]);
  const rules = { ...weather.rules, targetTokens: 100_000 };
  const finished = play([{}, {}], { rules, calmMs: 1 }).observer;
  const chains = [...finished.adoptions.values()].map((adopted) => adopted.at(-1)!.chain);
  for (const { tokens } of chains) assert.ok(tokens >= 100_000 && tokens < 160_000, `${tokens} tokens`);
  assert.equal(new Set(chains.map(({ head }) => head)).size, 1);
  assert.equal(observer.faults.length, 0);
});

Deno.test("two halves of a run that train apart become one history within 3 rounds, with the tokens of both", () => {
  const apart = { fromMs: 30_000, untilMs: 100_000, groups: [[0, 1], [2, 3]] };
  const outcome = scene([{}, {}, {}, {}], { partitions: [apart] });
  const { observer } = outcome;
  const merged = observer.adoptions.get(outcome.peers[0]!.id)!.find(({ chain }) => (
    observer.records.get(chain.head)?.parents.length === 2
  ))!;
  assert.ok(merged.atMs < apart.untilMs + 3 * 20_000, `merged only at ${merged.atMs} ms`);
  const lost = [...observer.fates.values()].filter(({ fate, tokens }) => tokens > 0 && fate === "lost");
  assert.deepEqual(lost, []);
});

Deno.test("partitions that overlap leave three groups, each of which goes on, and all come together again", () => {
  const { observer } = scene(Array.from({ length: 6 }, () => ({})), {
    partitions: [
      { fromMs: 20_000, untilMs: 90_000, groups: [[0, 1]] },
      { fromMs: 35_000, untilMs: 100_000, groups: [[0, 1, 2, 3]] },
    ],
  });
  for (const peer of ["wren", "robin", "heron"]) {
    const times = observer.adoptions.get(peer as PeerId)!.map(({ atMs }) => atMs);
    assert.ok(times.filter((atMs) => 40_000 < atMs && atMs < 90_000).length >= 2, `${peer} stood still`);
  }
});

Deno.test("a link that works one way only costs nobody a law", () => {
  for (const groups of [[[0]], [[1, 2, 3], [0]], [[1]], [[0, 2, 3], [1]]]) {
    scene([{}, {}, {}, {}], { partitions: [{ fromMs: 30_000, untilMs: 80_000, groups, oneWay: true }] });
  }
});

Deno.test("links that come and go every few seconds cost nobody a law", () => {
  scene([{}, {}, {}, {}], { partitions: [{ fromMs: 20_000, untilMs: 100_000, groups: [[0, 1]], flapMs: 3_000 }] });
});

Deno.test("a process that stands still for three rounds comes back with what it had, and five others hardly wait", () => {
  const { observer, peers } = scene([{}, {}, { freezes: [{ atMs: 32_000, forMs: 35_000 }] }, {}, {}, {}]);
  const gaps = observer.adoptions.get(peers[0]!.id)!.map(({ atMs }, i, all) => atMs - (all[i - 1]?.atMs ?? atMs));
  assert.ok(Math.max(...gaps) < 23_000, `rounds took ${gaps.map(Math.round).join(", ")} ms`);
  const own = [...observer.offers].filter(([, { peer, tokens }]) => peer === peers[2]!.id && tokens > 0);
  assert.ok(own.length > 3);
});

Deno.test("clocks that go wrong by a tenth, start anywhere and jump cost nobody a law", () => {
  scene([
    { clock: { startMs: 1e12, rate: 0.9, jumps: [] } },
    { clock: { startMs: 0, rate: 1.1, jumps: [{ atMs: 41_000, byMs: 3_600_000 }] } },
    { clock: { startMs: 5e6, rate: 1, jumps: [{ atMs: 33_000, byMs: -5_000 }, { atMs: 71_000, byMs: 20_000 }] } },
  ]);
});

Deno.test("a journal that lost its last entries costs its peer no law, however many they are", () => {
  for (let entries = 1; entries <= 20; entries++) {
    scene([{}, {}, { crashes: [crash(47_000, { disk: { kind: "cut journal", entries } })] }]);
  }
});

Deno.test("blobs that cannot be read any more are fetched again from those who have them", () => {
  for (const share of [0.3, 1]) {
    scene([{}, {}, { crashes: [crash(47_000, { disk: { kind: "damaged blobs", share } })] }]);
  }
});

Deno.test("a peer on a thin line brings what it can and delays nobody else", () => {
  const { observer, peers } = scene([{}, {}, { bytesPerMs: 125 }]);
  const gaps = observer.adoptions.get(peers[0]!.id)!.map(({ atMs }, i, all) => atMs - (all[i - 1]?.atMs ?? atMs));
  assert.ok(Math.max(...gaps) < 23_000, `rounds took ${gaps.map(Math.round).join(", ")} ms`);
  assert.ok([...observer.fates.values()].every(({ fate }) => fate !== "lost"));
});

Deno.test("a peer to whom nobody gives a contribution that all others counted soon takes their state", () => {
  const lacking = new Set<string>();
  const hear = (input: Input): Input => {
    // Everything that finch offered for round 4 is out of its reach for ever.
    if (input.kind === "message" && input.message.kind === "signed" && "parent" in input.message.body) {
      const { body } = input.message;
      if (body.peer === "finch" && body.round === 4) lacking.add(bodyDigest(body));
    }
    const isOut = input.kind === "fetched" && lacking.has(input.offer);
    return isOut ? { kind: "missing", offer: input.offer, reason: "nobody has it" } : input;
  };
  const outcome = play([{}, {}, {}, {}], {}, { bugOf: (peer) => peer === 3 ? { hear } : null });
  assert.deepEqual(outcome.broken, []);
  const [common, its] = [0, 3].map((peer) =>
    outcome.observer.adoptions.get(outcome.peers[peer]!.id)!.map(({ chain }) => chain.head)
  ) as [Digest[], Digest[]];
  assert.equal(its.filter((head) => !common.includes(head)).length, 1, "it went on alone once, and then was back");
});

Deno.test("a peer alone whose saved weights are all damaged folds its history anew, and says so", () => {
  const atMs = 95_000, outcome = scene([{ crashes: [crash(atMs, { disk: { kind: "damaged weights" } })] }]);
  const { observer, peers } = outcome, adopted = observer.adoptions.get(peers[0]!.id)!;
  const before = adopted.findLast((each) => each.atMs < atMs)!.chain,
    back = adopted.find((each) => each.atMs > atMs)!.chain;
  assert.ok(before.round >= 8);
  assert.equal(back.head, before.head, "it lost a record");
  assert.ok(lastOf(outcome).round >= back.round + 4);
  const told = observer.waits.map(({ reason }) => reason);
  assert.ok(told.some((reason) => /^none of \d+ saved states can be read: folding the history anew$/.test(reason)));
  assert.ok(told.some((reason) => /^going on from round \d+: \d+ of \d+ saved states could not be read$/.test(reason)));
});

Deno.test("a peer alone on whose disk nothing can be read ends, and says what is lost and what to do", () => {
  const outcome = scene([{ crashes: [crash(95_000, { disk: { kind: "damaged blobs", share: 1 } })] }]);
  const { observer, peers } = outcome;
  assert.ok(peers[0]!.hasLeft);
  assert.match(observer.trace.join("\n"), /cannot go on: .* rounds 1 to \d+ are lost here, and no .* with --peer, or/);
});

Deno.test("a peer on whose disk nothing can be read waits for those that have the run, and has it from them", () => {
  const nothing = crash(95_000, { disk: { kind: "damaged blobs", share: 1 } });
  const apart = { fromMs: 95_000, untilMs: 230_000, groups: [[0]] };
  const outcome = scene([{ crashes: [nothing] }, {}, {}], { partitions: [apart], stormMs: 240_000 });
  const { observer, peers } = outcome, told = observer.waits.filter(({ by }) => by === peers[0]!.id);
  assert.ok(
    told.some(({ reason }) => /^for a peer that has the run \(members were finch, robin\): none of/.test(reason)),
  );
  assert.equal(lastOf(outcome, 0).head, lastOf(outcome, 1).head);
});
