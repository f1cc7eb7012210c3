import { strict as assert } from "node:assert";
import { emptyStatus, type PeerStatus } from "../runtime/status.ts";
import { silenceLines, statusLines } from "./status.ts";

const lone: PeerStatus = { ...emptyStatus, name: "club", peer: "12D3KooWself", peerName: "wren" };

Deno.test("a status says how old it is when a running peer has not renewed it", () => {
  assert.deepEqual(silenceLines(9_000), []);
  assert.deepEqual(silenceLines(null), []);
  assert.match(
    silenceLines(72_400).join(),
    /^This is 72 s old, though the peer runs: it stands still .* disk is full\.$/,
  );
});

Deno.test("a status says how large the global batch is, and why", () => {
  const reason = "norm test: 210 wanted, at most 2× at a time allowed";
  const globalBatch = {
    policy: "norm-test",
    request: 64,
    dealt: 64,
    noiseScale: 105.2,
    ceiling: 1182,
    reason,
  } as const;
  const text = (changes: Partial<PeerStatus>) => statusLines({ ...lone, ...changes }, { running: false }).join("\n");
  assert.match(
    text({ globalBatch }),
    /^batch 64 \(norm test: 210 wanted, at most 2× at a time allowed\), noise scale 105, ceiling 1,182$/m,
  );
  assert.match(text({ globalBatch: { ...globalBatch, noiseScale: null } }), /noise scale unknown/);
  assert.doesNotMatch(text({}), /^batch/m);
});

Deno.test("a peer that cannot be reached any more has the name that it had", () => {
  const time = { peer: "12D3KooWgone", name: "finch", computeMs: 1, waitMs: 0, transferMs: 0, spanMs: 1 };
  const reach = [{ peer: time.peer, verdict: "unreachable", relay: null, reason: "off", remedy: null }] as const;
  const text = statusLines({ ...lone, times: [time], reach }, { running: true }).join("\n");
  assert.match(text, /finch\s+unreachable/);
});
