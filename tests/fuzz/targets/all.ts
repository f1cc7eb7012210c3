/**
 * Every target: whatever a peer, a file or a user can send wrong.
 * @module
 */
import type { Target } from "../target.ts";
import { coreTargets } from "./core.ts";
import { fileTargets } from "./files.ts";
import { hostTargets } from "./host.ts";
import { messageTargets } from "./messages.ts";
import { requestTargets } from "./requests.ts";
import { stateTargets } from "./states.ts";
import { sweepTargets } from "./sweeps.ts";
import { wordTargets } from "./words.ts";

export const targets: readonly Target[] = [
  ...messageTargets,
  ...requestTargets,
  ...stateTargets,
  ...wordTargets,
  ...fileTargets,
  ...sweepTargets,
  ...coreTargets,
  ...hostTargets,
];

/** @throws {RangeError} if there is none of this name. */
export function targetOf(name: string): Target {
  const target = targets.find((target) => target.name === name);
  if (target === undefined) throw new RangeError(`There is no target '${name}'`);
  return target;
}
