/**
 * The training thread: opens device, corpus and model, and connects the training loop to the messages.
 *
 * A thread of its own because devices block: a readback or a step on the CPU may last longer than the network can wait.
 * @module
 */
/// <reference lib="deno.worker" />
import { SpeedCurve } from "../batching/speed_curve.ts";
import type { RunConfig } from "../config.ts";
import { openCorpus } from "../data/corpus.ts";
import { openRunText, openRunTokenizer } from "../data/run_text.ts";
import type { Device } from "../device/device.ts";
import { openDevice } from "../device/open.ts";
import { type ByteReader, memoryReader, readText } from "../folder.ts";
import { openFile } from "../folder_disk.ts";
import type { ModelConfig } from "../model/config.ts";
import { parameterLayout } from "../model/parameters.ts";
import { checkpointPieces, decodeCheckpoint } from "../state/checkpoint.ts";
import { viewWeights, weightsLayout } from "../state/weights.ts";
import type { Precision } from "../train/training_graph.ts";
import { choiceOf, type TunedProducts } from "../tuning/tuned_products.ts";
import { realClock } from "./clock.ts";
import { heldOutWindows } from "./held_out.ts";
import { Lending } from "./lending.ts";
import { LocalModel } from "./local_model.ts";
import type { BlobPlace, LearnerEvent, SetBytes, TrainingPort, TrainingSetup } from "./messages.ts";
import { decidePrecision } from "./precision.ts";
import { Moved, serve } from "./remote.ts";
import { curveOf, measureSpeed, probeSpeed, roughSpeed } from "./speed_probe.ts";
import { Training } from "./training.ts";
import { likelyMicroBatch, tuneForTraining } from "./tuning.ts";

/** All that lives from `open` to `close`. */
interface Session {
  readonly config: RunConfig;
  readonly local: LocalModel;
  readonly prepared: Prepared;
  readonly training: Training;
  readonly running: Promise<void>;
}

let session: Session | null = null;
/** The checkpoint that is being taken. */
const lending = new Lending();

const tell = serve<TrainingPort, LearnerEvent>(self, {
  async open(setup) {
    const { config } = setup, { contextLength, vocabularySize } = config.model;
    const corpus = openCorpus(await openText(setup), { contextLength, vocabularySize });
    const device = await openAskedDevice(setup);
    const prepared = await prepare(device, setup), { curve } = prepared;
    const local = await openLocalModel(device, setup, prepared);
    const training = new Training({
      local,
      curve,
      config: config.training,
      batching: config.batching,
      seed: config.seed,
      contextLength,
      train: corpus.train,
      heldOut: heldOutWindows(corpus.heldOut, { seed: config.seed, contextLength }),
      clock: realClock,
      onEvent: tell,
    });
    training.pace({ percent: setup.percent, paused: false });
    session = { config, local, prepared, training, running: training.run() };
    return { device: device.description };
  },

  train: async ({ order, weights }) =>
    await opened().training.train(order, parametersOf({ weights, at: order.lineage.at })),

  async contribute() {
    const contribution = await opened().training.contribute();
    return new Moved(contribution, contribution.bytes === null ? [] : [contribution.bytes.buffer]);
  },

  evaluate: async (set) => await opened().training.evaluate(parametersOf(set)),

  settle: async ({ round, fate }) => await opened().training.settle(round, fate),

  pace: (pace) => opened().training.pace(pace),

  async beginCheckpoint() {
    const { training, config } = opened(), begun = Promise.withResolvers<boolean>();
    training.lendOptimizers(async (lineages) => {
      begun.resolve(lineages.length > 0);
      if (lineages.length === 0) return;
      await lending.lend(checkpointPieces(lineages, parameterLayout(config.model)));
    }).catch(begun.reject);
    return await begun.promise;
  },

  async checkpointPiece() {
    const piece = await lending.next();
    return piece && new Moved(piece, [piece.buffer]);
  },

  endCheckpoint: () => lending.end(),

  async close() {
    if (session === null) return;
    const { training, running, local, prepared } = session;
    session = null;
    training.close();
    await running;
    tellSpeeds(prepared);
    await local[Symbol.asyncDispose]();
  },
});

function opened(): Session {
  if (session === null) throw new Error("This learner is not open");
  return session;
}

function parametersOf({ weights, at }: SetBytes): Float32Array {
  return viewWeights(weights, weightsLayout(opened().config)).sets[at]!.parameters;
}

async function openText({ config, blobs }: TrainingSetup) {
  const openBlob = (digest: string) => Promise.resolve(openPlace(digest, blobs[digest]));
  const tokenizer = await openRunTokenizer(config.tokenizer, async (digest) => readText(await openBlob(digest)));
  return await openRunText(config.data, { tokenizer, openBlob });
}

function openPlace(digest: string, place: BlobPlace | undefined): ByteReader {
  if (place === undefined) {
    throw new Error(`Cannot open the run's data: blob ${digest} is not here; fetch it from a peer that has it`);
  }
  return place.kind === "file" ? openFile(place.path) : memoryReader(place.bytes, `blob ${digest.slice(0, 8)}…`);
}

async function openAskedDevice({ device: choice, threads }: TrainingSetup): Promise<Device> {
  const { device, reason } = await openDevice(choice, {
    ...(threads === null ? {} : { threads }),
    onNotice: (reason) => tell({ kind: "waiting", round: 0, reason }),
  });
  tell({ kind: "device", device: device.description, reason });
  return device;
}

