/**
 * Every target: whatever a peer, a file or a user can send wrong.
 * @module
 */
import type { Target } from "../target.ts";
import { coreTargets } from "./core.ts";
import { hostTargets } from "./host.ts";
import { messageTargets } from "./messages.ts";

export const targets: readonly Target[] = [
  ...messageTargets,
  ...coreTargets,
  ...hostTargets,
];
