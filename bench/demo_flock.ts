/**
 * The demo's run for benchmarks that let real peers train it.
 * @module
 */
import type { Flock } from "../tests/swarm/flock.ts";
import { MemoryBlobStore } from "../p2p/store/memory.ts";
import type { RunConfig } from "../runtime/config.ts";
import { createRun } from "../runtime/create_run.ts";

/** As `starling init` makes it, with the text that comes with the program. */
export function demoConfig(name: string): Promise<RunConfig> {
  const run = { name, preset: "demo", seed: 1, membership: "private", texts: null } as const;
  return createRun(run, new MemoryBlobStore());
}

/** What the first of a flock computes on, by its own word. */
export function deviceIn(flock: Flock): string {
  return flock.seats()[0]!.rounds().flatMap(({ members }) => members)[0]!.device; // merge records name no members
}
