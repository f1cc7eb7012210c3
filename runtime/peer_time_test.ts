import { strict as assert } from "node:assert";
import { memberRound } from "../tests/round_event.ts";
import type { MemberRound } from "./event.ts";
import { type PeerTime, timesAfter, waitedShare } from "./peer_time.ts";

const member = (peer: string, changes: Partial<MemberRound> = {}): MemberRound =>
  memberRound({ peer, waitShare: 0.1, spanMs: 1000, ...changes });

Deno.test("the time that a peer waited is a share of all its time, long rounds weighing more", () => {
  const first = timesAfter([], [member("wren", { waitShare: 0.5 }), member("finch")]);
  const times = timesAfter(first, [member("wren", { waitShare: 0, spanMs: 9000 })]);
  assert.equal(waitedShare(times, "wren"), 0.05);
  assert.equal(waitedShare(times, "finch"), 0.1);
  assert.equal(waitedShare(times, "robin"), null);
  assert.deepEqual(times.map(({ peer }) => peer), ["finch", "wren"]);
});

Deno.test("the round in which a peer joins is not part of its time", () => {
  assert.deepEqual(timesAfter([], [member("wren", { fate: "joined" })]), []);
});

Deno.test("of very many peers those counted last are remembered", () => {
  let times: readonly PeerTime[] = [];
  for (let i = 0; i < 100; i++) times = timesAfter(times, [member(`${i}`)]);
  assert.equal(times.length, 64);
  assert.equal(times.at(-1)!.peer, "99");
});
