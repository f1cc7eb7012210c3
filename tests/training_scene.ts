/**
 * A training loop on the plain device in virtual time, for tests of what it does between steps.
 * @module
 */
import type { SpeedCurve } from "../runtime/batching/speed_curve.ts";
import type { Contribution, TrainOrder } from "../p2p/learner.ts";
import type { Digest } from "../p2p/sync/types.ts";
import type { RunConfig } from "../runtime/config.ts";
import { openCorpus } from "../runtime/data/corpus.ts";
import { markovTokens } from "../runtime/data/markov.ts";
import { type Device, DeviceMemoryError } from "../runtime/device/device.ts";
import { openPlainDevice } from "../runtime/device/plain.ts";
import { joinBytes } from "../runtime/folder.ts";
import { initialWeights } from "../runtime/model/parameters.ts";
import { checkpointPieces, decodeCheckpoint, type KeptLineage } from "../runtime/state/checkpoint.ts";
import type { CodecName } from "../runtime/state/codec/codec.ts";
import { anyCodec } from "../runtime/state/codec/codecs.ts";
import { fold } from "../runtime/state/fold.ts";
import { weightsLayout } from "../runtime/state/weights.ts";
import type { Clock } from "../runtime/worker/clock.ts";
import { heldOutWindows } from "../runtime/worker/held_out.ts";
import { LocalModel } from "../runtime/worker/local_model.ts";
import type { LearnerEvent } from "../runtime/worker/messages.ts";
import { Training } from "../runtime/worker/training.ts";
import { tinyRun } from "./tiny_run.ts";
import type { Precision } from "../runtime/train/training_graph.ts";

/** Training on one window takes so long, in virtual time. */
const WINDOW_MS = 5;

/** Time that passes by work and by sleep, both of which take no real time. */
export class VirtualClock implements Clock {
  /** Sleeps last until they are cut short. */
  isFrozen = false;
  /** Most work without a sleep in between. */
  longestWorkMs = 0;
  #ms = 0;
  #sleptAtMs = 0;

  now(): number {
    return this.#ms;
  }

