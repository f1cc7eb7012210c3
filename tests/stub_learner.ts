/**
 * A learner with a few weights and no device: each step pulls them a little towards 1. For tests of what uses a learner.
 *
 * Bytes, digests and folds are the real ones; only training is pretended, and takes no time: a contribution is two
 * steps of what the lease still has. It holds few weights at a time, so that hosts have to keep and load them. What the
 * simulator has instead (`sim/sim_learner.ts`) has no bytes at all.
 * @module
 */
import { bytesIn, type Learner, type TrainOrder } from "../p2p/learner.ts";
import { blobDigest } from "../p2p/store/chunks.ts";
import type { Digest } from "../p2p/sync/types.ts";
import { codecs } from "../runtime/state/codec/codecs.ts";
import { judge } from "../runtime/state/fold.ts";
import { averageSets, foldSets } from "../runtime/state/sets.ts";
import {
  allocateWeights,
  checkWeights,
  viewWeights,
  type Weights,
  type WeightSet,
  weightsSizeBytes,
} from "../runtime/state/weights.ts";
import { Lease } from "../runtime/worker/lease.ts";
import { readParts } from "./read_parts.ts";

const STEPS = 2;
const MOST_HELD = 4;

export interface StubLearnerOptions {
  readonly contextLength?: number;
  /** Tokens a second that it claims. */
  readonly speed?: number;
  /** Share of the way to 1 that a contribution goes: another one at each peer gives each its own bytes. */
  readonly pull?: number;
  /** How many weights, and so how large contributions and states are. */
  readonly parameterWords?: number;
  /** Lineages that the run begins with. */
  readonly lineages?: number;
}

export interface StubLearner extends Learner {
  /** What `settle` was told, as "round fate". */
  readonly settled: readonly string[];
}

export function openStubLearner(
  { contextLength = 16, speed = 1000, pull = 0.1, parameterWords = 8, lineages = 1 }: StubLearnerOptions = {},
): StubLearner {
  const layout = { parameterWords, hasMomentum: false, padding: [] };
  const form = { codec: codecs.f32, length: parameterWords, padding: layout.padding };
  const settled: string[] = [];
  const held = new Map<Digest, Uint8Array<SharedArrayBuffer>>(), lease = new Lease();
  let order: TrainOrder | null = null;

  const hold = async (bytes: Uint8Array<SharedArrayBuffer>): Promise<Digest> => {
    const digest = await blobDigest(bytes);
    held.delete(digest); // to be the newest
    held.set(digest, bytes);
    for (const oldest of held.keys()) if (held.size > MOST_HELD && oldest !== order?.weights) held.delete(oldest);
    return digest;
  };
  const find = (digest: Digest): Weights => {
    const bytes = held.get(digest);
    if (bytes === undefined) throw new Error(`Cannot use weights ${digest}: they are not held`);
    return viewWeights(bytes, layout);
  };
  const setOf = (digest: Digest, at: number): WeightSet => {
    const set = find(digest).sets[at];
    if (set === undefined) throw new Error(`Cannot use set ${at} of weights ${digest}: there is none`);
    return set;
  };

  return {
    initial: () => hold(allocateWeights(layout, lineages).bytes),
    sizeOf: (sets) => weightsSizeBytes(layout, sets),
    async load({ sizeBytes, readInto }) {
      const bytes = new Uint8Array(new SharedArrayBuffer(sizeBytes));
      await readInto(bytes);
      return await hold(checkWeights(bytes, layout).bytes);
    },
    async save(digest, use) {
      const bytes = held.get(digest);
      return bytes === undefined ? null : await use(bytes);
    },
    train(next) {
      setOf(next.weights, next.lineage.at);
      order = next;
      lease.replace(next.ranges);
    },
    contribute() {
      const { round, batch, weights } = order ?? { round: 0, batch: 0, weights: null };
      const windows = lease.take(STEPS * batch).length, ranges = lease.cut(round);
      const about = {
        round,
        batch,
        microBatch: batch,
        ranges,
        speed,
        computeMs: 1000 * windows * contextLength / speed,
        idleMs: 0,
        noise: null,
      };
      const bytes = weights === null || windows === 0
        ? null
        : codecs.f32.encode(setOf(weights, order!.lineage.at).parameters.map((value) => (value - 1) * pull)).bytes;
      const steps = Math.ceil(windows / Math.max(1, batch));
      return Promise.resolve({ ...about, bytes, tokens: windows * contextLength, steps, loss: bytes === null ? 0 : 1 });
    },
    async judge(contribution) {
      const judged = judge(await bytesIn(contribution), form);
      return judged.valid ? { valid: true, norm: judged.norm } : judged;
    },
    async fold({ parent: digest, joined, parts: all }) {
      const parts = await readParts(all), order = { parts, joined };
      const parent = find(digest), into = allocateWeights(layout, parent.sets.length - (order.joined === null ? 0 : 1));
      const { screen } = foldSets({ ...order, parent, into }, {
        ...form,
        outer: { robust: "median-clip", screen: "drop", learningRate: 1, momentum: 0 },
      });
      return { digest: await hold(into.bytes), screen };
    },
    async merge(sets) {
      const into = allocateWeights(layout, sets.length);
      averageSets(sets.map((all) => all.map(({ weights, at, share }) => ({ ...setOf(weights, at), share }))), into);
      return await hold(into.bytes);
    },
    evaluate: async (weights, at) =>
      await setOf(weights, at).parameters.reduce((sum, value) => sum + (value - 1) ** 2, 0),
    settled,
    settle(round, fate) {
      settled.push(`${round} ${fate}`);
      lease.settle(round);
    },
    close: () => Promise.resolve(),
  };
}
