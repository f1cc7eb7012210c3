/**
 * What a peer knows of itself and its run, as one value: what `starling status` shows and `status.json` holds. Pure.
 * @module
 */
import type { BatchView } from "../p2p/sync/batch/request.ts";
import type { LineageView } from "../p2p/sync/lineage_view.ts";
import { type Communication, communicationAfter, NO_COMMUNICATION, workOf } from "./communication.ts";
import type { MemberRound, PeerEvent } from "./event.ts";
import { type OwnReach, type PeerReach, reachAfter, unknownReach } from "./reach.ts";
import { type PeerTime, timesAfter } from "./peer_time.ts";

/** What became of one of this peer's offers. */
export interface OfferFate {
  readonly round: number;
  readonly fate: "counted" | "late" | "merged" | "lost" | "unknown";
  readonly reason: string;
}

/** A contribution whose direction the others' do not share. */
export interface ScreenedPeer {
  readonly round: number;
  readonly peer: string;
  readonly cosine: number;
  readonly threshold: number;
  /** Whether it was left out of the weights. */
  readonly dropped: boolean;
}

/** What a peer knows, after some events. */
export interface PeerStatus {
  /** Digest of the run's genesis. */
  readonly run: string;
  readonly name: string;
  readonly peer: string;
  readonly peerName: string;
  readonly device: string;
  /** How activations lie in its memory. */
  readonly precision: "f32" | "f16";
  readonly addresses: readonly string[];
  /** Whom it was told to dial. */
  readonly dials: readonly string[];
  readonly ticket: string | null;
  /** Connected peers. */
  readonly connected: readonly string[];
  /** Whether others can begin a connection to this peer. */
  readonly reachability: OwnReach;
  /** How this peer reaches each of those that it met or heard of. */
  readonly reach: readonly PeerReach[];
  /** What went through this peer between two that cannot reach each other. */
  readonly relayedBytes: number;
  readonly round: number;
  /** The record this peer stands on. */
  readonly head: string;
  /** Digest of the state after it. */
  readonly digest: string;
  /** Blob of its weights. */
  readonly weights: string;
  readonly tokens: number;
  readonly targetTokens: number | null;
  readonly loss: number | null;
  readonly heldOut: number | null;
  /** Those whose offers the last round counted. */
  readonly members: readonly MemberRound[];
  /** Who belongs to the run after it, present or not. */
  readonly roster: readonly string[];
  /** What happened to the run as this peer saw it, oldest first: joins, partings, merges, waits. */
  readonly happenings: readonly { readonly round: number; readonly reason: string }[];
  /** Which set of those weights is evaluated, sampled and exported. */
  readonly leading: number;
  /** The models that the run trains beside each other; empty before the first round. */
  readonly lineages: readonly LineageView[];
  /** Global batch of the next round; null before the first. */
  readonly globalBatch: BatchView | null;
  /** How many rounds the run needs, as far as that can be said, and needed. */
  readonly communication: Communication;
  /** How contributions to the next round are encoded. */
  readonly codec: string;
  /** How members spent their time since this peer has started. */
  readonly times: readonly PeerTime[];
  readonly counts: Readonly<Record<OfferFate["fate"], number>>;
  /** The last fates, oldest first. */
  readonly fates: readonly OfferFate[];
  /** What was dropped of others, or counted by nobody, oldest first; `round` is the last one before it was told. */
  readonly rejections: readonly {
    readonly round: number;
    readonly peer: string;
    readonly what: string;
    readonly reason: string;
  }[];
  /** Whose counted work pulled against all others', oldest first. */
  readonly screened: readonly ScreenedPeer[];
  /** Device memory, and what the host holds at most besides: for itself, and for each contribution to a fold. */
  readonly plannedBytes: number;
  readonly hostBytes: number;
  readonly hostBytesPerContribution: number;
  /** Bytes that its blobs may take. */
  readonly mostBlobBytes: number;
}

const FATES_KEPT = 50;

