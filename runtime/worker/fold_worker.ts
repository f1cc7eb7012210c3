/**
 * The fold thread: decodes, judges, folds, merges and names weights, so that nothing of that stops network or trainer.
 * Large folds it shares with helpers (`fold_threads.ts`).
 *
 * It keeps no weights: they lie in shared memory that `runtime/learner.ts` holds on to and says where to write.
 * @module
 */
/// <reference lib="deno.worker" />
import { blobDigest } from "../../p2p/store/chunks.ts";
import type { RunConfig } from "../config.ts";
import { initialWeights } from "../model/parameters.ts";
import { codecsOf } from "../state/codec/codecs.ts";
import { moveAverage } from "../state/ewa.ts";
import { type ContributionForm, judge } from "../state/fold.ts";
import { averageSets, foldSets } from "../state/sets.ts";
import { checkWeights, viewWeights, type WeightsLayout, weightsLayout } from "../state/weights.ts";
import { FoldThreads } from "./fold_threads.ts";
import type { FoldPort, NamedWeights, WeightsBytes } from "./messages.ts";
import { serve } from "./remote.ts";

/** More would wait for memory, and each is a thread with all that it loads. */
const MOST_THREADS = 4;

let config: RunConfig, layout: WeightsLayout, form: ContributionForm, crew: FoldThreads;

serve<FoldPort, never>(self, {
  open({ config: run, threads }) {
    config = run;
    crew = new FoldThreads({ threadCount: Math.min(MOST_THREADS, threads ?? navigator.hardwareConcurrency) });
    layout = weightsLayout(run);
    form = { codec: codecsOf(run.outer.codec), length: layout.parameterWords, padding: layout.padding };
  },

  async initial({ into }) {
    const weights = initialWeights(config.model, config.seed);
    for (const { parameters, momentum } of viewWeights(into, layout).sets) {
      parameters.set(weights);
      momentum?.fill(0);
    }
    return await named(into);
  },

  check: async (received) => await named(checkWeights(received, layout).bytes),

  judge: (bytes) => judge(bytes, { ...form, crew }),

  async fold({ parent, into, ...order }) {
    const sets = { ...order, parent: viewWeights(parent, layout), into: viewWeights(into, layout) };
    const { verdicts, screen } = foldSets(sets, { ...form, outer: config.outer, crew });
    return { ...await named(into), verdicts, screen };
  },

  async merge({ sets, into }) {
    const sources = sets.map((all) =>
      all.map(({ weights, at, share }) => ({ ...viewWeights(weights, layout).sets[at]!, share }))
    );
    averageSets(sources, viewWeights(into, layout));
    return await named(into);
  },

  moveAverage({ average, weights, at, share }) {
    moveAverage(new Float32Array(average.buffer), viewWeights(weights, layout).sets[at]!.parameters, share);
  },
});

async function named(bytes: WeightsBytes): Promise<NamedWeights> {
  return { digest: await blobDigest(bytes) };
}
