/**
 * The parts of a fold with their bytes, for learners of tests, which fold where they are.
 * @module
 */
import { bytesIn, type FoldPart } from "../p2p/learner.ts";

export function readParts(parts: readonly FoldPart[]) {
  return Promise.all(parts.map(async ({ content, ...part }) => ({ ...part, bytes: await bytesIn(content) })));
}
