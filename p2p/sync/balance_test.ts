import { strict as assert } from "node:assert";
import { globalBatch, leaseWindows, localBatch } from "./balance.ts";
import { genesisState } from "./chain.ts";
import type { ChainState, Member, PeerId } from "./types.ts";
import { tinyRules } from "../../tests/tiny_rules.ts";

/** A box of 10 s is long enough for 10 steps of 15.6 sequences at 1,000 tokens a second. */
const rules = tinyRules({ firstRoundMs: 10_000, contextLength: 64, batch: 32 });

function stateWith(speeds: readonly number[], request = 32, cell = ""): ChainState {
  const roster = speeds.map((speed, i): Member => {
    const peer = `peer${i}` as PeerId;
    return { peer, since: 1, lastCounted: 1, speed, nextMs: 10_000, name: peer };
  });
  const genesis = genesisState(rules);
  return { ...genesis, cell, roster, batch: { ...genesis.batch, request } };
}

function batchesOf(chain: ChainState): readonly number[] {
  return chain.roster.map(({ peer }) => localBatch(chain, peer, rules));
}

Deno.test("local batches follow speed and are equal while speeds are unknown", () => {
  assert.deepEqual(batchesOf(stateWith([0, 0])), [16, 16]);
  assert.deepEqual(batchesOf(stateWith([6_000, 2_000])), [24, 8]);
  assert.deepEqual(batchesOf(stateWith([1_000, 2_000, 4_000, 8_000], 60)), [4, 8, 16, 32]);
  assert.deepEqual(batchesOf(stateWith([3_000, 1_000, 0], 60)), [30, 10, 20], "the mean where it is unknown");
});

Deno.test("local batches sum up to the request, however they are rounded", () => {
  for (let request = 7; request < 70; request++) {
    const batches = batchesOf(stateWith([7_777, 1_111, 5_000, 2_345, 0, 9_999, 6_420], request));
    assert.equal(batches.reduce((sum, batch) => sum + batch), request, `${request}`);
  }
});

Deno.test("the slowest have one sequence, and the others so much less", () => {
  assert.deepEqual(batchesOf(stateWith([100_000, 100, 100, 100], 32)), [29, 1, 1, 1]);
  assert.deepEqual(batchesOf(stateWith([5_000, 5_000, 5_000], 2)), [1, 1, 1], "nobody stands idle");
});

Deno.test("a box has ten steps at least: a request that leaves no room for them is done in part, and rates go by that", () => {
  const small = stateWith([2_000, 1_000], 40), large = stateWith([2_000, 1_000], 1_000);
  assert.deepEqual([batchesOf(small), globalBatch(small, rules)], [[27, 13], 40]);
  assert.deepEqual([batchesOf(large), globalBatch(large, rules)], [[31, 16], 46]);
  assert.equal(globalBatch(stateWith([100], 1_000), rules), 32, "not less than the run's own");
  assert.equal(globalBatch(stateWith([0, 0], 1_000), rules), 1_000, "nobody knows what fits");
});

Deno.test("a cell's members share the cell's part of the request, and rates go by the whole run's", () => {
  const half = stateWith([20_000, 20_000], 40, "1");
  assert.deepEqual([batchesOf(half), globalBatch(half, rules)], [[10, 10], 40]);
  assert.equal(globalBatch(stateWith([1_000, 1_000], 1_000, "01"), rules), 125, "four such cells");
});

Deno.test("leases follow the batch: no member has less than one global batch", () => {
  const of = (batch: number) => ({ roster: stateWith([100]).roster, roundMs: 10_000, batch, rules });
  const [member] = stateWith([100]).roster;
  assert.equal(leaseWindows(member!, of(32)), 47, "three boxes");
  assert.equal(leaseWindows(member!, of(200)), 200);
});
