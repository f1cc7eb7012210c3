/**
 * Law 5 for those who look on: what peers are told of others' offers that nobody counted, and of histories that meet.
 * @module
 */
import { strict as assert } from "node:assert";
import { play, scene } from "./scene.ts";

Deno.test("an offer whose contribution nobody could fetch is named by all who had heard of it, with the reason", () => {
  const { broken, observer, peers } = play([{}, {}, {}, {}, { liar: "withholds blobs" }]);
  assert.deepEqual(broken, []);
  const told = [...observer.passedOver.values()];
  assert.ok(told.length > 0, "nobody was passed over");
  for (const { peer, reason } of told) {
    assert.equal(peer, peers[4]!.id);
    assert.match(reason, /^no record counted it within 3 rounds: its contribution was found with nobody$/);
  }
});

Deno.test("whoever was on one side of a merge is told which one, and how many tokens each brings", () => {
  const apart = { fromMs: 30_000, untilMs: 100_000, groups: [[0, 1], [2, 3]] };
  const { observer } = scene([{}, {}, {}, {}], { partitions: [apart] });
  assert.ok(observer.merges.length > 0);
  for (const { by, event } of observer.merges) {
    assert.ok(event.sides.every(({ tokens }) => tokens > 0));
    const ours = event.sides.filter(({ isOurs }) => isOurs);
    assert.equal(ours.length, 1, `${by} knows which side it was on`);
    const own = observer.adoptions.get(by)!.some(({ chain }) => chain.head === ours[0]!.head);
    assert.ok(own, "the head of its side was its own once");
  }
});
