import { strict as assert } from "node:assert";
import { closing, type Expected } from "./closing.ts";
import type { PeerId } from "./types.ts";

const round = { openedAtMs: 0, nowMs: 60_000, boxEndsAtMs: 60_000, longestMs: 300_000 };
const wren: Expected = { peer: "wren" as PeerId, tokens: 1000, promisedAtMs: 60_000, offered: true };
const finch: Expected = { ...wren, peer: "finch" as PeerId };
const robin: Expected = { ...wren, peer: "robin" as PeerId, promisedAtMs: 63_000, offered: false };

Deno.test("closing() closes at once when everybody has offered", () => {
  assert.deepEqual(closing([wren, finch], round), { close: true, reason: "all 2 members present have offered" });
});

Deno.test("closing() waits for a strong peer that promised to be a little late, but not for ever", () => {
  const decision = closing([wren, finch, robin], round);
  assert.deepEqual(decision, { close: false, reason: "waiting for robin", againAtMs: 126_000 });
  assert.equal(closing([wren, finch, robin], { ...round, nowMs: 126_000 }).close, true);
});

Deno.test("closing() does not wait for a weak peer that is far behind, and says why", () => {
  const snail: Expected = { ...robin, peer: "snail" as PeerId, tokens: 10, promisedAtMs: 200_000 };
  assert.deepEqual(closing([wren, finch, snail], round), {
    close: true,
    reason: "waiting for snail would cost more than they bring",
  });
});

Deno.test("closing() never asks to be called again in the past, nor after the longest wait", () => {
  for (let nowMs = 0; nowMs < 400_000; nowMs += 7_919) {
    const decision = closing([wren, { ...finch, offered: false, promisedAtMs: 500_000 }, robin], { ...round, nowMs });
    if (decision.close) continue;
    assert.ok(decision.againAtMs > nowMs, `at ${nowMs}`);
    assert.ok(decision.againAtMs <= round.longestMs, `at ${nowMs}`);
  }
});

/** So many peers of equal speed, of which some have offered. */
function flock(
  count: number,
  { offered, promisedAtMs }: { offered: number; promisedAtMs: number },
): readonly Expected[] {
  return Array.from({ length: count }, (_, i) => ({
    ...wren,
    peer: `peer${i}` as PeerId,
    ...i >= offered && { offered: false, promisedAtMs },
  }));
}

Deno.test("closing() does not let the few whose boxes end early go on without the many", () => {
  for (const offered of [1, 3, 8, 31]) {
    const decision = closing(flock(32, { offered, promisedAtMs: 60_000 }), { ...round, nowMs: 5_000 });
    assert.equal(decision.close, false, `${offered} of 32 had offered`);
  }
});

Deno.test("closing() waits for several that are promised soon, though for none of them alone", () => {
  const soon = flock(32, { offered: 26, promisedAtMs: 63_000 });
  assert.equal(closing(soon, round).close, false);
  assert.equal(closing(soon.slice(0, 27), round).close, true);
});

Deno.test("closing() waits a twentieth of the round for several that are overdue, however many they are", () => {
  const overdue = flock(32, { offered: 20, promisedAtMs: 60_000 });
  const decision = closing(overdue, { ...round, nowMs: 61_000 });
  assert.ok(!decision.close && decision.againAtMs === 60_000 / 0.95);
  assert.equal(closing(overdue, { ...round, nowMs: decision.againAtMs }).close, true);
});