  work(ms: number): void {
    this.#ms += ms;
    this.longestWorkMs = Math.max(this.longestWorkMs, this.#ms - this.#sleptAtMs);
  }

  async sleep(ms: number, signal: AbortSignal): Promise<void> {
    await turn(); // requests of the test come in between
    if (this.isFrozen && ms > 0) {
      return await new Promise((resolve) => {
        if (signal.aborted) resolve();
        else signal.addEventListener("abort", () => resolve());
      });
    }
    if (!signal.aborted && ms < 60_000) this.#ms += ms;
    this.#sleptAtMs = this.#ms;
  }
}

const MOST_TURNS = 3000;

/** Turns of the event loop until something has come true. */
export async function until(what: string, isTrue: () => boolean): Promise<void> {
  for (let turns = 0; !isTrue(); turns++) {
    if (turns > MOST_TURNS) throw new Error(`Waited in vain until ${what}`);
    await turn();
  }
}

/** Lets everything that is due run once. */
export const turn = () => new Promise<void>((resolve) => setTimeout(resolve));

export interface SceneOptions {
  readonly codec?: CodecName;
  readonly microBatch?: number;
  /** As `run.json` has it. */
  readonly batching?: Readonly<Record<string, unknown>>;
  readonly precision?: Precision;
  /** What the device is said to train. */
  readonly tokensPerSecond?: number;
  /** Chooses the micro-batch of each box. */
  readonly curve?: SpeedCurve;
  /** The first device, and those opened in its place when it is lost. */
  readonly devices?: (clock: VirtualClock) => readonly Device[];
}

/** A plain device with little memory. */
export function limitedDevice(limitBytes: number): Device {
  const device = openPlainDevice();
  return {
    ...device,
    allocate(words, label) {
      if (device.memory().bytes + 4 * words > limitBytes) throw new DeviceMemoryError(`No memory for ${label}`);
      return device.allocate(words, label);
    },
  };
}

/** So small that the plain device trains it in milliseconds. */
export function smallRun(codec: CodecName, batching: SceneOptions["batching"] = {}): RunConfig {
  const { model, training, outer } = tinyRun();
  return tinyRun({
    model: { ...model, vocabularySize: 8, contextLength: 16, layerCount: 1, width: 16, hiddenWidth: 64 },
    data: { kind: "markov", seed: 5, symbolCount: 8, tokenCount: 40_000 },
    training: { ...training, learningRate: 0.01, warmupTokens: 0, batch: 8 },
    outer: { ...outer, codec },
    ...(Object.keys(batching).length > 0 ? { batching: batching as RunConfig["batching"] } : {}),
  });
}

/** A training loop on the plain device, its events, and what folds its contributions. */
export function openScene(
  { codec = "int8", microBatch = 4, precision = "f32", devices, batching, ...chosen }: SceneOptions = {},
) {
  const run = smallRun(codec, batching), { contextLength, vocabularySize } = run.model;
  if (run.data.kind !== "markov") throw new Error("tinyRun has a Markov source");
  const corpus = openCorpus(markovTokens(run.data), { contextLength, vocabularySize });
  const events: LearnerEvent[] = [], clock = new VirtualClock(), curve = chosen.curve ?? null;
  const spares = [...devices?.(clock) ?? [openPlainDevice()]];
  const onEvent = (event: LearnerEvent) => void events.push(event);
  const local = new LocalModel({
    device: spares.shift()!,
    reopenDevice: () => {
      const device = spares.shift();
      return device === undefined ? Promise.reject(new Error("no device is left")) : Promise.resolve(device);
    },
    model: run.model,
    largestMicroBatch: microBatch,
    speedAt: () => chosen.tokensPerSecond,
    precision,
    onOpen: ({ microBatch, recompute, plannedBytes, parameterCount }) =>
      onEvent({ kind: "memory", microBatch, recompute, plannedBytes, peakBytes: plannedBytes, parameterCount }),
    onRecompute: (message) => onEvent({ kind: "warning", message }),
    onF32: (reason) => onEvent({ kind: "precision", precision: "f32", reason }),
    onRefused(microBatch, reason) {
      curve?.refuse(microBatch, clock.now());
      if (reason !== null) onEvent({ kind: "warning", message: `${microBatch} do not fit` });
    },
  });
  const training = new Training({
    local,
    curve,
    config: run.training,
    batching: run.batching,
    seed: run.seed,
    contextLength,
    train: {
      ...corpus.train,
      read(window, into) {
        clock.work(WINDOW_MS);
        corpus.train.read(window, into);
      },
    },
    heldOut: heldOutWindows(corpus.heldOut, { seed: run.seed, contextLength }).slice(0, 16),
    clock,
    onEvent,
  });
  const layout = weightsLayout(run), weights = initialWeights(run.model, run.seed);
  const running = training.run();
  return {
    training,
    local,
    clock,
    events,
    weights,
    order: (round: number, fields: Partial<TrainOrder> = {}): TrainOrder => ({
      round,
      weights: `${round}` as Digest,
      lineage: { at: 0, from: [0], hosted: [0], leading: 0 },
      tokens: 0,
      ranges: [{ start: round * 100, end: round * 100 + 96 }],
      batch: 8,
      globalBatch: 8,
      measure: { every: 0, sketch: false },
      encoding: { codec, kept: codec === "topk" ? 512 : 4096 },
      roundMs: 1000,
      ...fields,
    }),
    foldInto(parent: Float32Array, contributions: readonly Contribution[]): Float32Array {
      const parts = contributions.map(({ bytes, tokens }) => ({ bytes: bytes!, weight: tokens }));
      const form = { codec: anyCodec, padding: layout.padding, outer: run.outer };
      return fold({ weights: parent.slice(), momentum: null, parts }, form).weights;
    },
    /** Steps that were reported. */
    get steps(): number {
      return stepsIn(events);
    },
    /** What a checkpoint has of it now. */
    checkpoint(): Promise<readonly KeptLineage[]> {
      return training.lendOptimizers(async (lineages) => {
        const words = weights.length, bytes = joinBytes(await Array.fromAsync(checkpointPieces(lineages, { words })));
        const decoded = await decodeCheckpoint(bytes, { words });
        if (!decoded.ok) throw new Error(decoded.reason);
        return decoded.lineages;
      });
    },
    /** Resolves when so many steps have been reported since `from` events. */
    async stepped(count: number): Promise<void> {
      const from = events.length;
      for (let turns = 0; stepsIn(events.slice(from)) < count; turns++) {
        await turn();
        for (const event of events) if (event.kind === "failed") throw new Error(event.message);
        if (turns > 2000) throw new Error(`Training made no ${count} steps: ${JSON.stringify(events.at(-1))}`);
      }
    },
    async [Symbol.asyncDispose]() {
      training.close();
      await running;
      await local[Symbol.asyncDispose]();
    },
  };
}

function stepsIn(events: readonly LearnerEvent[]): number {
  return events.reduce((sum, event) => sum + (event.kind === "steps" ? event.steps : 0), 0);
}
