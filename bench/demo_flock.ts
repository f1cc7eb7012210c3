/**
 * The demo's run for benchmarks that let real peers train it.
 * @module
 */
import { MemoryBlobStore } from "../p2p/store/memory.ts";
import type { RunConfig } from "../runtime/config.ts";
import { createRun } from "../runtime/create_run.ts";

/** As `starling init` makes it, with the text that comes with the program. */
export function demoConfig(name: string): Promise<RunConfig> {
  const run = { name, preset: "demo", seed: 1, membership: "private", texts: null } as const;
  return createRun(run, new MemoryBlobStore());
}
