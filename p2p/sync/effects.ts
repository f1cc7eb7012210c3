/**
 * The two alphabets of the core: what it is told (`Input`) and what it asks for (`Effect`).
 *
 * The host (`p2p/host.ts`, or the simulator) performs effects **in order**, each begun only when every `journal` and
 * `keep` before it is durable; slow ones (`fetch`, `fold`, `merge`, `load`, `contribute`, `evaluate`) are begun in order
 * and answered whenever they are done by the input named beside them. Every slow effect is answered exactly once and in
 * bounded time (law 4), unless the peer stops: a `fetch` that gets nowhere is `missing`, and is asked for again. The
 * core bounds how many are open at once.
 * @module
 */
import type { Contribution, Fate, MergeSide, Screen, TrainOrder, Verdict } from "../learner.ts";
import type { BatchView } from "./batch/request.ts";
import type {
  BlobName,
  ChainState,
  Change,
  Digest,
  Encoding,
  Message,
  Offer,
  PeerId,
  RoundRecord,
  Signed,
  SyncRules,
} from "./types.ts";

/** What a peer writes to its journal; read back in the same order, it is all that a restart needs (law 6). */
export type JournalEntry =
  | { readonly kind: "record"; readonly record: Signed<RoundRecord> }
  | { readonly kind: "offer"; readonly offer: Signed<Offer> }
  /** An offer that a record counts, and whose contribution turned out to be none: whatever follows that is invalid. */
  | { readonly kind: "refuted"; readonly offer: Signed<Offer>; readonly reason: string }
  /** The newest change of members that this peer knows. */
  | { readonly kind: "change"; readonly change: Signed<Change> }
  /** A state that this peer has folded or loaded, and whose weights it has kept as a blob. */
  | {
    readonly kind: "state";
    readonly record: Signed<RoundRecord>;
    readonly chain: ChainState;
    readonly weights: BlobName;
  };

export type Input =
  /** First of all inputs, once. */
  | {
    readonly kind: "start";
    /** The initial weights of the run, stored as a blob by a founder. */
    readonly initial: BlobName;
    /** Whether this peer may begin the run from genesis; else it waits until somebody gives it a state. */
    readonly found: boolean;
    /** The whole journal, oldest first; damaged entries left out. */
    readonly journal: readonly JournalEntry[];
  }
  | { readonly kind: "connected"; readonly peer: PeerId }
  | { readonly kind: "disconnected"; readonly peer: PeerId }
  /** Decoded and size-checked (`p2p/wire.ts`); the core verifies signatures. `from` is who passed it on. */
  | { readonly kind: "message"; readonly from: PeerId; readonly message: Message }
  /** Answers `fetch`: the blob is stored and judged. */
  | { readonly kind: "fetched"; readonly offer: Digest; readonly verdict: Verdict }
  /** Answers `fetch`: nobody asked had it. The core asks again while it matters. */
  | { readonly kind: "missing"; readonly offer: Digest; readonly reason: string }
  /** Answers `contribute`, the bytes stored durably as `blob`. */
  | {
    readonly kind: "contributed";
    readonly contribution: Omit<Contribution, "bytes">;
    readonly blob: BlobName | null;
  }
  /** Answers `fold` and `merge`; the weights need not be kept yet. */
  | {
    readonly kind: "folded";
    readonly record: Digest;
    readonly weights: BlobName;
    /** What the fold saw of its parts, in their order; null of a merge. */
    readonly screen: Screen | null;
  }
  | { readonly kind: "fold-failed"; readonly record: Digest; readonly reason: string }
  /** Answers `load`. */
  | { readonly kind: "loaded"; readonly weights: Digest }
  | { readonly kind: "load-failed"; readonly weights: Digest; readonly reason: string }
  /** Answers `evaluate`; `loss` is null if it could not be done. */
  | { readonly kind: "evaluated"; readonly record: Digest; readonly loss: number | null }
  /** The owner, at this machine, says who belongs to the run; it is told to all. */
  | { readonly kind: "change"; readonly change: Signed<Change> }
  /** The deadline has come. Too early does no harm. */
  | { readonly kind: "tick" }
  /** The user wants to stop: one last offer, then `stop`. */
  | { readonly kind: "leave" };

