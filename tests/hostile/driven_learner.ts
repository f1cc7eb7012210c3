/**
 * The runtime's learner without its threads and without a clock: a box is a number of inner steps, made when the
 * contribution is asked for. Training, cuts, codecs, judgements and folds are the real ones, on the cpu device.
 *
 * So eight of them fit into one process and one build of the kernels, and a run gives the same loss every time.
 * @module
 */
import type { Learner } from "../../p2p/learner.ts";
import { blobDigest } from "../../p2p/store/chunks.ts";
import type { Digest } from "../../p2p/sync/types.ts";
import type { RunConfig } from "../../runtime/config.ts";
import { openCorpus } from "../../runtime/data/corpus.ts";
import { markovTokens } from "../../runtime/data/markov.ts";
import { openCpuDevice } from "../../runtime/device/cpu.ts";
import { initialWeights } from "../../runtime/model/parameters.ts";
import { average } from "../../runtime/state/average.ts";
import { codecsOf } from "../../runtime/state/codec/codecs.ts";
import { fold, judge } from "../../runtime/state/fold.ts";
import { allocateWeights, readWeights, viewWeights, type Weights, weightsLayout } from "../../runtime/state/weights.ts";
import type { Clock } from "../../runtime/worker/clock.ts";
import { heldOutWindows } from "../../runtime/worker/held_out.ts";
import { LocalModel } from "../../runtime/worker/local_model.ts";
import { Training } from "../../runtime/worker/training.ts";

/** What a window costs, so that speeds are equal and known. */
const WINDOW_MS = 5;
const MOST_HELD = 8;

export interface DrivenLearnerOptions {
  /** Of a run on a Markov source. */
  readonly config: RunConfig;
  /** Inner steps of a box, or a few more. */
  readonly steps: number;
}

/** Opens a learner; closing it frees its device. */
export async function openDrivenLearner({ config, steps }: DrivenLearnerOptions): Promise<Learner> {
  const { model, outer, seed, data } = config, { contextLength, vocabularySize } = model;
  if (data.kind !== "markov") throw new Error("A driven learner trains on a Markov source");
  const corpus = openCorpus(markovTokens(data), { contextLength, vocabularySize });
  const layout = weightsLayout(config);
  const form = { codec: codecsOf(outer.codec), length: layout.parameterWords, padding: layout.padding };
  const clock = new BoxClock();
  const local = new LocalModel({
    device: await openCpuDevice({ threads: 1 }),
    reopenDevice: () => Promise.reject(new Error("The device of a driven learner is never lost")),
    model,
    largestMicroBatch: 8,
    onOpen: () => {},
    onF32: () => {},
    onRefused: () => {},
  });
  let madeSteps = 0;
  const training = new Training({
    local,
    curve: null,
    config: config.training,
    seed,
    contextLength,
    train: {
      ...corpus.train,
      read(window, into) {
        clock.work(WINDOW_MS);
        corpus.train.read(window, into);
      },
    },
    heldOut: heldOutWindows(corpus.heldOut, { seed, contextLength }),
    clock,
    onEvent(event) {
      if (event.kind === "failed") throw new Error(event.message);
      if (event.kind !== "steps") return;
      madeSteps += event.steps;
      if (madeSteps >= steps) training.pace({ percent: 100, paused: true });
    },
  });
  training.pace({ percent: 100, paused: true });
  const running = training.run();

  const held = new Map<Digest, Weights>();
  const hold = async (weights: Weights): Promise<Digest> => {
    const digest = await blobDigest(weights.bytes.slice());
    held.delete(digest); // to be the newest
    held.set(digest, weights);
    for (const oldest of held.keys()) if (held.size > MOST_HELD) held.delete(oldest);
    return digest;
  };
  const find = (digest: Digest): Weights => {
    const weights = held.get(digest);
    if (weights === undefined) throw new Error(`Cannot use weights ${digest}: they are not held`);
    return weights;
  };

  return {
    initial() {
      const weights = allocateWeights(layout);
      weights.parameters.set(initialWeights(model, seed));
      return hold(weights);
    },
    load: async (bytes) => await hold(readWeights(bytes, layout)),
    save: (digest) => Promise.resolve(held.get(digest)?.bytes.slice() ?? null),
    train: (order) => void training.train(order, find(order.weights).parameters),
    async contribute() {
      madeSteps = 0;
      const rested = clock.nextRest();
      training.pace({ percent: 100, paused: false });
      await rested;
      return await training.contribute();
    },
    judge(bytes) {
      const judged = judge(bytes, form);
      return Promise.resolve(judged.valid ? { valid: true, norm: judged.norm } : judged);
    },
    async fold({ parent, parts }) {
      const next = viewWeights(new Uint8Array(new SharedArrayBuffer(find(parent).bytes.length)), layout);
      next.bytes.set(find(parent).bytes);
      const { screen } = fold({ weights: next.parameters, momentum: next.momentum, parts }, { ...form, outer });
      return { digest: await hold(next), screen };
    },
    async merge(sides) {
      const next = allocateWeights(layout), [one, other] = sides.map((side) => ({ ...find(side.weights), ...side }));
      average(one!, other!, next);
      return await hold(next);
    },
    evaluate: async (digest) => await training.evaluate(find(digest).parameters),
    settle: (round, fate) => void training.settle(round, fate),
    async close() {
      training.close();
      await running;
      await local[Symbol.asyncDispose]();
    },
  };
}

/** Time that passes by work alone. A rest lasts until it is cut short. */
class BoxClock implements Clock {
  #ms = 0;
  #resting: (() => void)[] = [];

  now(): number {
    return this.#ms;
  }

  work(ms: number): void {
    this.#ms += ms;
  }

  /** Resolves when the loop next has nothing to do. */
  nextRest(): Promise<void> {
    return new Promise((resolve) => this.#resting.push(resolve));
  }

  async sleep(ms: number, signal: AbortSignal): Promise<void> {
    if (ms === 0 || signal.aborted) return;
    for (const resolve of this.#resting.splice(0)) resolve();
    await new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
  }
}
