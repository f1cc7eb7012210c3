/**
 * One scene for each kind of liar: six honest peers, two liars of a kind, one honest newcomer in the middle and one
 * honest peer that crashes. Seeds draw liars too (`sim_test.ts`).
 * @module
 */
import { strict as assert } from "node:assert";
import { PLAIN_LIAR_KINDS } from "./liars/kinds.ts";
import type { LiarKind } from "./liars/liar.ts";
import type { Outcome } from "./simulate.ts";
import { crash, lastOf, play } from "./scene.ts";

function playWith(liar: LiarKind): Outcome {
  return play([{}, {}, {}, {}, { crashes: [crash(52_000)] }, { joinsAtMs: 60_000 }, { liar }, { liar }]);
}

for (const kind of PLAIN_LIAR_KINDS) {
  Deno.test(`two peers of eight are liars, and the honest ones keep every law: a liar ${saying(kind)}`, () => {
    const outcome = playWith(kind), { broken, observer, peers } = outcome;
    assert.deepEqual(broken.slice(0, 5), []);
    assert.ok(lastOf(outcome).round >= 8, `only ${lastOf(outcome).round} rounds`);
    const honest = new Set(peers.filter(({ isHonest }) => isHonest).map(({ id }) => id));
    const lost = [...observer.fates.entries()].filter(([digest, { fate, tokens }]) =>
      fate === "lost" && tokens > 0 && honest.has(observer.offers.get(digest)!.peer)
    );
    assert.deepEqual(lost, [], "honest work was lost");
  });
}

/** Why honest peers rejected what these liars sent. */
function reasonsAgainst(kind: LiarKind): readonly string[] {
  return playWith(kind).observer.rejections.map(({ event: { what, reason } }) => `${what}: ${reason}`);
}

for (
  const [kind, reason] of [
    ["forges signatures", /its signature is not its author's/],
    ["replays offers", /its signature is not its author's|it belongs to run/],
    ["sends garbage", /cannot be decoded/],
  ] as const
) {
  Deno.test(`what a liar sends who ${kind} is named with the reason`, () => {
    assert.ok(reasonsAgainst(kind).some((given) => reason.test(given)), `said only: ${reasonsAgainst(kind)[0]}`);
  });
}

Deno.test("no honest scribe counts a contribution of whoever sends garbage or withholds blobs", () => {
  for (const kind of ["sends garbage", "withholds blobs"] as const) {
    const { observer, peers } = playWith(kind);
    const liars = new Set(peers.filter(({ isHonest }) => !isHonest).map(({ id }) => id));
    const counted = [...observer.records.values()].filter(({ scribe }) => !liars.has(scribe))
      .flatMap(({ counted }) => counted.map(({ offer }) => observer.offers.get(offer)!));
    assert.ok(counted.some(({ tokens }) => tokens > 0));
    const believed = counted.filter(({ peer, tokens }) => tokens > 0 && liars.has(peer));
    assert.deepEqual(believed.map(({ peer, round }) => `${peer} ${round}`), [], kind);
  }
});

function saying(kind: LiarKind): string {
  return `who ${kind}`;
}
