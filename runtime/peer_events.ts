/**
 * What host and learner say, in the words of `event.ts`.
 *
 * Both speak of mechanism (offers, effects, threads); this is the one place that turns it into what people follow.
 * @module
 */
import type { HostEvent } from "../p2p/host_event.ts";
import { depthOf } from "../p2p/sync/cells.ts";
import type { MergedSide, SyncEvent } from "../p2p/sync/effects.ts";
import type { Digest, Offer, PeerId } from "../p2p/sync/types.ts";
import type { RunConfig } from "./config.ts";
import type { MemberRound, PeerEvent } from "./event.ts";
import type { HostPlan } from "./host_memory.ts";
import type { LearnerEvent } from "./worker/messages.ts";

export interface PeerEventsOptions {
  readonly self: PeerId;
  readonly config: RunConfig;
  /** What the run takes of the host. */
  readonly hostMemory: HostPlan;
  /** Where others can dial this peer now, and the ticket that says so. */
  readonly contact: () => { readonly addresses: readonly string[]; readonly ticket: string | null };
  readonly onEvent: (event: PeerEvent) => void;
}

export interface PeerEvents {
  fromHost(event: HostEvent): void;
  fromLearner(event: LearnerEvent): void;
}

/** Peers whose last rejection is remembered. */
const MOST_REJECTED = 128;

