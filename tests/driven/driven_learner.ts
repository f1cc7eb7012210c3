/**
 * The runtime's learner without its threads, on virtual time: a window takes as long as its peer's speed says, and an
 * inner step as much longer as it costs to begin one. Training, cuts, codecs, judgements and folds are the real ones, on
 * the cpu device.
 *
 * So many of them fit into one process and one build of the kernels, speeds are known exactly, and a run gives the same
 * loss every time. Whatever is asked of it, it first trains as much as fits into the time that has passed since; a step
 * in hand is done to its end, and what was asked is done that much later.
 * @module
 */
import { bytesIn, type Learner, type TrainOrder } from "../../p2p/learner.ts";
import { blobDigest } from "../../p2p/store/chunks.ts";
import { lineageCount } from "../../p2p/sync/lineages.ts";
import type { Digest } from "../../p2p/sync/types.ts";
import type { RunConfig } from "../../runtime/config.ts";
import { type Corpus, openCorpus, type TokenSource } from "../../runtime/data/corpus.ts";
import type { TokenReader } from "../../runtime/data/tokens.ts";
import { openCpuDevice } from "../../runtime/device/cpu.ts";
import { initialWeights } from "../../runtime/model/parameters.ts";
import { codecsOf } from "../../runtime/state/codec/codecs.ts";
import { judge } from "../../runtime/state/fold.ts";
import { averageSets, foldSets } from "../../runtime/state/sets.ts";
import {
  allocateWeights,
  checkWeights,
  type Weights,
  weightsLayout,
  weightsSizeBytes,
} from "../../runtime/state/weights.ts";
import { heldOutWindows } from "../../runtime/worker/held_out.ts";
import { LocalModel } from "../../runtime/worker/local_model.ts";
import { Training } from "../../runtime/worker/training.ts";
import { readParts } from "../read_parts.ts";
import { OwnTime } from "./own_time.ts";
import type { QuietClock } from "./quiet_clock.ts";

/** Sequences that fit at once, unless said otherwise. */
const LARGEST_MICRO_BATCH = 8;
const MOST_HELD = 8;

/** How fast a driven learner is, and how much it holds. */
export interface Speed {
  /** While it computes. */
  readonly tokensPerSecond: number;
  /** What an inner step takes besides its tokens: launches, and the optimizer. */
  readonly stepMs: number;
  /** Sequences that fit at once: a larger local batch is accumulated. */
  readonly largestMicroBatch?: number;
}

export interface DrivenLearnerOptions extends Speed {
  readonly config: RunConfig;
  /** The run's text. */
  readonly tokens: TokenReader;
  readonly clock: QuietClock;
  /** What it trains instead of what it is told to. */
  readonly alter?: (order: TrainOrder) => TrainOrder;
}

