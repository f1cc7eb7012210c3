import { strict as assert } from "node:assert";
import { deal, withHosts } from "./dealing.ts";
import { lineageOf, matesOf } from "./lineages.ts";
import type { Lineage, Member, PeerId } from "./types.ts";

function members(...speeds: readonly number[]): Member[] {
  return speeds.map((speed, i) => {
    const peer = `peer${i}` as PeerId;
    return { peer, since: 1, lastCounted: 1, speed, nextMs: 1_000, name: peer, hosts: [] };
  });
}

function lineages(...requests: readonly number[]): Lineage[] {
  return requests.map((request, id) => (
    { id, from: [id], batch: { request, wanted: request, steps: 0, noise: null }, updates: 0 }
  ));
}

const hostsOf = (roster: readonly Member[]) => roster.map(({ hosts }) => hosts);

Deno.test("members go to lineages in proportion to their requests, and each has one at least", () => {
  const dealt = hostsOf(deal(members(...Array(8).fill(1_000)), lineages(30, 10))).flat();
  assert.deepEqual([0, 1].map((id) => dealt.filter((host) => host === id).length), [6, 2]);
  assert.deepEqual(hostsOf(deal(members(1, 1, 1), lineages(1_000, 1, 1))), [[0], [1], [2]]);
});

Deno.test("the fastest goes first, to the lineage that asks for most; speed counts, not heads", () => {
  assert.deepEqual(hostsOf(deal(members(1_000, 8_000, 2_000, 1_000), lineages(10, 20))), [[0], [1], [0], [0]]);
  assert.deepEqual(hostsOf(deal(members(0, 8_000), lineages(10, 20))), [[1], [0]], "unknown speeds are as the mean");
});

Deno.test("fewer members than lineages train several each, one at least, and the fastest most", () => {
  assert.deepEqual(hostsOf(deal(members(1_000), lineages(8, 8, 8))), [[0, 1, 2]]);
  assert.deepEqual(hostsOf(deal(members(1_000, 8_000), lineages(8, 8, 8, 8))), [[1], [0, 2, 3]]);
  assert.deepEqual(hostsOf(deal(members(1_000, 1_000), lineages(8, 8, 8, 8))), [[0, 2], [1, 3]]);
});

Deno.test("a member that hosts several trains one each round, in turn", () => {
  const all = lineages(8, 8, 8), roster = deal(members(1_000), all), peer = "peer0" as PeerId;
  const trained = [3, 4, 5, 6].map((round) => lineageOf({ lineages: all, roster, round }, peer).id);
  assert.deepEqual(trained, [0, 1, 2, 0]);
  assert.deepEqual(matesOf({ lineages: all, roster, round: 4 }, all[0]!), []);
  assert.equal(matesOf({ lineages: all, roster, round: 4 }, all[1]!).length, 1);
});

Deno.test("members keep their lineages until somebody comes or goes, or two become one", () => {
  const all = lineages(10, 20), before = deal(members(1_000, 8_000), all);
  const faster = before.map((member) => ({ ...member, speed: member.peer === "peer0" ? 99_000 : 1 }));
  assert.equal(withHosts(faster, { before, lineages: all }), faster);
  const joined = [...before, { ...before[0]!, peer: "peer2" as PeerId, hosts: [] }];
  assert.ok(hostsOf(withHosts(joined, { before, lineages: all })).every((hosts) => hosts.length === 1));
  const [one] = all;
  assert.deepEqual(hostsOf(withHosts(before, { before, lineages: [one!] })), [[0], [0]]);
  assert.deepEqual(withHosts([], { before, lineages: all }), []);
});
