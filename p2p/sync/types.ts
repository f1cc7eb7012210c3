/**
 * The words of the protocol as types: what peers say to each other and what a chain of records makes true.
 *
 * Plain data only. Everything here can be encoded as DAG-CBOR (no `undefined`, no NaN), because digests and signatures
 * are over that encoding. Times are durations in milliseconds; no peer ever sends a time of day.
 * @module
 */

/** A libp2p peer id (base58btc or base36 text) of an Ed25519 key. */
export type PeerId = string & { readonly __brand: "PeerId" };
/** SHA-256 as 64 lower-case hexadecimal digits. */
export type Digest = string & { readonly __brand: "Digest" };

/** Positions `start ≤ i < end` of the run's data order (`runtime/data/order.ts`), each of which is a window to train on. */
export interface Range {
  readonly start: number;
  readonly end: number;
}

/** A blob by name: see `p2p/store/blob_store.ts` for how the digest is made. */
export interface BlobName {
  readonly digest: Digest;
  readonly sizeBytes: number;
}

/**
 * What the inner steps of one box said of the noise in their gradients (McCandlish et al. 2018, arXiv 1812.06162,
 * appendix A). g_i is the gradient of the mean loss of sequence i, G their mean, Σ their covariance. The mean of b
 * sequences has |ḡ|² = |G|² + tr Σ/b on average, so the plug-in tests need no figure of their own.
 */
export interface GradientStatistics {
  /** Inner steps that were measured; the figures are their means. At least 1. */
  readonly tests: number;
  /** Estimate of tr Σ. At least 0. */
  readonly variance: number;
  /** Estimate of |G|², debiased: below 0 where noise dominates. */
  readonly signal: number;
  /** Estimate of the variance of ⟨g_i, G⟩. At least 0. */
  readonly along: number;
  /** A random projection of one gradient, for statistics across peers; null if nobody asked for it. */
  readonly sketch: GradientSketch | null;
}

/** The projection of the mean gradient of a batch. Its random signs follow from the offer's round, alike at all peers. */
export interface GradientSketch {
  /** `SKETCH_VALUES` codes of int8, as bytes; a value is code · 2^exponent. */
  readonly codes: Uint8Array;
  readonly exponent: number;
  /** Sequences of that batch, the first of the box. */
  readonly sequences: number;
}

/** What a peer says it did in one round. Less than 1.2 KiB encoded but for its ranges. */
export interface Offer {
  readonly kind: "offer";
  readonly run: Digest;
  readonly peer: PeerId;
  /** The round it is meant for: one more than that of `parent`. */
  readonly round: number;
  /** The record it trained on. */
  readonly parent: Digest;
  /** State digest that this peer folded for `parent`: how peers compare states every round. */
  readonly base: Digest;
  /** Null in a zero offer: a joiner's first, or a peer that had nothing to add. Then tokens and steps are 0. */
  readonly blob: BlobName | null;
  readonly tokens: number;
  readonly steps: number;
  /** Sequences of one inner step: micro-batch × accumulation. */
  readonly batch: number;
  readonly microBatch: number;
  /** Data trained, sorted and disjoint, all from this peer's lease. */
  readonly ranges: readonly Range[];
  /** Mean training loss of the box in nats per token; 0 in a zero offer. */
  readonly loss: number;
  /** Held-out loss of `base`, if it was this peer's turn to evaluate. */
  readonly heldOut: number | null;
  /** Null if no step was measured, as in a zero offer. */
  readonly noise: GradientStatistics | null;
  /** Tokens per second while computing, an EMA: what leases and batches are sized by. */
  readonly speed: number;
  /**
   * Since its offer before: time in steps, and time in which it could have trained and did not, for want of data or
   * because weights were cut and rebased (a throttle's rests are neither).
   */
  readonly computeMs: number;
  readonly idleMs: number;
  /** From its offer to the next head; training may have gone on. Round lengths are balanced by it. */
  readonly waitMs: number;
  /** Time in which contributions were being fetched, but for those that are only judged afterwards (`recheck.ts`). */
  readonly transferMs: number;
  /** How long after this offer the next one may be expected: the time since the one before, if there is one. */
  readonly nextMs: number;
  /** This is the last one: the peer leaves, its lease returns. */
  readonly leaving: boolean;
  /** A name for people and the device, e.g. "wren", "cpu (wasm simd, 1 thread)". At most 80 characters each. */
  readonly name: string;
  readonly device: string;
}

/** One counted offer in a record. */
export interface Counted {
  readonly offer: Digest;
  readonly peer: PeerId;
  /** 0 if it was trained on this record's parent, else the records between them, at least 1 (`record.ts`). */
  readonly age: number;
}

/**
 * One record of a run's history. Everything else about the next round follows from it and its parents by rule.
 *
 * A *merge record* has two parents: the heads of two histories that parted too long ago for one of them to be given up
 * (`merge.ts`). It counts nothing; its state is the union of both.
 */
