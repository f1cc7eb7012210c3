/**
 * The rules that every peer of a run must compute alike, in one place: what a core is built on.
 *
 * They are an argument of `createCore` so that a simulation can break one of them and see it found out; a peer of a
 * real run never has any but these.
 * @module
 */
import { advance } from "./chain.ts";
import { viewOf } from "./cells.ts";
import { isHeavier } from "./fork.ts";
import { mergeShares, unite, whyInvalidMerge } from "./merge.ts";
import { meetingSides, whyNoMeeting } from "./meet.ts";
import { selectCounted, whyInvalid } from "./record.ts";
import { foldParts } from "./tokens.ts";

export interface Rulebook {
  readonly advance: typeof advance;
  readonly isHeavier: typeof isHeavier;
  readonly selectCounted: typeof selectCounted;
  readonly whyInvalid: typeof whyInvalid;
  readonly foldParts: typeof foldParts;
  readonly unite: typeof unite;
  readonly whyInvalidMerge: typeof whyInvalidMerge;
  readonly mergeShares: typeof mergeShares;
  readonly viewOf: typeof viewOf;
  readonly whyNoMeeting: typeof whyNoMeeting;
  readonly meetingSides: typeof meetingSides;
}

export const RULEBOOK: Rulebook = {
  advance,
  isHeavier,
  selectCounted,
  whyInvalid,
  foldParts,
  unite,
  whyInvalidMerge,
  mergeShares,
  viewOf,
  whyNoMeeting,
  meetingSides,
};
