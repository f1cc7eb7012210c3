/**
 * A run in a folder of its own, for tests that start commands on it.
 * @module
 */
import { join } from "node:path";
import type { RunConfig } from "../runtime/config.ts";
import { createRunFolder } from "../runtime/run_folder.ts";
import { tinyRun } from "./tiny_run.ts";

export interface RunPlace extends AsyncDisposable {
  /** The folder around it, with room for peers. */
  readonly path: string;
  /** The run's folder. */
  readonly run: string;
}

/** Makes the run; all is gone when disposed. A run that is not open has a key that is alike everywhere. */
export async function makeRunPlace(config: RunConfig = tinyRun()): Promise<RunPlace> {
  const path = await Deno.makeTempDir({ prefix: "starling-test-" }), run = join(path, config.name);
  const networkKey = config.membership === "open" ? null : new Uint8Array(32).fill(0xab);
  await createRunFolder(run, { config, networkKey });
  return { path, run, [Symbol.asyncDispose]: () => Deno.remove(path, { recursive: true }) };
}
