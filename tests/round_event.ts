/**
 * A round as people hear of it, for tests of what is shown.
 * @module
 */
import type { MemberRound, PeerEvent } from "../runtime/event.ts";

export type RoundEvent = Extract<PeerEvent, { kind: "round" }>;

/** What one peer did in a round, with what a test needs otherwise. */
export function memberRound(changes: Partial<MemberRound> = {}): MemberRound {
  return {
    peer: "12D3KooW",
    name: "wren",
    device: "cpu (WebAssembly SIMD, 1 thread)",
    speed: 1234,
    batch: 12,
    microBatch: 8,
    steps: 14,
    tokens: 2000,
    computeShare: 0.97,
    waitShare: 0.01,
    transferShare: 0.02,
    spanMs: 6000,
    fate: "counted",
    ...changes,
  };
}

/** A round that one member's work is counted in, with what a test needs otherwise. */
export function roundEvent(round: number, changes: Partial<RoundEvent> = {}): RoundEvent {
  const { members = [memberRound()] } = changes;
  return {
    kind: "round",
    round,
    head: "ab".repeat(32),
    digest: "cd".repeat(32),
    weights: "ef".repeat(32),
    tokens: 1_000_000,
    targetTokens: null,
    loss: 2,
    heldOut: null,
    peers: members.length,
    members,
    roster: members.map(({ peer }) => peer),
    roundMs: 6000,
    globalBatch: { policy: "constant", request: 12, dealt: 12, noiseScale: null, ceiling: 91, reason: "constant" },
    codec: "int8",
    ...changes,
  };
}
