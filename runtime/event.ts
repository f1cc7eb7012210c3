/**
 * What a peer tells the world while it works: structured events, one union, no prose to parse.
 *
 * The terminal view, `--json` and embedders read the same events. Losses are in nats per token, sizes in bytes,
 * durations in milliseconds, shares between 0 and 1.
 * @module
 */

import type { BatchView } from "../p2p/sync/batch/request.ts";
import type { LineageView } from "../p2p/sync/lineage_view.ts";
import type { LineageMerge } from "../p2p/sync/types.ts";

/** One member's part in a round, from its counted offer. */
export interface MemberRound {
  readonly peer: string;
  readonly name: string;
  readonly device: string;
  /** Tokens per second while computing. */
  readonly speed: number;
  readonly batch: number;
  readonly microBatch: number;
  readonly steps: number;
  readonly tokens: number;
  /** Share of the time since its last offer in which it trained. */
  readonly computeShare: number;
  /**
   * Share in which it could have trained, but had nothing to train on or was cutting and rebasing. Rests that its owner chose (a throttle, a pause)
   * and evaluations are in neither share: a peer throttled to half shows one half computing and no waiting.
   */
  readonly waitShare: number;
  /** Share in which it was fetching others' contributions. Training goes on meanwhile, so shares may add to over 1. */
  readonly transferShare: number;
  /** The time since its last offer, which the shares are of. */
  readonly spanMs: number;
  /** What became of its last offer: "counted", "counted late (1 round)", "joined". */
  readonly fate: string;
}

/** One thing that happened to a peer. */
export type PeerEvent =
  | { readonly kind: "device"; readonly description: string; readonly reason: string }
  /** How activations lie in the device's memory from now on. */
  | { readonly kind: "precision"; readonly precision: "f32" | "f16"; readonly reason: string }
  | {
    readonly kind: "plan";
    readonly parameters: number;
    /** Device memory while training. */
    readonly plannedBytes: number;
    /** The most device memory at one time: the search for the fastest micro-batch may need more than training. */
    readonly peakBytes: number;
    /** The most that the host holds besides, but for the contributions to a fold (`host_memory.ts`). */
    readonly hostBytes: number;
    /** What each of those adds. */
    readonly hostBytesPerContribution: number;
    readonly microBatch: number;
    /** What the backward pass computes again to save memory: 0 nothing, 1 norms and activation functions, 2 layers. */
    readonly recompute: 0 | 1 | 2;
  }
  | {
    readonly kind: "started";
    readonly run: string;
    readonly name: string;
    readonly peer: string;
    readonly peerName: string;
    readonly folder: string;
    readonly addresses: readonly string[];
    /** Whom it was told to dial. */
    readonly dials: readonly string[];
    /** Null if nobody could dial this peer. */
    readonly ticket: string | null;
    /** Bytes that its blobs may take. */
    readonly mostBlobBytes: number;
  }
  /** `relay` is the peer between the two where they cannot connect directly. */
  | { readonly kind: "connected"; readonly peer: string; readonly relay: string | null }
  | { readonly kind: "disconnected"; readonly peer: string }
  /** A peer could not be connected to, directly or through another; it is tried again. */
  | { readonly kind: "unreachable"; readonly peer: string; readonly address: string; readonly reason: string }
  /** Whether others can begin a connection to this peer, and where. */
  | {
    readonly kind: "reachability";
    readonly verdict: "reachable" | "partly" | "not reachable" | "unknown";
    readonly reason: string;
    readonly remedy: string | null;
    /** Peers that let others through to this one. */
    readonly relays: readonly string[];
    readonly addresses: readonly string[];
    readonly ticket: string | null;
  }
  /** Something went through this peer, between two that cannot reach each other. */
  | { readonly kind: "relayed"; readonly bytes: number }
  | {
    readonly kind: "fetching";
    readonly what: string;
    readonly bytes: number;
    readonly totalBytes: number;
  }
  | { readonly kind: "admitted"; readonly round: number }
  | {
    readonly kind: "progress";
    readonly round: number;
    /** What this peer trained for this round so far. */
    readonly tokens: number;
    readonly steps: number;
    readonly batch: number;
    readonly microBatch: number;
    readonly loss: number;
    readonly tokensPerSecond: number;
    readonly rate: number;
  }
  | {
    readonly kind: "round";
    readonly round: number;
    /** The record that ended it. */
    readonly head: string;
    /** Digest of the state after this round; equal on all peers. */
    readonly digest: string;
    /** Blob of the weights of that state. */
    readonly weights: string;
    /** Tokens counted in the run so far. */
    readonly tokens: number;
    readonly targetTokens: number | null;
    /** Mean training loss of what it counted; null if it counted no tokens. */
    readonly loss: number | null;
    /** Of the state that the round began with, if a member measured it. */
    readonly heldOut: number | null;
    /** How many peers' work this round counted. */
    readonly peers: number;
    readonly members: readonly MemberRound[];
    /** Who belongs to the run after it, present or not. */
    readonly roster: readonly string[];
    /** How long the next box is. */
    readonly roundMs: number;
    /** Global batch of the next round, and why it is as large as it is: that of the leading lineage. */
    readonly globalBatch: BatchView;
    /** The models that the run trains beside each other, mostly one. */
    readonly lineages: readonly LineageView[];
    /** Which of them is evaluated, sampled and exported: its place in `lineages`, and in the weights. */
    readonly leading: number;
    /** Whether two of them have become one with this round. */
    readonly merged: LineageMerge | null;
    /** How contributions to the next round are encoded: "int8", "topk 128" (of each 4,096 values). */
    readonly codec: string;
  }
  | {
    readonly kind: "offer";
    readonly round: number;
    readonly fate: "counted" | "late" | "merged" | "lost" | "unknown";
    readonly reason: string;
  }
  /** This peer gave up records of its own for a heavier history; what they counted is counted anew. */
  | { readonly kind: "reorganised"; readonly round: number; readonly reason: string }
  /** A history that this run had parted with is part of it again. */
  | { readonly kind: "merged"; readonly round: number; readonly reason: string }
  /** The cell of this peer was split, took over another's part, or met another; "" is a run that is not split. */
  | { readonly kind: "cell"; readonly round: number; readonly cell: string; readonly reason: string }
  /** Something of another peer was dropped. */
  | { readonly kind: "rejected"; readonly peer: string; readonly what: string; readonly reason: string }
  /** An offer of another peer that no record counted, and none can any more; nobody need be at fault. */
  | { readonly kind: "uncounted"; readonly round: number; readonly peer: string; readonly reason: string }
  /** A counted contribution pulls against all others of its round. */
  | {
    readonly kind: "screened";
    readonly round: number;
    readonly peer: string;
    /** Of its direction to the sum of the others', −1 to 1. */
    readonly cosine: number;
    /** What chance alone does not go below. */
    readonly threshold: number;
    /** Whether it was left out of the weights. */
    readonly dropped: boolean;
  }
  | { readonly kind: "joined" | "left"; readonly peer: string; readonly peerName: string; readonly reason: string }
  /** Who belongs to the run from now on, besides its owner. */
  | {
    readonly kind: "members";
    readonly number: number;
    readonly allowed: readonly string[];
    readonly reason: string;
  }
  | { readonly kind: "alone"; readonly reason: string }
  | { readonly kind: "waiting"; readonly reason: string }
  | { readonly kind: "mismatch"; readonly round: number; readonly reason: string }
  | { readonly kind: "warning"; readonly message: string }
  | { readonly kind: "finished"; readonly reason: string }
  | { readonly kind: "stopped"; readonly reason: string };