/** Translates until the peer ends. */
export function peerEvents({ self, config, hostMemory, contact, onEvent }: PeerEventsOptions): PeerEvents {
  let round = 0, soFar = { round: 0, steps: 0, tokens: 0 };
  const rejected = new Map<string, string>();
  /** A peer that comes back says its last offers with every beat until it has caught up: one word on each is enough. */
  const isNews = (
    { peer, what, reason }: { readonly peer: string; readonly what: string; readonly reason: string },
  ) => {
    if (rejected.get(peer) === `${what} ${reason}`) return false;
    if (rejected.size >= MOST_REJECTED) rejected.clear();
    rejected.set(peer, `${what} ${reason}`);
    return true;
  };
  return {
    fromHost(event) {
      const translated = translate(event);
      if (translated !== null) onEvent(translated);
    },
    fromLearner(event) {
      switch (event.kind) {
        case "device":
          return onEvent({ kind: "device", description: event.device, reason: event.reason });
        case "precision":
          return onEvent(event);
        case "memory": {
          const { microBatch, recompute, plannedBytes, peakBytes, parameterCount } = event;
          return onEvent({
            kind: "plan",
            parameters: parameterCount,
            plannedBytes,
            peakBytes,
            hostBytes: hostMemory.bytes,
            hostBytesPerContribution: hostMemory.bytesPerContribution,
            microBatch,
            recompute,
          });
        }
        case "steps": {
          const { loss, rate, batch, microBatch, tokensPerSecond } = event;
          const before = soFar.round === event.round ? soFar : { steps: 0, tokens: 0 };
          const { steps, tokens } = soFar = {
            round: event.round,
            steps: before.steps + event.steps,
            tokens: before.tokens + event.tokens,
          };
          return onEvent({
            kind: "progress",
            round: event.round,
            steps,
            tokens,
            loss,
            rate,
            batch,
            microBatch,
            tokensPerSecond,
          });
        }
        case "speeds":
        case "tuned":
          return; // kept by whoever started the peer, for its next start
        case "tuning":
          return onEvent({
            kind: "waiting",
            reason: `measuring which matrix products are fastest on the GPU: ${event.doneCount} of ${event.classCount}`,
          });
        case "waiting":
          return onEvent({ kind: "waiting", reason: event.reason });
        case "dropped":
          return event.reasons.forEach((reason) => onEvent({ kind: "warning", message: `a contribution ${reason}` }));
        case "warning":
          return onEvent(event);
        case "failed":
          return onEvent({ kind: "warning", message: `This peer trains no more: ${event.message}` });
        default:
          return event satisfies never;
      }
    },
  };

  function translate(event: HostEvent): PeerEvent | null {
    switch (event.kind) {
      case "round":
        round = event.round;
        return {
          kind: "round",
          round: event.round,
          head: event.head,
          digest: event.base,
          weights: event.weights,
          tokens: event.tokens,
          targetTokens: config.training.targetTokens,
          loss: event.loss,
          heldOut: event.heldOut,
          peers: new Set(event.counted.filter(({ offer }) => offer.tokens > 0).map(({ offer }) => offer.peer)).size,
          members: event.counted.map(memberRound),
          roster: event.roster,
          roundMs: event.roundMs,
          globalBatch: event.lineages[event.leading]!.batch,
          lineages: event.lineages,
          leading: event.leading,
          merged: event.merged,
          codec: event.encoding.codec === "topk" ? `topk ${event.encoding.kept}` : event.encoding.codec,
        };
      case "fate":
        return event.fate === "uncounted by a fork"
          ? null // the offer is open again: its fate follows
          : { kind: "offer", round: event.round, fate: FATES[event.fate], reason: event.reason };
      case "rejected":
        return isNews(event) ? { kind: "rejected", peer: event.peer, what: event.what, reason: event.reason } : null;
      case "passed over":
        return { kind: "uncounted", round: event.round, peer: event.peer, reason: event.reason };
      case "message refused":
        return { kind: "rejected", peer: event.peer, what: "message", reason: event.reason };
      case "screened": {
        const { round, peer, cosine, threshold, dropped } = event;
        return { kind: "screened", round, peer, cosine, threshold, dropped };
      }
      case "mismatch":
        return {
          kind: "mismatch",
          round,
          reason: `${event.peer} folded record ${short(event.record)} to state ${short(event.theirs)}, this peer to ` +
            `${short(event.mine)}: one of the two computes wrongly. Its offers are not counted here.`,
        };
      case "equivocation":
        return {
          kind: "warning",
          message: `${event.peer} wrote ${event.records.length} records of round ${event.round} on one parent ` +
            `(${event.records.map(short).join(", ")}): it misleads others, or its disk lost the first one.`,
        };
      case "members":
        return {
          kind: "members",
          number: event.number,
          allowed: event.allowed,
          reason: `The owner allows ${event.allowed.length} peers besides itself (change ${event.number}).`,
        };
      case "joined":
        return event.peer === self
          ? { kind: "admitted", round: event.round }
          : { kind: "joined", peer: event.peer, peerName: event.name, reason: `joined in round ${event.round}` };
      case "left":
        return event.peer === self ? null : {
          kind: "left",
          peer: event.peer,
          peerName: event.name,
          reason: `left in round ${event.round}: ${event.reason}`,
        };
      case "alone":
        return {
          kind: "alone",
          reason: "No other peer is connected: this one goes on alone if it has the run already.",
        };
      case "in company":
        return { kind: "waiting", reason: `${event.peers} other ${event.peers === 1 ? "peer" : "peers"} connected` };
      case "merged":
        return { kind: "merged", round: event.round, reason: mergedReason(event.round, event.sides) };
      case "cell":
        return { kind: "cell", round: event.round, cell: event.cell, reason: cellReason(event) };
      case "met": {
        const told = `cell ${event.cell} met cell ${event.with}: the weights are the average of both`;
        const doubt = `; ${thousands(event.doubted)} windows that it cannot have known to be trained are not believed`;
        const reason = `${told}, and ${thousands(event.tokens)} tokens more are known to be counted` +
          (event.doubted > 0 ? doubt : "");
        return { kind: "cell", round: event.round, cell: event.cell, reason };
      }
      case "reorganised":
        return { kind: "reorganised", round, reason: reorganisedReason(event.depth) };
      case "waiting":
        return { kind: "waiting", reason: `waiting: ${event.reason}` };
      case "finished":
        return { kind: "finished", reason: `The run has reached its target: ${event.tokens} tokens.` };
      case "connected":
        return { kind: "connected", peer: event.peer, relay: event.link.kind === "relayed" ? event.link.relay : null };
      case "disconnected":
        return { kind: "disconnected", peer: event.peer };
      case "unreachable":
        return { kind: "unreachable", peer: event.peer, address: event.address, reason: event.reason };
      case "reachability":
        return { kind: "reachability", ...event.reachability, ...contact() };
      case "relayed":
        return { kind: "relayed", bytes: event.sizeBytes };
      case "fetching":
        return {
          kind: "fetching",
          what: `blob ${short(event.blob.digest)}`,
          bytes: event.heldBytes,
          totalBytes: event.blob.sizeBytes,
        };
      case "donor dropped":
        return { kind: "warning", message: `${event.peer} was dropped as a source of a blob: ${event.reason}` };
      case "journal damaged":
        return { kind: "warning", message: event.reason };
      case "blobs spared":
        return {
          kind: "warning",
          message: `${event.blobs} ${event.blobs === 1 ? "blob" : "blobs"} of ` +
            `${(event.bytes / 1e6).toFixed(1)} MB dropped, because ${event.reason}. ` +
            "Nothing here needs it now; it is fetched again if it is wanted after all.",
        };
      case "no room":
        return { kind: "warning", message: `Work of others is not fetched before a record counts it. ${event.reason}` };
      case "closed":
      case "offered":
      case "message lost":
      case "fetched":
        return null;
      default:
        return event satisfies never;
    }
  }
}

