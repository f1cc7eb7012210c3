/**
 * Rules of a small run for tests: rounds of seconds, few tokens, nothing that a test could wait long for.
 * @module
 */
import type { Digest, SyncRules } from "../p2p/sync/types.ts";

/** The rules, with what a test needs otherwise. */
export function tinyRules(overrides: Partial<SyncRules> = {}): SyncRules {
  return {
    run: "a".repeat(64) as Digest,
    lateRounds: 3,
    ageDiscount: 0.3,
    rosterRounds: 5,
    firstRoundMs: 10_000,
    leastRoundMs: 5_000,
    longestRoundMs: 60_000,
    batch: 32,
    batching: { policy: "constant", most: null, ceilingTokens: null },
    contextLength: 64,
    codec: "auto",
    targetTokens: null,
    owner: null,
    cellSize: 32,
    cellRounds: 4,
    ...overrides,
  };
}