/** A peer that has said nothing yet. */
export const emptyStatus: PeerStatus = {
  run: "",
  name: "",
  peer: "",
  peerName: "",
  device: "",
  precision: "f32",
  addresses: [],
  dials: [],
  ticket: null,
  connected: [],
  reachability: unknownReach,
  reach: [],
  relayedBytes: 0,
  round: 0,
  head: "",
  digest: "",
  weights: "",
  tokens: 0,
  targetTokens: null,
  loss: null,
  heldOut: null,
  members: [],
  roster: [],
  happenings: [],
  leading: 0,
  lineages: [],
  globalBatch: null,
  communication: NO_COMMUNICATION,
  codec: "",
  times: [],
  counts: { counted: 0, late: 0, merged: 0, lost: 0, unknown: 0 },
  fates: [],
  rejections: [],
  screened: [],
  plannedBytes: 0,
  hostBytes: 0,
  hostBytesPerContribution: 0,
  mostBlobBytes: 0,
};

/** The status after one more event. */
export function statusAfter(status: PeerStatus, event: PeerEvent): PeerStatus {
  switch (event.kind) {
    case "started":
      return {
        ...status,
        run: event.run,
        name: event.name,
        peer: event.peer,
        peerName: event.peerName,
        addresses: event.addresses,
        dials: event.dials,
        ticket: event.ticket,
        mostBlobBytes: event.mostBlobBytes,
      };
    case "device":
      return { ...status, device: event.description };
    case "precision":
      return { ...status, precision: event.precision };
    case "plan":
      return {
        ...status,
        plannedBytes: event.plannedBytes,
        hostBytes: event.hostBytes,
        hostBytesPerContribution: event.hostBytesPerContribution,
      };
    case "connected":
      return {
        ...status,
        connected: [...new Set([...status.connected, event.peer])].sort(),
        reach: reachAfter(status.reach, event),
      };
    case "disconnected":
      return {
        ...status,
        connected: status.connected.filter((peer) => peer !== event.peer),
        reach: reachAfter(status.reach, event),
      };
    case "unreachable":
      return { ...status, reach: reachAfter(status.reach, event) };
    case "reachability": {
      const { verdict, reason, remedy, relays, addresses, ticket } = event;
      return { ...status, reachability: { verdict, reason, remedy, relays }, addresses, ticket };
    }
    case "relayed":
      return { ...status, relayedBytes: status.relayedBytes + event.bytes };
    case "round": {
      const next = {
        ...status,
        round: event.round,
        head: event.head,
        digest: event.digest,
        weights: event.weights,
        tokens: event.tokens,
        targetTokens: event.targetTokens,
        loss: event.loss ?? status.loss,
        heldOut: event.heldOut ?? status.heldOut,
        members: event.members,
        roster: event.roster,
        globalBatch: event.globalBatch,
        lineages: event.lineages,
        leading: event.leading,
        communication: communicationAfter(status.communication, workOf(event), event.targetTokens),
        codec: event.codec,
        times: timesAfter(status.times, event.members),
      };
      const { merged } = event;
      return merged === null ? next : happened(next, `lineages ${merged.kept} and ${merged.gone} became one`);
    }
    case "offer":
      return {
        ...status,
        counts: { ...status.counts, [event.fate]: status.counts[event.fate] + 1 },
        fates: [...status.fates, { round: event.round, fate: event.fate, reason: event.reason }].slice(-FATES_KEPT),
      };
    case "rejected": {
      const { peer, what, reason } = event;
      const rejection = { round: status.round, peer, what, reason };
      return { ...status, rejections: [...status.rejections, rejection].slice(-FATES_KEPT) };
    }
    case "uncounted": {
      const { round, peer, reason } = event,
        rejection = { round: status.round, peer, what: `offer of round ${round}`, reason };
      return { ...status, rejections: [...status.rejections, rejection].slice(-FATES_KEPT) };
    }
    case "screened": {
      const { kind: _, ...screened } = event;
      return { ...status, screened: [...status.screened, screened].slice(-FATES_KEPT) };
    }
    case "joined":
    case "left":
      return happened(status, `${event.peerName} ${event.reason}`);
    case "admitted":
      return happened(status, `this peer became a member in round ${event.round}`);
    case "warning":
      return happened(status, event.message);
    case "members":
    case "reorganised":
    case "merged":
    case "cell":
    case "waiting":
    case "alone":
    case "mismatch":
    case "finished":
      return happened(status, event.reason);
    case "fetching":
    case "progress":
    case "stopped":
      return status;
    default:
      return event satisfies never;
  }
}

/** What is said again and again is kept once. */
function happened(status: PeerStatus, reason: string): PeerStatus {
  if (status.happenings.at(-1)?.reason === reason) return status;
  return { ...status, happenings: [...status.happenings, { round: status.round, reason }].slice(-FATES_KEPT) };
}
