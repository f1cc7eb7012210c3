/**
 * The learner of a peer: implements `p2p/learner.ts` with two threads, one that trains and one that folds.
 *
 * This file runs on the main thread and never computes: it keeps the weights of the last states as shared memory
 * (`held_weights.ts`) and passes messages. What training is, is in `worker/training.ts`; what a fold is, in
 * `state/fold.ts`.
 * @module
 */
import { lineageCount } from "../p2p/sync/lineages.ts";
import type { Contribution, Fate, FoldOrder, Learner, TrainOrder, Verdict } from "../p2p/learner.ts";
import type { RunConfig } from "./config.ts";
import type { DeviceChoice } from "./device/open.ts";
import type { ByteReader } from "./folder.ts";
import { HELD_STATES, HeldWeights, type Pin } from "./held_weights.ts";
import { RunningAverage } from "./running_average.ts";
import { allocateWeights, setsIn, sizeError, weightsLayout, weightsSizeBytes } from "./state/weights.ts";
import type { Pieces } from "./state/sealed.ts";
import type { TunedProducts } from "./tuning/tuned_products.ts";
import type {
  BlobPlace,
  DeviceSpeeds,
  FoldPort,
  LearnerEvent,
  OpenedTraining,
  TrainingPort,
} from "./worker/messages.ts";
import type { PrecisionChoice } from "./worker/precision.ts";
import { openRemote, type Remote } from "./worker/remote.ts";
import { SharedContents } from "./worker/shared_contents.ts";

export interface LearnerOptions {
  readonly config: RunConfig;
  readonly device?: DeviceChoice;
  /** Threads of the cpu device, and of a fold at most; one a core if absent. */
  readonly threads?: number;
  /** Where the blobs are that the run's tokenizer and data name, by digest. */
  readonly blobs?: Readonly<Record<string, BlobPlace>>;
  /** Share of the time to compute in, over 0 and at most 100. */
  readonly percent?: number;
  /** Sequences at once; the fastest is measured if absent. */
  readonly microBatch?: number;
  /** How activations lie in memory. Default `auto`: f16 where the device passes its self-test and is faster by it. */
  readonly precision?: PrecisionChoice;
  /** What the event `speeds` of an earlier session gave: the device is not measured again, but goes on being watched. */
  readonly speeds?: DeviceSpeeds;
  /** What the event `tuned` of an earlier session gave: what is known of the machine's GPU is not measured again. */
  readonly tuned?: TunedProducts;
  /** What `checkpoint` of an earlier session gave, whole. It is moved to the thread that uses it: the caller loses it. */
  readonly checkpoint?: Uint8Array<ArrayBuffer>;
  /** What `average` of an earlier session gave. */
  readonly average?: ByteReader;
  readonly onEvent?: (event: LearnerEvent) => void;
}

/** A learner on this machine, with what only its owner may do. */
export interface LocalLearner extends Learner, OpenedTraining, AsyncDisposable {
  /** Share of the time to compute in, over 0 and at most 100; works at once. */
  throttle(percent: number): void;
  pause(): void;
  resume(): void;
  /**
   * Lends the inner optimizer's state for a restart, as `state/checkpoint.ts` has it: training stands still until `use` is
   * done. Gives what `use` gives; null if nothing was trained.
   */
  checkpoint<T>(use: (pieces: Pieces) => Promise<T>): Promise<T | null>;
  /**
   * Lends the average of the run's weights so far, as `state/ewa_bytes.ts` has it. Gives what `use` gives; null before a
   * round has counted tokens.
   */
  average<T>(use: (pieces: Pieces) => Promise<T>): Promise<T | null>;
}

/** A step in hand may take as long; a device that hangs may not. */
const LONGEST_CLOSE_MS = 10_000;

/**
 * Opens device, corpus and model in threads of their own.
 * @throws {Error} if one of them cannot be opened; nothing is left running.
 */
