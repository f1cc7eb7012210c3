import { strict as assert } from "node:assert";
import type { Digest } from "../sync/types.ts";
import { type BlobUse, type Need, Uses } from "./uses.ts";

const contribution = (round: number, need: Need = "certain"): BlobUse => ({ kind: "contribution", round, need });
const weights = (round: number): BlobUse => ({ kind: "weights", round });

/** The uses of a peer that stands on the state of round 10, whose weights are the blob "head". */
function usesOf(blobs: Readonly<Record<string, BlobUse>>) {
  const uses = new Uses(), digests = Object.keys(blobs) as Digest[];
  uses.stand({ round: 10, weights: "head" as Digest });
  for (const digest of digests) uses.name(digest, blobs[digest]!);
  return { uses, past: () => uses.past(digests) };
}

Deno.test("contributions are past by the head's round, first those that nobody counted, then the oldest", () => {
  const { past } = usesOf({
    next: contribution(11),
    last: contribution(10),
    old: contribution(9),
    older: contribution(4),
    offered: contribution(9, "doubtful"),
  });
  assert.deepEqual(past(), ["offered", "older", "old"]);
});

Deno.test("an offer for an absurd round makes nothing past, and is itself past two rounds later", () => {
  const { uses, past } = usesOf({ next: contribution(11), absurd: contribution(1e9, "doubtful") });
  assert.deepEqual(past(), []);
  uses.stand({ round: 12, weights: null });
  assert.deepEqual(past(), ["absurd", "next"]);
});

Deno.test("weights are past but for the head's and the nearest to it, also on a history of fewer rounds than another", () => {
  const { past } = usesOf({
    ...{ lost15: weights(15), lost14: weights(14), head: weights(10), parent: weights(9), before: weights(8) },
    coming: weights(0),
  });
  assert.deepEqual(past(), ["coming", "lost15", "lost14", "before"]);
});

Deno.test("the head's weights are never past, whatever states of its round lie beside them", () => {
  const { past } = usesOf({ head: weights(10), rival: weights(10), other: weights(10) });
  assert.deepEqual(past(), ["rival"]);
});

Deno.test("whoever names a blob that is needed as its own work makes it no less needed", () => {
  const { uses, past } = usesOf({ head: weights(10), parent: weights(9), counted: contribution(11) });
  for (const digest of ["head", "parent", "counted"] as Digest[]) {
    uses.name(digest, contribution(1, "doubtful"));
    assert.equal(uses.needOf(digest), "certain", digest);
  }
  assert.deepEqual(past(), []);
});

Deno.test("a contribution is doubtful until it is named as needed, and keeps its later round", () => {
  const { uses, past } = usesOf({ offered: contribution(11, "doubtful") }), offered = "offered" as Digest;
  assert.equal(uses.needOf(offered), "doubtful");
  uses.name(offered, contribution(0));
  assert.equal(uses.needOf(offered), "certain");
  assert.deepEqual(past(), []);
  uses.forget(offered);
  assert.equal(uses.isNamed(offered), false);
});

Deno.test("a contribution that no record counts gives way to a member's, and both to what is certain", () => {
  const { uses } = usesOf({
    counted: contribution(11),
    member: contribution(11, "likely"),
    stranger: contribution(11, "doubtful"),
    head: weights(10),
  });
  const digests = ["counted", "member", "stranger", "head", "unnamed"] as Digest[];
  assert.deepEqual(uses.below("certain", digests), ["stranger", "member"]);
  assert.deepEqual(uses.below("likely", digests), ["stranger"]);
  assert.deepEqual(uses.below("doubtful", digests), []);
});