/** What the device is trained on with. */
interface Prepared {
  readonly precision: Precision;
  /** Null if the user chose a micro-batch. */
  readonly curve: SpeedCurve | null;
  /** Tokens a second to expect at a micro-batch; undefined: nobody knows. */
  speedAt(microBatch: number): number | undefined;
  /** What the curve is of: changes with the precision. */
  subject: string;
  /** The most that the search for all this had in buffers. */
  readonly searchedBytes: number;
  /** What is known of the device's products. */
  readonly tuned: TunedProducts | null;
}

/** Decides on precision and micro-batch by what was asked for, what the last session found, or what is measured now. */
async function prepare(device: Device, setup: TrainingSetup): Promise<Prepared> {
  const { config: { model, training }, microBatch, speeds, precision: choice } = setup;
  const tune = (microBatch: number, precisions: readonly Precision[], known: TunedProducts | null) =>
    tuneForTraining({ device, model, microBatch, precisions, known, clock: realClock, tell });
  const likely = microBatch ?? likelyMicroBatch(model, training.batch);
  const tuned = await tune(likely, possiblePrecisions(device, choice), setup.tuned);
  const products = choiceOf(device, tuned), known = microBatch === null ? speeds : null;
  const before = (["f32", "f16"] as const).find((each) => known?.subject === subjectOf(device, model, each)) ?? null;
  const rough = before === null ? await roughSpeed(device, model) : undefined;
  let searchedBytes = 0;
  const { precision, reason, measured } = await decidePrecision({
    device,
    choice,
    known: before,
    mustMeasure: microBatch === null,
    measure: async (precision) => {
      const options = { device, model, precision, products, clock: realClock, tokensPerSecond: rough };
      const probe = microBatch === null
        ? await probeSpeed({ ...options, most: training.batch })
        : await measureSpeed({ ...options, microBatch });
      searchedBytes = Math.max(searchedBytes, probe.plannedBytes);
      return probe;
    },
  });
  tell({ kind: "precision", precision, reason });
  const subject = subjectOf(device, model, precision), probe = measured.get(precision);
  if (microBatch !== null) {
    const speed = probe?.readings[0]?.tokensPerSecond ?? rough;
    return { precision, curve: null, speedAt: () => speed, subject, searchedBytes, tuned };
  }
  const curve = new SpeedCurve(probe === undefined ? known! : curveOf(probe), realClock.now());
  if (probe !== undefined) tellSpeeds({ curve, subject });
  const tunedFor = await tune(curve.fastest, [precision], tuned), speedAt = curve.speedAt.bind(curve);
  return { precision, curve, speedAt, subject, searchedBytes, tuned: tunedFor };
}

function possiblePrecisions({ storesF16 }: Device, choice: TrainingSetup["precision"]): readonly Precision[] {
  if (choice !== "auto") return [choice];
  return storesF16 ? ["f32", "f16"] : ["f32"];
}

function subjectOf({ description }: Device, model: ModelConfig, precision: Precision): string {
  return `${description}, ${precision}: ${JSON.stringify(model)}`;
}

function tellSpeeds({ curve, subject }: Pick<Prepared, "curve" | "subject">): void {
  if (curve !== null) tell({ kind: "speeds", speeds: { subject, ...curve.remembered } });
}

/** Takes up the optimizer where the last session left it. */
async function openLocalModel(device: Device, setup: TrainingSetup, prepared: Prepared): Promise<LocalModel> {
  const { config: { model }, checkpoint } = setup, { precision, curve, searchedBytes, tuned } = prepared;
  const local = new LocalModel({
    device,
    reopenDevice: () => openAskedDevice(setup),
    model,
    largestMicroBatch: setup.microBatch ?? curve?.fastest ?? 1,
    precision,
    productsOn: (device) => choiceOf(device, tuned),
    speedAt: prepared.speedAt,
    onOpen: ({ microBatch, recompute, plannedBytes, parameterCount }) =>
      tell({
        kind: "memory",
        microBatch,
        recompute,
        plannedBytes,
        peakBytes: Math.max(plannedBytes, searchedBytes),
        parameterCount,
      }),
    onF32(reason) {
      const message = `f16 is no use here any more: ${reason}. Training goes on in f32 from the same weights`;
      tell({ kind: "warning", message });
      tell({ kind: "precision", precision: "f32", reason: message });
      prepared.subject = subjectOf(device, model, "f32");
      tellSpeeds(prepared);
    },
    onRecompute: (message) => tell({ kind: "warning", message }),
    onRefused(microBatch, cause) {
      if (cause !== null) {
        tell({ kind: "warning", message: `A micro-batch of ${microBatch} does not fit (${cause}); trying half of it` });
      }
      if (curve === null) return;
      curve.refuse(microBatch, realClock.now());
      tellSpeeds(prepared);
    },
  });
  if (checkpoint === null) return local;
  const decoded = await decodeCheckpoint(checkpoint, { words: parameterLayout(model).words });
  if (decoded.ok) local.restore(decoded.lineages);
  else tell({ kind: "warning", message: `Cannot take up training where it ended: ${decoded.reason}` });
  return local;
}