export interface RoundRecord {
  readonly kind: "record";
  readonly run: Digest;
  /** One more than that of its parent, or of the later one of two. */
  readonly round: number;
  /** One parent; two in a merge record, that of the heavier history first. Empty only in the genesis record. */
  readonly parents: readonly Digest[];
  /** Digest of each parent's state, in the order of `parents`. */
  readonly bases: readonly Digest[];
  /** In a merge record the weights of each parent's state, for those who did not fold that side; else empty. */
  readonly weights: readonly BlobName[];
  /** Sorted by peer id, then age, then digest; at least one, but none in a merge record. */
  readonly counted: readonly Counted[];
  readonly scribe: PeerId;
  /** Rank of the scribe among those that could have written it; 0 is the first (`scribe.ts`). */
  readonly attempt: number;
  /** Who belongs to the run from this record on, if the owner has changed it since the parent; else null. */
  readonly change: Signed<Change> | null;
  /** The cell whose record it is: digits, and `*` for either; "" while the run is not split (`cells.ts`). */
  readonly cell: string;
  /** In a *meeting*, the state of another cell whose weights are averaged with the parent's; else null. */
  readonly met: Met | null;
}

/** A state of another cell, as far as a meeting needs it. Together these give its state digest (`digest.ts`). */
export interface Met {
  readonly cell: string;
  readonly record: Digest;
  /** All windows that are trained there, as far as that cell knows. */
  readonly known: readonly Range[];
  /** Digest of its chain state. */
  readonly rest: Digest;
  readonly weights: BlobName;
}

/** The owner's word on who belongs to a run with an allow list. Of two, the higher number holds, whole. */
export interface Change {
  readonly kind: "change";
  readonly run: Digest;
  /** From 1, each higher than the one before. */
  readonly number: number;
  /** Sorted. The owner belongs to the run whether named or not. */
  readonly allowed: readonly PeerId[];
}

/** A peer's heartbeat: how anti-entropy starts. */
export interface Beat {
  readonly kind: "beat";
  readonly run: Digest;
  readonly peer: PeerId;
  readonly head: Digest;
  /** State digest of the head: what newcomers and doubters compare. */
  readonly base: Digest;
  readonly round: number;
  readonly weight: number;
  /** Number of the newest change of members that it knows; 0 for none. Whoever knows a newer one sends it. */
  readonly change: number;
  /** The cell of its head. */
  readonly cell: string;
}

/** "I know these records; send what I lack." Answered by History, or by StateAt if the asker is too far behind. */
export interface Pull {
  readonly kind: "pull";
  readonly run: Digest;
  /**
   * Records that the asker has with all that leads to them: newest ends first, then ancestors of its head with growing
   * gaps. They stand for their ancestors.
   */
  readonly have: readonly Digest[];
  /** Offers it wants whatever the heads are. */
  readonly want: readonly Digest[];
}

/** Records (parents first) and offers. Bounded in size: the asker pulls again until nothing is new. */
export interface History {
  readonly kind: "history";
  readonly run: Digest;
  readonly records: readonly Signed<RoundRecord>[];
  readonly offers: readonly Signed<Offer>[];
}

/** "I have nothing: where can I start?" Answered by StateAt. */
export interface AskState {
  readonly kind: "ask-state";
  readonly run: Digest;
}

/** A state to start from; `weights` is fetched as a blob. Believed only as far as later offers' `base` confirms it. */
export interface StateAt {
  readonly kind: "state-at";
  readonly run: Digest;
  readonly record: Signed<RoundRecord>;
  readonly chain: ChainState;
  readonly weights: BlobName;
}

export type Message = Signed<Offer> | Signed<RoundRecord> | Signed<Change> | Beat | Pull | History | AskState | StateAt;

/** A body with its author's Ed25519 signature over the body's digest. */
export interface Signed<T extends Offer | RoundRecord | Change> {
  readonly kind: "signed";
  readonly body: T;
  readonly signature: Uint8Array;
}

/** A peer counted in the lineage's last rounds, or admitted by the last record. */
export interface Member {
  readonly peer: PeerId;
  readonly since: number;
  readonly lastCounted: number;
  /** From its last counted offer, as far as it is believed (`roster.ts`). */
  readonly speed: number;
  readonly nextMs: number;
  readonly name: string;
}

export interface Lease {
  readonly peer: PeerId;
  readonly ranges: readonly Range[];
}

/** Who trains what: every window below `cursor` is either leased, returned or trained (`ledger.ts`). */
export interface Ledger {
  /** First window that was never leased. */
  readonly cursor: number;
  readonly leases: readonly Lease[];
  /** Given back untrained; leased again before the cursor moves on. */
  readonly returned: readonly Range[];
  /** Windows counted more than once, so far: after a fork both sides may have trained the same ones. */
  readonly duplicated: number;
}

/** A record that late offers are checked against. */
export interface Recent {
  readonly record: Digest;
  readonly round: number;
  readonly parents: readonly Digest[];
  /** State digest of each parent. */
  readonly bases: readonly Digest[];
  /** Offers it counted, in its order. Of a merge record: what both sides counted of those that are not too old for it. */
  readonly counted: readonly Digest[];
  /** Blobs of their contributions, sorted: none is counted twice, whoever offers it. */
  readonly blobs: readonly Digest[];
}

