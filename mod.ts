/**
 * Starling: train one language model together, on the machines you have.
 *
 * A peer inside your own program, in memory and alone; give it a `startLibp2p` transport and a ticket, and it trains
 * with others:
 *
 * ```ts
 * import { createRun, identityFromSeed, MemoryBlobStore, MemoryJournal, MemoryNetwork, startPeer } from "starling";
 *
 * const blobs = new MemoryBlobStore();
 * const run = await createRun({ name: "example", preset: "demo", seed: 1, membership: "open", texts: null }, blobs);
 * const identity = identityFromSeed(crypto.getRandomValues(new Uint8Array(32)));
 * const learnt = Promise.withResolvers<number>();
 *
 * await using peer = await startPeer({
 *   config: { ...run, rounds: { firstMs: 1000, leastMs: 1000, longestMs: 5000 } },
 *   name: "wren",
 *   identity,
 *   transport: new MemoryNetwork().join(identity.peer),
 *   blobs,
 *   journal: new MemoryJournal(),
 *   networkKey: null,
 *   device: "cpu",
 *   onEvent: (event) => {
 *     if (event.kind === "round" && event.loss !== null) learnt.resolve(event.loss);
 *   },
 * });
 * console.log(`${peer.id} trained a round: loss ${(await learnt.promise).toFixed(2)} nats per byte`);
 * ```
 *
 * The parts below a peer stand alone: devices, trainers, generators, model folders, tokenizers, transports and stores.
 * @module
 */
export { type Peer, type PeerOptions, startPeer } from "./runtime/peer.ts";
export type { BlobPlace } from "./runtime/worker/messages.ts";
export type { MemberRound, PeerEvent } from "./runtime/event.ts";
export { emptyStatus, type OfferFate, type PeerStatus, statusAfter } from "./runtime/status.ts";

export { ConfigError, genesisBytes, parseRunConfig, type RunConfig } from "./runtime/config.ts";
export { createRun, type NewRun } from "./runtime/create_run.ts";
export { type Preset, type PresetName, presets } from "./runtime/presets.ts";

export type { ModelConfig } from "./runtime/model/config.ts";
export {
  type Initial,
  initialWeights,
  type Parameter,
  type ParameterLayout,
  parameterLayout,
} from "./runtime/model/parameters.ts";
export { type ModelFolder, readFolder, writeFolder } from "./runtime/model/huggingface.ts";
export {
  type GenerationOptions,
  type Generator,
  type GeneratorOptions,
  openGenerator,
} from "./runtime/model/generate.ts";
export type { SamplingOptions } from "./runtime/model/sampling.ts";
export {
  type Evaluation,
  type Moments,
  openTrainer,
  type Trainer,
  type TrainerOptions,
} from "./runtime/train/trainer.ts";
export { planTrainer, type TrainerPlan, type TrainerShape } from "./runtime/train/trainer_plan.ts";
export type { StepSettings } from "./runtime/train/inner_step.ts";
export type { StepMetrics } from "./runtime/train/step_metrics.ts";
export type { Precision } from "./runtime/train/training_graph.ts";
export type { PrecisionChoice } from "./runtime/worker/precision.ts";
export type { Cut } from "./runtime/train/pseudo_gradient.ts";

export type { Device, DeviceBuffer, DeviceKind, Dispatch, MemoryUse, Program, Span } from "./runtime/device/device.ts";
export {
  type Choice,
  type DeviceChoice,
  type DeviceList,
  listDevices,
  type Measurement,
  openDevice,
  type OpenDeviceOptions,
  type OpenedDevice,
} from "./runtime/device/open.ts";
export { type ByteReader, type Folder, memoryFolder, memoryReader } from "./runtime/folder.ts";
export { bytesTokenizer, type Tokenizer } from "./runtime/data/tokenizer.ts";
export { bpeTokenizer } from "./runtime/data/bpe.ts";

export type { Digest, PeerId } from "./p2p/sync/types.ts";
export type { HostEnd } from "./p2p/host_event.ts";
export type { Clock } from "./p2p/clock.ts";
export { type Identity, identityFromSeed } from "./p2p/identity.ts";
export { formatTicket, type ParsedTicket, parseTicket, type Ticket } from "./p2p/ticket.ts";
export { fetchGenesis, runIdOf } from "./p2p/genesis.ts";
export type { RequestHandler, Transport, TransportEvent } from "./p2p/net/transport.ts";
export { type Libp2pOptions } from "./p2p/net/libp2p_node.ts";
export { startLibp2p } from "./p2p/net/libp2p.ts";
export { fetchBlob } from "./p2p/net/blobs.ts";
export { MemoryNetwork } from "./p2p/net/memory.ts";
export type { BlobStore, PartialBlob } from "./p2p/store/blob_store.ts";
export { MemoryBlobStore } from "./p2p/store/memory.ts";
export { openDiskBlobStore } from "./p2p/store/disk.ts";
export { type Journal, type JournalContents, MemoryJournal } from "./p2p/store/journal.ts";
export { openDiskJournal } from "./p2p/store/disk_journal.ts";
export { openIdentity } from "./p2p/store/key_file.ts";
