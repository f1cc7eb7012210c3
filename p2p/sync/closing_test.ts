import { strict as assert } from "node:assert";
import { closing, type Expected } from "./closing.ts";
import type { PeerId } from "./types.ts";

const round = { openedAtMs: 0, nowMs: 60_000, longestMs: 300_000 };
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
