/**
 * Every kind of liar by name, and how each lies.
 * @module
 */
import { lyingContributor } from "./contributions.ts";
import { lyingGossip } from "./gossip.ts";
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
  "promises anything": lyingContributor.promisesAnything,
  "equivocates": lyingScribe.equivocates,
  "withholds blobs": lyingContributor.withholdsBlobs,
  "leaves others out": lyingScribe.leavesOthersOut,
  "counts what is invalid": lyingScribe.countsWhatIsInvalid,
  "gives false states": lyingGossip.givesFalseStates,
  "sends garbage": lyingContributor.sendsGarbage,
  "floods": lyingGossip.floods,
};

export const LIAR_KINDS = Object.keys(LIARS) as readonly LiarKind[];

export function makeLiar(kind: LiarKind, tools: LiarTools): Liar {
  return LIARS[kind](tools);
}