const FATES = {
  counted: "counted",
  "counted late": "late",
  merged: "merged",
  lost: "lost",
  unknown: "unknown",
} as const;

/** "two histories met: 7 records of wren (90.1 k tokens, ours) and 5 of robin (41.0 k tokens, theirs); record 41 …" */
function mergedReason(round: number, sides: readonly MergedSide[]): string {
  const isKnown = sides.some(({ isOurs }) => isOurs);
  const told = sides.map(({ records, tokens, names, isOurs }, i) =>
    `${records} ${i === 0 ? "records " : ""}of ${names.join(", ") || "nobody"} (${thousands(tokens)} tokens` +
    `${isKnown ? isOurs ? ", ours" : ", theirs" : ""})`
  );
  return `two histories met: ${told.join(" and ")}; record ${round} joins them, and nothing of either is lost`;
}

function cellReason({ before, cell, members }: Extract<SyncEvent, { kind: "cell" }>): string {
  if (depthOf(cell) > depthOf(before)) {
    return `the run has grown: this peer trains in cell ${cell}, of ${members} members`;
  }
  const name = cell === "" ? "the whole run" : `cell ${cell}`;
  return `the other part of ${name} is away or here again: this peer trains in ${name}, of ${members} members`;
}

function reorganisedReason(depth: number | null): string {
  const given = depth === null ? "this peer's" : `${depth} ${depth === 1 ? "record" : "records"} of this peer's`;
  return `a heavier history took the place of ${given}; work that ${
    depth === 1 ? "it" : "they"
  } counted is offered to that one`;
}

function thousands(tokens: number): string {
  return tokens < 1000 ? String(tokens) : `${(tokens / 1000).toFixed(1)} k`;
}

function memberRound({ offer, age }: { readonly offer: Offer; readonly age: number }): MemberRound {
  const { peer, name, device, speed, batch, microBatch, steps, tokens, computeMs, idleMs, transferMs, nextMs } = offer;
  const shareOf = (ms: number): number => Math.min(1, ms / Math.max(1, nextMs)); // since its last offer
  return {
    peer,
    name,
    device,
    speed,
    batch,
    microBatch,
    steps,
    tokens,
    computeShare: shareOf(computeMs),
    waitShare: shareOf(idleMs),
    transferShare: shareOf(transferMs),
    spanMs: nextMs,
    fate: offer.blob === null ? "joined" : age === 0 ? "counted" : `counted late (${age} round${age === 1 ? "" : "s"})`,
  };
}

function short(digest: Digest | PeerId): string {
  return `${digest.slice(0, 8)}…`;
}
