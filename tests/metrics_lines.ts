/**
 * Lines of metrics with what a test needs otherwise.
 * @module
 */
import type { RoundLine, RunLine } from "../runtime/metrics.ts";
import { tinyRun } from "./tiny_run.ts";

/** What the run is. */
export function runMetrics(changes: Partial<RunLine> = {}): RunLine {
  const { model, training, batching, outer } = tinyRun();
  return {
    ...{ kind: "run", version: 1, atMs: 0, run: "ab".repeat(32), name: "tiny", peer: "12D3KooW", peerName: "wren" },
    ...{ parameters: 34_688, device: "cpu", versions: { starling: "0.1.0", deno: "2.9.6", os: "linux x86_64" } },
    ...{ seed: 7, dataDigest: "0123456789abcdef", model, training, batching, outer },
    ...changes,
  };
}

/** A round: a thousand tokens and ten seconds each, unless said. */
export function roundMetrics(round: number, changes: Partial<RoundLine> = {}): RoundLine {
  return {
    ...{ kind: "round", atMs: round * 10_000, elapsedMs: round * 10_000, round, tokens: round * 1_000, peers: 1 },
    ...{ trainLoss: 3, heldOutLoss: null, heldOutTokens: null },
    ...{ computeShare: 0.9, waitShare: 0.02, transferShare: 0.01, peerTokens: round * 1_000 },
    ...{ computingTokensPerSecond: 120, peerTokensPerSecond: 100, runTokensPerSecond: 100 },
    ...{
      localBatch: 12,
      microBatch: 4,
      accumulation: 3,
      steps: 2,
      executedBatch: 12,
      requestedBatch: 12,
      dealtBatch: 12,
      lineages: 1,
    },
    precision: "f32",
    ...{ noiseScale: null, ceiling: 91, policyReason: "constant" },
    ...{ deviceBytes: 40e6, devicePeakBytes: 50e6, residentBytes: 300e6, residentPeakBytes: 400e6 },
    ...{ upBytes: round * 100, downBytes: round * 200 },
    ...{ offersCounted: round, offersLate: 0, offersMerged: 0, offersLost: 0, offersUnknown: 0, rejected: 0 },
    ...changes,
  };
}
