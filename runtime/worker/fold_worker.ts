/**
 * The fold thread: decodes, judges, folds, merges and names weights, so that nothing of that stops network or trainer.
 *
 * It keeps no weights: they come and go as shared memory that `runtime/learner.ts` holds on to.
 * @module
 */
/// <reference lib="deno.worker" />
import { blobDigest } from "../../p2p/store/chunks.ts";
import type { RunConfig } from "../config.ts";
import { initialWeights } from "../model/parameters.ts";
import { average } from "../state/average.ts";
import { codecsOf } from "../state/codec/codecs.ts";
import { type ContributionForm, fold, judge } from "../state/fold.ts";
import { allocateWeights, readWeights, viewWeights, type WeightsLayout, weightsLayout } from "../state/weights.ts";
import type { FoldPort, NamedWeights, WeightsBytes } from "./messages.ts";
import { Moved, serve } from "./remote.ts";

let config: RunConfig, layout: WeightsLayout, form: ContributionForm;

serve<FoldPort, never>(self, {
  open(run) {
    config = run;
    layout = weightsLayout(run);
    form = { codec: codecsOf(run.outer.codec), length: layout.parameterWords, padding: layout.padding };
  },

  async initial() {
    const weights = allocateWeights(layout);
    weights.parameters.set(initialWeights(config.model, config.seed));
    return await named(weights.bytes);
  },

  load: async (bytes) => await named(readWeights(bytes, layout).bytes),

  save(bytes) {
    const copy = bytes.slice();
    return new Moved(copy, [copy.buffer]);
  },

  judge(bytes) {
    const judged = judge(bytes, form);
    return judged.valid ? { valid: true, norm: judged.norm } : judged;
  },

  async fold({ parent, parts }) {
    const next = viewWeights(new Uint8Array(new SharedArrayBuffer(parent.length)), layout);
    next.bytes.set(parent);
    const input = { weights: next.parameters, momentum: next.momentum, parts };
    const { verdicts, screen } = fold(input, { ...form, outer: config.outer });
    return { ...await named(next.bytes), verdicts, screen };
  },

  async merge([a, b]) {
    const next = allocateWeights(layout);
    const [one, other] = [a, b].map(({ weights, share }) => ({ ...viewWeights(weights, layout), share }));
    average(one!, other!, next);
    return await named(next.bytes);
  },
});

/** WebCrypto hashes no shared memory, hence the copy. */
async function named(bytes: WeightsBytes): Promise<NamedWeights> {
  return { digest: await blobDigest(bytes.slice()), bytes };
}
