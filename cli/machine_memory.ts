/**
 * Whether this machine's memory could hold a run's states at all: asked before anything of the run is fetched or opened.
 *
 * What the device needs besides is the device's to say, by its plan.
 * @module
 */
import { type RunConfig, stateBytes } from "../runtime/config.ts";
import { DeviceMemoryError } from "../runtime/device/device.ts";
import { bytes } from "./format.ts";

/** The state that is trained on, the one that is folded from it, one for those who ask late, and their average. */
const STATES_AT_ONCE = 4;

/** @throws {DeviceMemoryError} if not. */
export function expectMemoryFor(
  { name, ...run }: Pick<RunConfig, "name" | "model" | "outer" | "batching">,
  memoryBytes = Deno.systemMemoryInfo().total,
): void {
  const wantedBytes = STATES_AT_ONCE * stateBytes(run);
  if (wantedBytes <= memoryBytes) return;
  throw new DeviceMemoryError(
    `Cannot train "${name}" here: its states alone take ${bytes(wantedBytes)} of memory and this machine has ` +
      `${bytes(memoryBytes)}. Use a machine with more memory, or a run with a smaller model`,
  );
}