export async function openLearner(options: LearnerOptions): Promise<LocalLearner> {
  const { config, device = "auto", threads = null, blobs = {}, percent = 100 } = options;
  const { microBatch = null, precision = "auto", checkpoint = null, speeds = null, tuned = null } = options;
  const onEvent = options.onEvent ?? (() => {});
  expectPercent(percent);
  const training = openRemote<TrainingPort, LearnerEvent>(trainingThread(), onEvent);
  const folding = openRemote<FoldPort, never>(foldThread(), () => {});
  try {
    const [opened] = await Promise.all([
      training.call(
        "open",
        { config, device, threads, blobs, microBatch, precision, speeds, tuned, percent, checkpoint },
        checkpoint === null ? [] : [checkpoint.buffer],
      ),
      folding.call("open", { config, threads }),
    ]);
    const average = new RunningAverage({ config, words: weightsLayout(config).parameterWords, folding });
    const why = options.average === undefined ? null : await average.load(options.average);
    if (why !== null) onEvent({ kind: "warning", message: why });
    return localLearner({ training, folding, opened, percent, config, average, onEvent });
  } catch (error) {
    training.terminate();
    folding.terminate();
    throw error;
  }
}

function localLearner({ training, folding, opened, config, average, onEvent, ...start }: {
  readonly training: Remote<TrainingPort>;
  readonly folding: Remote<FoldPort>;
  readonly opened: OpenedTraining;
  readonly percent: number;
  readonly config: RunConfig;
  readonly average: RunningAverage;
  onEvent(event: LearnerEvent): void;
}): LocalLearner {
  const layout = weightsLayout(config);
  const first = lineageCount(config);
  const held = new HeldWeights({ most: HELD_STATES, allocate: (sets) => allocateWeights(layout, sets).bytes });
  const orders = new Orders(training, held), folded = new SharedContents(), judged = new SharedContents();
  let pace = { percent: start.percent, paused: false };
  let closing: Promise<void> | null = null;

  /** Requests without an answer: what goes wrong with them is an event. */
  const report = (error: Error) => {
    if (closing === null) onEvent({ kind: "warning", message: error.message });
  };
  const setPace = (change: Partial<typeof pace>) => {
    pace = { ...pace, ...change };
    training.call("pace", pace).catch(report);
  };

  const learner: LocalLearner = {
    ...opened,
    async initial() {
      const { digest } = await held.make(first, (into) => folding.call("initial", { into }));
      return digest;
    },
    sizeOf: (sets) => weightsSizeBytes(layout, sets),
    async load({ sizeBytes, readInto }) {
      const sets = setsIn(sizeBytes, layout);
      if (sets === null || sets > first) throw sizeError(sizeBytes, layout);
      const { digest } = await held.make(sets, async (into) => {
        await readInto(into);
        return await folding.call("check", into);
      });
      return digest;
    },
    save: async (digest, use) => held.has(digest) ? await held.use([digest], ([bytes]) => use(bytes!)) : null,
    train(order: TrainOrder) {
      orders.give(order, report);
      held.use([order.weights], ([bytes]) => average.take(bytes!, order)).catch(report);
    },
    contribute(): Promise<Contribution> {
      orders.send();
      return training.call("contribute", null);
    },
    judge: (contribution): Promise<Verdict> => judged.use([contribution], ([bytes]) => folding.call("judge", bytes!)),
    async fold({ parent, parts, joined }: FoldOrder) {
      const { digest, verdicts, screen } = await held.use([parent], ([weights]) => {
        const sets = setsIn(weights!.length, layout)! - (joined === null ? 0 : 1);
        return folded.use(parts.map(({ content }) => content), (bytes) => {
          const shared = parts.map(({ at, weight }, i) => ({ at, weight, bytes: bytes[i]! }));
          return held.make(sets, (into) => folding.call("fold", { parts: shared, joined, parent: weights!, into }));
        });
      });
      const reasons = verdicts.flatMap((verdict) => verdict.valid ? [] : [verdict.reason]);
      if (reasons.length > 0) onEvent({ kind: "dropped", reasons });
      return { digest, screen };
    },
    async merge(averaged) {
      const digests = [...new Set(averaged.flat().map(({ weights }) => weights))];
      const { digest } = await held.use(digests, (all) => {
        const sets = averaged.map((set) =>
          set.map(({ weights, at, share }) => ({ weights: all[digests.indexOf(weights)]!, at, share }))
        );
        return held.make(sets.length, (into) => folding.call("merge", { sets, into }));
      });
      return digest;
    },
    evaluate: (digest, at) => held.use([digest], ([weights]) => training.call("evaluate", { weights: weights!, at })),
    settle(round: number, fate: Fate) {
      orders.send();
      training.call("settle", { round, fate }).catch(report);
    },
    throttle(percent) {
      expectPercent(percent);
      setPace({ percent });
    },
    pause: () => setPace({ paused: true }),
    resume: () => setPace({ paused: false }),
    async checkpoint(use) {
      if (!await training.call("beginCheckpoint", null)) return null;
      try {
        return await use(checkpointPieces(training));
      } finally {
        training.call("endCheckpoint", null).catch(report);
      }
    },
    average: (use) => average.save(use),
    close: () =>
      closing ??= within(LONGEST_CLOSE_MS, training.call("close", null)).then(() => {
        training.terminate();
        folding.terminate();
      }),
    [Symbol.asyncDispose]: () => learner.close(),
  };
  return learner;
}

