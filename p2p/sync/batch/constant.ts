/**
 * The batch that the run begins with, for ever: what every other policy is compared with.
 * @module
 */
import type { Schedule } from "./policy.ts";

export const constant: Schedule = { kind: "schedule", name: "constant", wanted: (_tokens, first) => first };
