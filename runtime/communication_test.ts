import { strict as assert } from "node:assert";
import {
  communicationAfter,
  communicationText,
  NO_COMMUNICATION,
  roundsNeeded,
  type RoundWork,
} from "./communication.ts";

Deno.test("a constant batch needs N / (H b) rounds, a geometric one their logarithm", () => {
  // 1,000,000 sequences with 4 peers, 50 steps and batch 8: 1,600 a round.
  assert.equal(roundsNeeded({ amount: 1e6, perRound: 1_600 }), 625);
  const rounds = roundsNeeded({ amount: 1e6, perRound: 1_600, growth: 1.1 });
  assert.ok(Math.abs(rounds - Math.log(1 + 0.1 * 625) / Math.log(1.1)) < 1e-9);
  assert.ok(Math.abs(rounds - 43.55) < 0.01, `${rounds}`);
});

Deno.test("the rounds of a geometric batch hold what is to be trained, also with a most", () => {
  for (const mostPerRound of [Infinity, 5_000]) {
    let trained = 0, perRound = 1_000, rounds = 0;
    for (; rounds < 12; rounds++, perRound = Math.min(mostPerRound, perRound * 1.3)) trained += perRound;
    const needed = roundsNeeded({ amount: trained, perRound: 1_000, growth: 1.3, mostPerRound });
    // With a most the continuous form rounds off the corner where it is reached.
    assert.ok(Math.abs(needed - 12) < (mostPerRound === Infinity ? 1e-9 : 0.2), `${mostPerRound}: ${needed}`);
  }
  assert.equal(roundsNeeded({ amount: 100, perRound: 10, growth: 2, mostPerRound: 10 }), 10, "no room to grow");
});

/** Rounds with so many tokens each, in 40 steps. */
function worksOf(...gains: readonly number[]): RoundWork[] {
  let tokens = 0;
  return gains.map((gained, i) => ({ round: i + 1, tokens: tokens += gained, gained, steps: 40, ceiling: 8 }));
}

function after(works: readonly RoundWork[], targetTokens: number | null = 10_000) {
  return works.reduce((known, work) => communicationAfter(known, work, targetTokens), NO_COMMUNICATION);
}

Deno.test("the first estimate comes after three rounds with work, and is kept to be compared with what happened", () => {
  assert.equal(after(worksOf(0, 1_000, 1_000)).first, null);
  const three = after(worksOf(0, 1_000, 1_000, 1_000)), { first } = three;
  // 7 rounds at this pace; doubling up to 8 batches: 1 + 2 + 4 of them in three.
  assert.deepEqual(first, { round: 4, rounds: 11, constant: 11, growing: 7 });
  assert.equal(three.latest, first);
  const all = after(worksOf(0, 1_000, 1_000, 1_000, 2_000, 2_000, 3_000));
  assert.deepEqual(all.first, first);
  assert.equal(all.latest!.rounds, 7);
  assert.equal(communicationText(all, true), "communication: 7 rounds; after round 4 11 were expected");
  assert.match(communicationText(three, false)!, /^communication: 4 of about 11 rounds; .* 40 steps a round: 11 at/);
});

Deno.test("an open-ended run is estimated for nothing", () => {
  assert.equal(communicationText(after(worksOf(1, 2, 3, 4), null), false), null);
});
