/**
 * What the parts of one core share: who we are, what time it is, and where effects go.
 * @module
 */
import type { CoreOptions, Effect, SyncEvent } from "./effects.ts";
import type { Rulebook } from "./rulebook.ts";

export interface Context {
  readonly options: CoreOptions;
  readonly rulebook: Rulebook;
  /** Time of the input being handled. */
  readonly now: number;
  emit(effect: Effect): void;
  report(event: SyncEvent): void;
}

/** Time between heartbeats, between repairs of what was lost, and so the grain of everything slow. */
export function beatMs(roundMs: number): number {
  return Math.min(10_000, Math.max(1_000, Math.round(roundMs / 8)));
}