/**
 * Orders on their way to the training thread, one at a time: while that is busy, each one replaces the one before it, so
 * that weights of orders which nobody will begin with are not held.
 */
class Orders {
  readonly #training: Remote<TrainingPort>;
  readonly #held: HeldWeights;
  /** Of the last order that was begun with: the training thread goes by them until the next. */
  #anchor: Pin | null = null;
  #underWay = 0;
  #waiting: { readonly order: TrainOrder; readonly pin: Pin; readonly report: (error: Error) => void } | null = null;

  constructor(training: Remote<TrainingPort>, held: HeldWeights) {
    this.#training = training;
    this.#held = held;
  }

  /** @throws {Error} if the order's weights are not held any more. */
  give(order: TrainOrder, report: (error: Error) => void): void {
    const pin = this.#held.pin(order.weights);
    this.#waiting?.pin.release();
    this.#waiting = { order, pin, report };
    if (this.#underWay === 0) this.send();
  }

  /** Sends the order that waits: what is asked of the thread next is asked after it. */
  send(): void {
    if (this.#waiting === null) return;
    const { order, pin, report } = this.#waiting;
    this.#waiting = null;
    this.#underWay++;
    this.#training.call("train", { order, weights: pin.bytes }).then(() => {
      this.#anchor?.release();
      this.#anchor = pin;
    }, (error: Error) => {
      pin.release();
      report(error);
    }).finally(() => {
      if (--this.#underWay === 0) this.send();
    });
  }
}

async function* checkpointPieces(training: Remote<TrainingPort>): Pieces {
  for (;;) {
    const piece = await training.call("checkpointPiece", null);
    if (piece === null) return;
    yield piece;
  }
}

/** Resolves when the work has ended, well or not, or after `ms`. */
async function within(ms: number, work: Promise<unknown>): Promise<void> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise((resolve) => timer = setTimeout(resolve, ms));
  await Promise.race([work.catch(() => {}), late]);
  clearTimeout(timer);
}

function trainingThread(): Worker {
  return new Worker(new URL("./worker/learner_worker.ts", import.meta.url), { type: "module" });
}

function foldThread(): Worker {
  return new Worker(new URL("./worker/fold_worker.ts", import.meta.url), { type: "module" });
}

function expectPercent(percent: number): void {
  if (percent > 0 && percent <= 100) return;
  throw new RangeError(`Cannot throttle to ${percent} %: give a share of the time over 0 and at most 100`);
}