export type Effect =
  /** To every peer of this cell, and of the cells that are parts of it; "" is the whole run. */
  | { readonly kind: "announce"; readonly message: Message; readonly cell: string }
  /** To one peer; lost silently if it is gone. */
  | { readonly kind: "send"; readonly to: PeerId; readonly message: Message }
  /** Only these peers may be connected from now on; null: everybody. */
  | { readonly kind: "admit"; readonly peers: readonly PeerId[] | null }
  /** Must be durable before the effects after it. */
  | { readonly kind: "journal"; readonly entry: JournalEntry }
  /** Must be durable before the effects after it: these weights, held by the learner, become a blob. */
  | { readonly kind: "keep"; readonly weights: BlobName }
  /**
   * Get the blob of this offer from one of `from` (best first) unless it is stored, and have it judged.
   * Answered by `fetched` or `missing`.
   */
  | {
    readonly kind: "fetch";
    readonly digest: Digest;
    readonly offer: Offer;
    readonly blob: BlobName;
    readonly from: readonly PeerId[];
    /** Whether a record that is to be folded counts it: then this peer cannot go on without it. */
    readonly isNeeded: boolean;
  }
  /** Have the learner hold these weights, from the blob store or from one of `from`. Answered by `loaded`, `load-failed`. */
  | { readonly kind: "load"; readonly weights: BlobName; readonly from: readonly PeerId[] }
  /**
   * Fold stored blobs into the weights of the parent state (kept: load them if the learner dropped them).
   * Answered by `folded`, `fold-failed`.
   */
  | {
    readonly kind: "fold";
    readonly record: Digest;
    readonly parent: Digest;
    /** In the order to fold. */
    readonly parts: readonly { readonly blob: BlobName; readonly weight: number }[];
  }
  /**
   * Average the weights of both parents of a merge record, each with its share; both are stored.
   * Answered by `folded`, `fold-failed`.
   */
  | {
    readonly kind: "merge";
    readonly record: Digest;
    /** In the order of the record's parents. */
    readonly sides: readonly MergeSide[];
  }
  /** A new head was adopted: tell whoever shows it. */
  | { readonly kind: "adopted"; readonly chain: ChainState; readonly weights: Digest }
  | { readonly kind: "train"; readonly order: TrainOrder }
  /** Stop computing: the run is finished or this peer leaves. */
  | { readonly kind: "rest" }
  /** Answered by `contributed`. */
  | { readonly kind: "contribute" }
  /** Answered by `evaluated`. */
  | { readonly kind: "evaluate"; readonly record: Digest; readonly weights: Digest }
  /**
   * The fate of this peer's own contribution. A reorganisation may change it: then the last word holds. `blob` tells
   * two contributions of one round apart, which a fork can bring about.
   */
  | { readonly kind: "settle"; readonly round: number; readonly blob: Digest; readonly fate: Fate }
  /** Blobs (contributions, weights) that the protocol needs no more. */
  | { readonly kind: "forget"; readonly blobs: readonly Digest[] }
  | { readonly kind: "report"; readonly event: SyncEvent }
  /** The last effect ever: the peer has left, or must not go on. */
  | { readonly kind: "stop"; readonly reason: string; readonly fault: Fault | null };

/** What ends a peer against its user's will: another machine with its key, or a disk that has lost the run. */
export type Fault = "key" | "disk";

