/**
 * What a peer's host holds at most, planned from its run before anything is allocated: all but the device's own memory,
 * which `planTrainer` plans (with the `cpu` device, that is in the same process).
 *
 * It is a sum of bounds that the code keeps; whoever changes what is kept or copied changes the line here, and
 * `tests/swarm/host_memory_test.ts` holds the sum against a real peer. S are the bytes of a state, A those of one
 * parameter arena in f32.
 * @module
 */
import { lineageCount } from "../p2p/sync/lineages.ts";
import { AUTHOR_BYTES } from "../p2p/authorship.ts";
import { type RunConfig, stateBytes } from "./config.ts";
import { HELD_STATES } from "./held_weights.ts";
import { parameterLayout } from "./model/parameters.ts";
import { codecs } from "./state/codec/codecs.ts";
import { topk } from "./state/codec/topk.ts";
import { QUANTISE_BLOCK } from "./train/pseudo_gradient.ts";

/** A peer of a run of a few thousand parameters, with one thread that computes: mostly programs and their compilers. */
const PROGRAM_BYTES = 640e6;
/** One more thread that computes or folds. */
const THREAD_BYTES = 25e6;
/** Bytes asked of donors and not written yet (`p2p/net/donors.ts`), as many that are answered, and what waits for a collector. */
const TRANSFER_BYTES = 64e6;
/** Pages kept of each shard of tokens (`data/shards.ts`). */
const SHARD_BYTES = 64 * 1024;
/** Arenas of each lineage that came from the disk, or wait for its turn: two moments and the residual. */
const MOMENTS = 3;
/** Values of each 4,096 that a sparse contribution has at most. */
const MOST_KEPT = 512;
/** Blocks beyond the idle ones: of the anchor, of an order on its way, and the one that is written. */
const BUSY_STATES = 3;

export interface HostPlan {
  /** All but what is folded. */
  readonly bytes: number;
  /** What each contribution that a round counts adds while it is folded; it is judged alone before. */
  readonly bytesPerContribution: number;
  /** What `bytes` is the sum of, for people. */
  readonly parts: Readonly<Record<HostPart, number>>;
}

export type HostPart = "program" | "states" | "average" | "training" | "contributions" | "corpus" | "transfers";

/** Plans for a run on so many threads. */
export function planHost(config: Omit<RunConfig, "version">, threads: number): HostPlan {
  const { model, outer, data } = config, { words } = parameterLayout(model);
  const S = stateBytes(config),
    A = 4 * words,
    contributionBytes = AUTHOR_BYTES + largestContribution(outer.codec, words);
  const parts = {
    program: PROGRAM_BYTES + THREAD_BYTES * (threads - 1),
    states: (HELD_STATES + BUSY_STATES) * S,
    average: config.training.ewaDecay === 0 ? 0 : A,
    // Besides moments and cuts the weights of a trainer that another takes the place of.
    training: (MOMENTS * lineageCount(config) + 1) * A + cutBytes(outer.codec, words),
    contributions: 3 * contributionBytes, // our own, as it is cut and as it is stored; another's that is judged
    corpus: data.kind === "shards" ? SHARD_BYTES * data.shards.length : 0,
    transfers: TRANSFER_BYTES,
  };
  const bytes = Object.values(parts).reduce((sum, bytes) => sum + bytes, 0);
  return { bytes, bytesPerContribution: contributionBytes, parts };
}

/**
 * What cuts have, in memory that is used again: the weights of two and the difference of two anchors, and what is read
 * to be encoded. A sparse one that is lost is decoded, once as f64 and once as f32.
 */
function cutBytes(codec: RunConfig["outer"]["codec"], words: number): number {
  const dense = words + 4 * words / QUANTISE_BLOCK, slots = 4 * words * MOST_KEPT / 4096;
  const sparse = 4 * slots + 12 * words; // places, values, and what is sent, twice
  return 12 * words + (codec === "topk" ? sparse : codec === "auto" ? dense + sparse : dense);
}

function largestContribution(codec: RunConfig["outer"]["codec"], words: number): number {
  if (codec === "topk") return topk(MOST_KEPT).sizeBytes(words);
  return codecs[codec === "auto" ? "int8" : codec].sizeBytes(words);
}