/** How the contributions of a round are encoded; the learner knows how that is done. */
export interface Encoding {
  readonly codec: "f32" | "int8" | "topk";
  /** Values sent of each 4,096: 64, 128, 256 or 512 of `topk`, all of the others. */
  readonly kept: number;
}

/** The encoding of the next round, and what its rule remembers (`codec_rule.ts`). */
export interface EncodingState extends Encoding {
  /** The round whose record chose it. */
  readonly since: number;
  /** Rounds in a row in which a denser one would have been cheap; negative: in which this one was too dear. */
  readonly streak: number;
}

/** How noisy the run's gradients are, per sequence: means over what was measured last (`batch/statistics.ts`). */
export interface Noise {
  /** Tests that it is the mean of, so far. */
  readonly tests: number;
  /** tr Σ, |G|² and the variance of ⟨g_i, G⟩, as in `GradientStatistics`. */
  readonly variance: number;
  readonly signal: number;
  readonly along: number;
}

/** The global batch of a lineage, and what its policy goes by (`batch/request.ts`). */
export interface BatchState {
  /** Asked for in the next round, in sequences: that of the whole run, also in a cell. */
  readonly request: number;
  /** What the policy wanted when it was last asked, more than it was given perhaps. */
  readonly wanted: number;
  /** Inner steps since it was asked, of a member in the middle. */
  readonly steps: number;
  /** Null until something was measured. */
  readonly noise: Noise | null;
}

/** How the global batch of a run grows: by a policy, within limits. Quantities are in sequences unless they say tokens. */
export type Batching = BatchLimits & PolicyChoice;

export interface BatchLimits {
  /** No larger request; null: only the ceiling limits it. */
  readonly most: number | null;
  /** In place of the critical batch that the law gives (`batch/ceiling.ts`); null: the law. */
  readonly ceilingTokens: number | null;
}

export type PolicyChoice = { readonly policy: "constant" } | WarmupChoice | NormTestChoice | InnerProductChoice;

export interface WarmupChoice {
  readonly policy: "warmup";
  readonly to: number;
  /** Tokens of the run after which it is there. */
  readonly tokens: number;
  readonly shape: "linear" | "doubling";
}

export interface NormTestChoice {
  readonly policy: "norm-test";
  readonly eta: number;
  /** `halves`: across micro-batches, within each peer (FSDP-Norm); `peers`: across peers (DDP-Norm). */
  readonly statistic: "halves" | "peers";
  readonly estimator: "debiased" | "plug-in";
}

export interface InnerProductChoice {
  readonly policy: "inner-product";
  readonly theta: number;
  readonly nu: number;
}

/** The part of a state that is not weights: a pure function of the chain (`chain.ts`). */
export interface ChainState {
  readonly round: number;
  /** Digest of the record that this is the state after. */
  readonly head: Digest;
  /** The cell whose state it is; "" while the run is not split. */
  readonly cell: string;
  /** For each digit of the cell's name, the round in which it last met across that edge, or was split off there. */
  readonly met: readonly number[];
  /** Tokens counted in the whole history, each offer once, each capped: what fork choice compares. */
  readonly weight: number;
  /** Tokens counted, not capped, and those of other cells as far as they are known: learning-rate schedules go by it. */
  readonly tokens: number;
  /** Tokens that an offer usually brings, following the records slowly; 0 before any work: bounds `weight` (`tokens.ts`). */
  readonly usual: number;
  readonly roster: readonly Member[];
  /** The change of members that holds; null while only the owner belongs, or everybody. */
  readonly members: Signed<Change> | null;
  readonly ledger: Ledger;
  /** How long the next box is. */
  readonly roundMs: number;
  readonly batch: BatchState;
  /** How the contributions of the next round are encoded. */
  readonly encoding: EncodingState;
  /** Whose turn it is to evaluate. */
  readonly evaluator: PeerId | null;
  /** All records at most S records back, the nearest first: enough that no offer is counted twice (law 2). */
  readonly recent: readonly Recent[];
}

/** Numbers of a run that the core needs; part of the run's genesis, equal on all peers. */
export interface SyncRules {
  readonly run: Digest;
  /** Most rounds that an offer may be late (S). */
  readonly lateRounds: number;
  /** Weight factor for each round of lateness, 0…1. */
  readonly ageDiscount: number;
  /** Rounds after which a silent peer leaves the roster (R), more than S. */
  readonly rosterRounds: number;
  readonly firstRoundMs: number;
  readonly leastRoundMs: number;
  readonly longestRoundMs: number;
  /** Global batch to begin with, in sequences of `contextLength` tokens; no request is smaller. */
  readonly batch: number;
  readonly batching: Batching;
  readonly contextLength: number;
  /** `auto`: dense or sparse by measured transfers. */
  readonly codec: Encoding["codec"] | "auto";
  /** The record that reaches it is the last one; null if open-ended. */
  readonly targetTokens: number | null;
  /** Who signs changes of the allow list; null in a run without one. */
  readonly owner: PeerId | null;
  /** Most members of a cell: a larger one goes on as two. */
  readonly cellSize: number;
  /** Rounds between two meetings of a cell with others. */
  readonly cellRounds: number;
}
