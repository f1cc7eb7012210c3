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
import { parameterLayout } from "../model/parameters.ts";
import { decodeCheckpoint, encodeCheckpoint } from "../state/checkpoint.ts";
import { viewWeights, weightsLayout } from "../state/weights.ts";
import { realClock } from "./clock.ts";
import { heldOutWindows } from "./held_out.ts";
import { LocalModel } from "./local_model.ts";
import type { BlobPlace, LearnerEvent, SetBytes, TrainingPort, TrainingSetup } from "./messages.ts";
import { Moved, serve } from "./remote.ts";
import { curveOf, probedBytes, probeSpeed } from "./speed_probe.ts";
import { Training } from "./training.ts";

/** All that lives from `open` to `close`. */
interface Session {
  readonly config: RunConfig;
  readonly local: LocalModel;
  readonly curve: SpeedCurve | null;
  readonly subject: string;
  readonly training: Training;
  readonly running: Promise<void>;
}

let session: Session | null = null;

const tell = serve<TrainingPort, LearnerEvent>(self, {
  async open(setup) {
    const { config } = setup, { contextLength, vocabularySize } = config.model;
    const corpus = openCorpus(await openText(setup), { contextLength, vocabularySize });
    const device = await openAskedDevice(setup);
    const subject = `${device.description}: ${JSON.stringify(config.model)}`;
    const { curve, searchedBytes } = await openCurve(device, { ...setup, subject });
    const local = await openLocalModel(device, { ...setup, subject, curve, searchedBytes });
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
    session = { config, local, curve, subject, training, running: training.run() };
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

  async checkpoint() {
    const moments = await opened().training.saveMoments();
    if (moments === null) return null;
    const bytes = await encodeCheckpoint(moments);
    return new Moved(bytes, [bytes.buffer]);
  },

  async close() {
    if (session === null) return;
    const { training, running, local, curve, subject } = session;
    session = null;
    training.close();
    await running;
    if (curve !== null) tellSpeeds(curve, subject);
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
  const { device, reason } = await openDevice(choice, threads === null ? {} : { threads });
  tell({ kind: "device", device: device.description, reason });
  return device;
}

/** What is known of the device: from the last session, or by a probe; null if the user chose a micro-batch. */
async function openCurve(
  device: Device,
  { config: { model, training }, microBatch, speeds, subject }: TrainingSetup & { readonly subject: string },
): Promise<{ readonly curve: SpeedCurve | null; readonly searchedBytes: number }> {
  if (microBatch !== null) return { curve: null, searchedBytes: 0 };
  if (speeds?.subject === subject) return { curve: new SpeedCurve(speeds, realClock.now()), searchedBytes: 0 };
  const probe = await probeSpeed({ device, model, most: training.batch, clock: realClock });
  const curve = new SpeedCurve(curveOf(probe), realClock.now());
  tellSpeeds(curve, subject);
  return { curve, searchedBytes: probedBytes(probe, model) };
}

function tellSpeeds(curve: SpeedCurve, subject: string): void {
  tell({ kind: "speeds", speeds: { subject, ...curve.remembered } });
}

/** Takes up the optimizer where the last session left it. */
async function openLocalModel(
  device: Device,
  { searchedBytes, curve, subject, ...setup }: TrainingSetup & {
    readonly searchedBytes: number;
    readonly curve: SpeedCurve | null;
    readonly subject: string;
  },
): Promise<LocalModel> {
  const { config: { model }, checkpoint } = setup;
  const local = new LocalModel({
    device,
    reopenDevice: () => openAskedDevice(setup),
    model,
    largestMicroBatch: setup.microBatch ?? curve?.fastest ?? 1,
    onOpen: ({ microBatch, plannedBytes, parameterCount }) =>
      tell({
        kind: "memory",
        microBatch,
        plannedBytes,
        peakBytes: Math.max(plannedBytes, searchedBytes),
        parameterCount,
      }),
    onRefused(microBatch, cause) {
      if (cause !== null) {
        tell({ kind: "warning", message: `A micro-batch of ${microBatch} does not fit (${cause}); trying half of it` });
      }
      if (curve === null) return;
      curve.refuse(microBatch, realClock.now());
      tellSpeeds(curve, subject);
    },
  });
  if (checkpoint === null) return local;
  const decoded = await decodeCheckpoint(checkpoint, { words: parameterLayout(model).words });
  if (decoded.ok) local.loadMoments(decoded.moments);
  else tell({ kind: "warning", message: `Cannot take up training where it ended: ${decoded.reason}` });
  return local;
}