/** What users and checkers may want to know; law 5 lives on these. */
export type SyncEvent =
  /** A head was adopted. `counted` is empty, and nothing gained, if its offers are unknown (a state from elsewhere). */
  | {
    readonly kind: "round";
    readonly round: number;
    readonly head: Digest;
    /** State digest. */
    readonly base: Digest;
    readonly tokens: number;
    /** Tokens that this record counted. */
    readonly gained: number;
    /** Mean training loss over the counted tokens, or null if it counted none. */
    readonly loss: number | null;
    /** Held-out loss of the parent state, if an offer brought it. */
    readonly heldOut: number | null;
    readonly counted: readonly { readonly offer: Offer; readonly age: number }[];
    readonly roster: readonly PeerId[];
    readonly scribe: PeerId;
    /** Blob of the weights of the state. */
    readonly weights: Digest;
    /** How long the next box is. */
    readonly roundMs: number;
    /** How its contributions are encoded. */
    readonly encoding: Encoding;
    /** Its global batch, and why it is as large as it is. */
    readonly batch: BatchView;
  }
  /** This peer wrote a record, and why just then. */
  | { readonly kind: "closed"; readonly round: number; readonly reason: string }
  | { readonly kind: "offered"; readonly round: number; readonly offer: Digest; readonly tokens: number }
  /** The fate of this peer's own offer (law 5). */
  | {
    readonly kind: "fate";
    readonly round: number;
    readonly offer: Digest;
    readonly tokens: number;
    readonly fate: "counted" | "counted late" | "merged" | "lost" | "unknown" | "uncounted by a fork";
    readonly reason: string;
  }
  /** Something of another peer was dropped: an offer, a record, a message. */
  | { readonly kind: "rejected"; readonly what: string; readonly peer: PeerId; readonly reason: string }
  /** An offer of another peer can be counted no more, and no record did: nobody need be at fault. */
  | {
    readonly kind: "passed over";
    readonly round: number;
    readonly offer: Digest;
    readonly peer: PeerId;
    readonly tokens: number;
    readonly reason: string;
  }
  /** A counted contribution pulls against all others of its record. */
  | {
    readonly kind: "screened";
    readonly round: number;
    readonly offer: Digest;
    readonly peer: PeerId;
    /** To the sum of the others. */
    readonly cosine: number;
    /** What chance alone does not go below. */
    readonly threshold: number;
    /** Whether the fold left it out, as all peers' folds do; its data count as trained all the same. */
    readonly dropped: boolean;
  }
  /** Another peer folded the same record to another state: one of the two computes wrongly (law 3). */
  | {
    readonly kind: "mismatch";
    readonly record: Digest;
    readonly peer: PeerId;
    readonly mine: Digest;
    readonly theirs: Digest;
  }
  /** A scribe has signed several records on one parent. Either may be valid; an honest scribe writes one. */
  | {
    readonly kind: "equivocation";
    readonly peer: PeerId;
    readonly round: number;
    readonly records: readonly Digest[];
  }
  /** The list of members changed: who belongs to the run now, besides its owner. */
  | { readonly kind: "members"; readonly number: number; readonly allowed: readonly PeerId[] }
  | { readonly kind: "joined"; readonly peer: PeerId; readonly name: string; readonly round: number }
  | {
    readonly kind: "left";
    readonly peer: PeerId;
    readonly name: string;
    readonly reason: string;
    readonly round: number;
  }
  /** A heavier history replaced `depth` records of this peer's; null if they parted before what it remembers. */
  | { readonly kind: "reorganised"; readonly from: Digest; readonly to: Digest; readonly depth: number | null }
  /** Two histories became one: nothing that either counted is lost. The heavier side comes first. */
  | { readonly kind: "merged"; readonly round: number; readonly head: Digest; readonly sides: readonly MergedSide[] }
  /** This peer's head is in another cell than before: the cell was split, or took over the part of another. */
  | {
    readonly kind: "cell";
    readonly round: number;
    readonly before: string;
    readonly cell: string;
    readonly members: number;
  }
  /** The cell's weights are the average of its own and another cell's. */
  | {
    readonly kind: "met";
    readonly round: number;
    readonly cell: string;
    readonly with: string;
    /** Counted there, and not known here before. */
    readonly tokens: number;
    /** Windows that it cannot have known to be trained: they are not believed (`hearsay.ts`). */
    readonly doubted: number;
  }
  /** Waiting for a state, for blobs, for company: shown to users, changes nothing. */
  | { readonly kind: "waiting"; readonly reason: string }
  /** No other peer is connected; training goes on. */
  | { readonly kind: "alone" }
  | { readonly kind: "in company"; readonly peers: number }
  | { readonly kind: "finished"; readonly tokens: number };

/** What one of two histories had of its own when they were merged. */
export interface MergedSide {
  readonly head: Digest;
  /** Whether this peer followed it alone before: of neither side if it had records of both, or none. */
  readonly isOurs: boolean;
  readonly records: number;
  readonly tokens: number;
  /** Names of its members. */
  readonly names: readonly string[];
}

/** One peer's protocol machine (`core.ts`). Law 9: same inputs at the same times, same effects in the same order. */
export interface Core {
  /** @param now Milliseconds of any monotonic local clock; never compared with another peer's. */
  handle(now: number, input: Input): readonly Effect[];
  /** When the core wants a `tick`, at the latest; null: not before another input. */
  readonly deadline: number | null;
  /** How many of each kind of thing the core holds now; each has a bound (law 7). */
  readonly sizes: Readonly<Record<string, number>>;
}

export interface CoreOptions {
  readonly self: PeerId;
  readonly rules: SyncRules;
  /** For people: what this peer and its device are called; offers carry the first 80 characters of each. */
  readonly name: string;
  readonly device: string;
  /** Ed25519 over a digest's 32 bytes; deterministic. */
  readonly sign: (digest: Digest) => Uint8Array;
  readonly verify: (digest: Digest, signature: Uint8Array, author: PeerId) => boolean;
}