/** Opens a learner; closing it frees its device. */
export async function openDrivenLearner(options: DrivenLearnerOptions): Promise<Learner> {
  const { config, clock, alter = (order) => order } = options, { model, outer, seed } = config;
  const { contextLength, vocabularySize } = model;
  const corpus = openCorpus(options.tokens, { contextLength, vocabularySize });
  const layout = weightsLayout(config);
  const form = { codec: codecsOf(outer.codec), length: layout.parameterWords, padding: layout.padding };
  const own = new OwnTime();
  const local = new LocalModel({
    device: await openCpuDevice({ threads: 1 }),
    reopenDevice: () => Promise.reject(new Error("The device of a driven learner is never lost")),
    model,
    largestMicroBatch: options.largestMicroBatch ?? LARGEST_MICRO_BATCH,
    onOpen: () => {},
    onRecompute: () => {},
    onRefused: () => {},
  });
  let untilMs = 0;
  const training = new Training({
    local,
    curve: null,
    config: config.training,
    batching: config.batching,
    seed,
    contextLength,
    train: timed(corpus, options, { own, stepCount: () => local.trainer.stepCount }),
    heldOut: heldOutWindows(corpus.heldOut, { seed, contextLength }),
    clock: own,
    onEvent(event) {
      if (event.kind === "failed") throw new Error(event.message);
      if (event.kind === "steps" && own.now() >= untilMs) training.pace({ percent: 100, paused: true });
    },
  });
  training.pace({ percent: 100, paused: true });
  const running = training.run();

  /** Trains until its own time has come to this; what it could not train for want of data, it waits. */
  const catchUp = async (atMs: number): Promise<void> => {
    if (own.now() >= atMs) return;
    untilMs = atMs;
    const rested = own.nextRest();
    training.pace({ percent: 100, paused: false });
    await rested;
    own.reach(atMs);
    training.pace({ percent: 100, paused: true });
  };
  let last: Promise<unknown> = Promise.resolve();
  /** Does one thing after another, each once all is trained that came before it. */
  const inTurn = <T>(act: () => Promise<T>): Promise<T> => {
    const nowMs = clock.now();
    const done = last.then(async () => {
      await clock.hold(catchUp(nowMs));
      return await act();
    });
    last = done.catch(() => {}); // whoever asked is told
    return done;
  };

  const closed = Promise.withResolvers<void>();
  let isClosed = false;
  /** The same, where nobody waits for the end of it: then a failure ends the process. */
  const inTurnUnasked = (act: () => Promise<void>): void => {
    inTurn(act).catch((error) => {
      if (!isClosed) throw error;
    });
  };

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
      const weights = allocateWeights(layout, lineageCount(config)), first = initialWeights(model, seed);
      for (const { parameters } of weights.sets) parameters.set(first);
      return hold(weights);
    },
    sizeOf: (sets) => weightsSizeBytes(layout, sets),
    async load({ sizeBytes, readInto }) {
      const bytes = new Uint8Array(new SharedArrayBuffer(sizeBytes));
      await readInto(bytes);
      return await hold(checkWeights(bytes, layout));
    },
    async save(digest, use) {
      const weights = held.get(digest);
      return weights === undefined ? null : await use(weights.bytes);
    },
    train(order) {
      const { parameters } = find(order.weights).sets[order.lineage.at]!;
      inTurnUnasked(() => clock.hold(training.train(alter(order), parameters)));
    },
    contribute: () =>
      inTurn(async () => {
        await Promise.race([clock.reach(own.now()), closed.promise]);
        return await clock.hold(training.contribute());
      }),
    judge: async (contribution) => judge(await bytesIn(contribution), form),
    async fold({ parent: digest, joined, parts: all }) {
      const parts = await readParts(all), order = { parts, joined };
      const parent = find(digest), into = allocateWeights(layout, parent.sets.length - (order.joined === null ? 0 : 1));
      const { screen } = foldSets({ ...order, parent, into }, { ...form, outer });
      return { digest: await hold(into), screen };
    },
    async merge(sets) {
      const into = allocateWeights(layout, sets.length);
      averageSets(
        sets.map((all) => all.map(({ weights, at, share }) => ({ ...find(weights).sets[at]!, share }))),
        into,
      );
      return await hold(into);
    },
    evaluate(digest, at) {
      const { parameters } = find(digest).sets[at]!;
      return inTurn(() => clock.hold(training.evaluate(parameters)));
    },
    settle(round, fate) {
      inTurnUnasked(() => clock.hold(training.settle(round, fate)));
    },
    async close() {
      isClosed = true;
      closed.resolve(); // time may never come to the end of a step in hand
      training.close();
      await running;
      await local[Symbol.asyncDispose]();
    },
  };
}

/** Training windows that take time. */
function timed(
  { train }: Corpus,
  { config: { model: { contextLength } }, tokensPerSecond, stepMs }: DrivenLearnerOptions,
  { own, stepCount }: { readonly own: OwnTime; readonly stepCount: () => number },
): TokenSource {
  let begun = -1;
  return {
    ...train,
    read(window, into) {
      if (stepCount() !== begun) own.work(stepMs); // the windows of a step are read before it is made
      begun = stepCount();
      own.work(1000 * contextLength / tokensPerSecond);
      train.read(window, into);
    },
  };
}
