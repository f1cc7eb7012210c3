/**
 * Every kind of liar by name, and how each lies.
 * @module
 */
import { lyingContributor } from "./contributions.ts";
import { lyingGossip } from "./gossip.ts";
import { lyingMeeting } from "./meetings.ts";
import type { Liar, LiarKind, LiarTools } from "./liar.ts";
import { lyingScribe } from "./scribes.ts";

const LIARS: Readonly<Record<LiarKind, (tools: LiarTools) => Liar>> = {
  "forges signatures": lyingGossip.forges,
  "replays offers": lyingGossip.replays,
  "copies blobs": lyingContributor.copiesBlobs,
  "names wrong bases": lyingContributor.namesWrongBases,
  "trains foreign windows": lyingContributor.trainsForeignWindows,
  "boasts of tokens": lyingContributor.boastsOfTokens,
  "boasts of speed": lyingContributor.boastsOfSpeed,
  "lies about noise": lyingContributor.liesAboutNoise,
  "promises anything": lyingContributor.promisesAnything,
  "equivocates": lyingScribe.equivocates,
  "withholds blobs": lyingContributor.withholdsBlobs,
  "leaves others out": lyingScribe.leavesOthersOut,
  "counts what is invalid": lyingScribe.countsWhatIsInvalid,
  "gives false states": lyingGossip.givesFalseStates,
  "sends garbage": lyingContributor.sendsGarbage,
  "floods": lyingGossip.floods,
  "makes up meetings": lyingMeeting.makesUpMeetings,
  "deceives other cells": lyingMeeting.deceivesOtherCells,
};

export const LIAR_KINDS = Object.keys(LIARS) as readonly LiarKind[];

/** Those that lie also in a run without cells. */
export const PLAIN_LIAR_KINDS = LIAR_KINDS.filter((kind) =>
  kind !== "makes up meetings" && kind !== "deceives other cells"
);

export function makeLiar(kind: LiarKind, tools: LiarTools): Liar {
  return LIARS[kind](tools);
}
