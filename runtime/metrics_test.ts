import { strict as assert } from "node:assert";
import { memberRound, roundEvent } from "../tests/round_event.ts";
import { tinyRun } from "../tests/tiny_run.ts";
import type { PeerEvent } from "./event.ts";
import { type RoundLine, roundLineSchema, runLineSchema, RunMetrics } from "./metrics.ts";

const SELF = "12D3KooW";
const started: PeerEvent = {
  kind: "started",
  ...{ run: "ab".repeat(32), name: "tiny", peer: SELF, peerName: "wren", folder: "club/peer" },
  ...{ addresses: [], dials: [], ticket: null, mostBlobBytes: 1 },
};
const versions = { starling: "0.1.0", deno: "2.9.6", os: "linux x86_64" };
const at = (nowMs: number, changes = {}) => ({ nowMs, residentBytes: 100, upBytes: 0, downBytes: 0, ...changes });
const open = (before: RoundLine | null = null) => RunMetrics.open({ config: tinyRun(), versions, before });

/** The line of a round, which there must be. */
function roundLine(metrics: RunMetrics, event: PeerEvent, surroundings = at(0)): RoundLine {
  const line = metrics.take(event, surroundings);
  assert.ok(line?.kind === "round");
  return line;
}

Deno.test("the first line says what the run is, and every line is as the schema says", async () => {
  const metrics = await open();
  metrics.take({ kind: "device", description: "cpu", reason: "" }, at(0));
  const line = metrics.take(started, at(1_000));
  assert.ok(line?.kind === "run");
  assert.deepEqual(runLineSchema.parse(JSON.parse(JSON.stringify(line))), line);
  const { name, peerName, device, batching, seed, parameters } = line;
  assert.deepEqual([name, peerName, device, batching.policy, seed, parameters], [
    "tiny",
    "wren",
    "cpu",
    "constant",
    7,
    34_688,
  ]);
  metrics.take({ kind: "precision", precision: "f16", reason: "" }, at(0));
  const round = roundLine(metrics, roundEvent(3));
  assert.equal(round.precision, "f16");
  assert.deepEqual(roundLineSchema.parse(JSON.parse(JSON.stringify(round))), round);
});

Deno.test("a round's speeds and shares are this peer's and the run's", async () => {
  const metrics = await open();
  metrics.take(started, at(1_000));
  const members = [
    memberRound({ peer: SELF, tokens: 2000, spanMs: 4000, speed: 700, batch: 12, microBatch: 5 }),
    memberRound({ peer: "other", tokens: 1000, spanMs: 10_000, batch: 4 }),
    memberRound({ peer: "new", tokens: 0, batch: 0, spanMs: 3000, fate: "joined" }),
  ];
  const globalBatch = {
    policy: "norm-test" as const,
    request: 24,
    dealt: 20,
    noiseScale: 105.5,
    ceiling: 91,
    reason: "grew",
  };
  const line = roundLine(metrics, roundEvent(2, { members, globalBatch }), at(9_500));
  assert.equal(line.elapsedMs, 8_500);
  assert.equal(line.computingTokensPerSecond, 700);
  assert.equal(line.peerTokensPerSecond, 500);
  assert.equal(line.runTokensPerSecond, 600);
  assert.equal(line.executedBatch, 16);
  assert.deepEqual([line.requestedBatch, line.dealtBatch, line.noiseScale], [24, 20, 105.5]);
  assert.deepEqual([line.ceiling, line.policyReason], [91, "grew"]);
  assert.deepEqual([line.localBatch, line.microBatch, line.accumulation, line.steps], [12, 5, 3, 14]);
});

Deno.test("of a round that counts nothing of this peer, its own part is unknown", async () => {
  const metrics = await open();
  metrics.take(started, at(0));
  const line = roundLine(metrics, roundEvent(2, { members: [memberRound({ peer: "other" })] }));
  assert.deepEqual([line.localBatch, line.computeShare, line.peerTokensPerSecond, line.peerTokens], [
    null,
    null,
    null,
    0,
  ]);
  assert.ok(line.runTokensPerSecond > 0);
});

Deno.test("a held-out loss is of the state before the round, if this peer knows that state's tokens", async () => {
  const metrics = await open();
  metrics.take(started, at(0));
  const tokensOf = (round: number, tokens: number) =>
    roundLine(metrics, roundEvent(round, { tokens, heldOut: 2 })).heldOutTokens;
  assert.deepEqual([tokensOf(1, 100), tokensOf(2, 250), tokensOf(5, 900)], [0, 100, null]);
});

Deno.test("totals go on over a restart: time, tokens, bytes, fates and peaks", async () => {
  const first = await open();
  first.take(started, at(0));
  first.take({
    kind: "plan",
    parameters: 1,
    plannedBytes: 50,
    peakBytes: 70,
    hostBytes: 9,
    hostBytesPerContribution: 1,
    microBatch: 4,
    recompute: 0,
  }, at(0));
  first.take({ kind: "offer", round: 1, fate: "counted", reason: "" }, at(0));
  first.take({ kind: "offer", round: 1, fate: "late", reason: "" }, at(0, { residentBytes: 900 }));
  const before = roundLine(first, roundEvent(4), at(60_000, { upBytes: 10, downBytes: 20 }));
  const again = await open(before);
  again.take({
    kind: "plan",
    parameters: 1,
    plannedBytes: 50,
    peakBytes: 50,
    hostBytes: 9,
    hostBytesPerContribution: 1,
    microBatch: 4,
    recompute: 0,
  }, at(0));
  again.take(started, at(1_000_000));
  assert.equal(again.take(roundEvent(4), at(1_000_001)), null, "the last round is told once more, and is known");
  again.take({ kind: "offer", round: 5, fate: "counted", reason: "" }, at(0));
  again.take({ kind: "rejected", peer: "other", what: "offer", reason: "" }, at(0));
  const line = roundLine(again, roundEvent(5, { tokens: 2e6 }), at(1_005_000, { upBytes: 1, downBytes: 2 }));
  assert.equal(line.elapsedMs, 65_000);
  assert.deepEqual([line.upBytes, line.downBytes], [11, 22]);
  assert.deepEqual([line.offersCounted, line.offersLate, line.rejected], [2, 1, 1]);
  assert.deepEqual([line.deviceBytes, line.devicePeakBytes, line.residentPeakBytes], [50, 70, 900]);
  assert.equal(line.peerTokens, 4_000);
});

Deno.test("rounds before the peer has started make no line", async () => {
  const metrics = await open();
  assert.equal(metrics.take(roundEvent(3), at(0)), null);
});
