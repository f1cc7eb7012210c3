/**
 * The fold thread: decodes, judges, folds, merges and names weights, so that nothing of that stops network or trainer.
 *
 * It keeps no weights: they lie in shared memory that `runtime/learner.ts` holds on to and says where to write.
 * @module
 */
/// <reference lib="deno.worker" />
import { blobDigest } from "../../p2p/store/chunks.ts";
import type { RunConfig } from "../config.ts";
import { initialWeights } from "../model/parameters.ts";
import { average } from "../state/average.ts";
import { codecsOf } from "../state/codec/codecs.ts";
import { moveAverage } from "../state/ewa.ts";
import { decodeEwa, encodeEwa } from "../state/ewa_bytes.ts";
import { type ContributionForm, fold, judge } from "../state/fold.ts";
import { readWeights, viewWeights, type WeightsLayout, weightsLayout } from "../state/weights.ts";
import type { FoldPort, NamedWeights, WeightsBytes } from "./messages.ts";
import { Moved, serve } from "./remote.ts";

let config: RunConfig, layout: WeightsLayout, form: ContributionForm;

serve<FoldPort, never>(self, {
  open(run) {
    config = run;
    layout = weightsLayout(run);
    form = { codec: codecsOf(run.outer.codec), length: layout.parameterWords, padding: layout.padding };
  },

  async initial({ into }) {
    const weights = viewWeights(into, layout);
    weights.parameters.set(initialWeights(config.model, config.seed));
    weights.momentum?.fill(0);
    return await named(into);
  },

  load: async ({ bytes, into }) => await named(readWeights(bytes, layout, into).bytes),

  save(bytes) {
    const copy = bytes.slice();
    return new Moved(copy, [copy.buffer]);
  },

  judge(bytes) {
    const judged = judge(bytes, form);
    return judged.valid ? { valid: true, norm: judged.norm } : judged;
  },

  async fold({ parent, parts, into }) {
    const next = viewWeights(into, layout);
    next.bytes.set(parent);
    const input = { weights: next.parameters, momentum: next.momentum, parts };
    const { verdicts, screen } = fold(input, { ...form, outer: config.outer });
    return { ...await named(into), verdicts, screen };
  },

  async merge({ sides: [a, b], into }) {
    const [one, other] = [a, b].map(({ weights, share }) => ({ ...viewWeights(weights, layout), share }));
    average(one!, other!, viewWeights(into, layout));
    return await named(into);
  },

  moveAverage({ average, weights, share }) {
    moveAverage(new Float32Array(average.buffer), viewWeights(weights, layout).parameters, share);
  },

  async saveAverage({ average, progress }) {
    const bytes = await encodeEwa(progress, new Float32Array(average.buffer));
    return new Moved(bytes, [bytes.buffer]);
  },

  async loadAverage({ saved, into }) {
    const decoded = await decodeEwa(saved, { words: layout.parameterWords });
    if (!decoded.ok) return decoded;
    new Float32Array(into.buffer).set(decoded.average);
    return { ok: true, progress: decoded.progress };
  },
});

/** WebCrypto hashes no shared memory, hence the copy. */
async function named(bytes: WeightsBytes): Promise<NamedWeights> {
  return { digest: await blobDigest(bytes.slice()) };
}
