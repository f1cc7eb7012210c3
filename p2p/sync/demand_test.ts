import { strict as assert } from "node:assert";
import { demandsOf, leadingPlace, sharesOf } from "./demand.ts";
import type { Lineage, Member, PeerId } from "./types.ts";

function asking(id: number, request: number): Lineage {
  return { id, from: [id], batch: { request, wanted: request, steps: 0, noise: null }, updates: 0 };
}

function member(speed: number, ...hosts: readonly number[]): Member {
  return { peer: "wren" as PeerId, since: 1, lastCounted: 1, speed, nextMs: 1_000, name: "wren", hosts };
}

Deno.test("demand is request times members, where all are as fast", () => {
  const lineages = [asking(0, 30), asking(1, 20), asking(3, 10)];
  const roster = [member(700, 0), member(700, 1), member(700, 3), member(700, 3)];
  assert.deepEqual(demandsOf({ lineages, roster }), [30, 20, 20]);
  assert.deepEqual(demandsOf({ lineages, roster: [] }), [0, 0, 0]);
});

Deno.test("a member counts by its speed, so that slow ones do not outweigh a fast one that trains more", () => {
  const lineages = [asking(0, 8), asking(1, 8)],
    roster = [member(800, 0), member(100, 1), member(200, 1), member(100, 1)];
  assert.deepEqual(demandsOf({ lineages, roster }), [8 * 800 / 300, 8 * (100 / 300 + 200 / 300 + 100 / 300)]);
  assert.equal(leadingPlace({ lineages, roster }), 0, "what is exported is what most is asked for");
});

Deno.test("a member whose speed is not known counts as the mean of the others, or all alike", () => {
  const lineages = [asking(0, 8), asking(1, 8)];
  assert.deepEqual(demandsOf({ lineages, roster: [member(0, 0), member(300, 1), member(100, 1)] }), [8, 16]);
  assert.deepEqual(demandsOf({ lineages, roster: [member(0, 0), member(0, 1)] }), [8, 8]);
});

Deno.test("a member that trains several in turn is divided among them", () => {
  const lineages = [asking(0, 8), asking(1, 8), asking(2, 8)];
  assert.deepEqual(demandsOf({ lineages, roster: [member(100, 0, 1), member(100, 2)] }), [4, 4, 8]);
});

Deno.test("lineages that nobody trains count alike", () => {
  assert.deepEqual(sharesOf({ lineages: [asking(0, 8), asking(1, 30)], roster: [] }), [1, 1]);
});
