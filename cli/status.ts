/**
 * `starling status`: what a peer, running or stopped, knows of itself and its run.
 * @module
 */
import { join } from "node:path";
import { waitedShare } from "../runtime/peer_time.ts";
import { defaultStatePath, isRunning, openRunFolder, readStatus, usedBytes } from "../runtime/run_folder.ts";
import { communicationText } from "../runtime/communication.ts";
import type { PeerStatus } from "../runtime/status.ts";
import { bytes, counted, grouped, nats, percent, short, shortPeer, table } from "./format.ts";
import { json, line } from "./print.ts";
import { batchText, shortDevice, standingText } from "./view.ts";
import { whyLines } from "./why.ts";

export interface StatusOptions {
  readonly folder: string;
  readonly state?: string;
  readonly json?: boolean;
  readonly why?: boolean;
}

/** Prints the status. */
export async function status({ folder, state, json: asJson, why: wantsWhy }: StatusOptions): Promise<void> {
  const { config } = await openRunFolder(folder);
  const path = state ?? defaultStatePath(folder);
  const last = await readStatus(path);
  const running = await isRunning(path);
  const diskBytes = await usedBytes(path);
  if (asJson) return json({ kind: "status", running, ...last, diskBytes });
  if (last === null) {
    return line(`Run "${config.name}": no peer has run in ${path} yet. Begin with: starling start ${folder}`);
  }
  statusLines(last, { running }).forEach((text) => line(text));
  if (running) silenceLines(await ageMs(path)).forEach((text) => line(text));
  line(`disk: ${bytes(diskBytes)} in ${path}; blobs may take ${bytes(last.mostBlobBytes)} (--disk-gb)`);
  if (wantsWhy) whyLines(last, { running }).forEach((text) => line(text));
}

/** A running peer writes its status three times as often (`run_peer.ts`). */
const LONGEST_SILENCE_MS = 30_000;

/** Time since the peer last wrote its status; null if that is not known. */
async function ageMs(statePath: string): Promise<number | null> {
  const written = await Deno.stat(join(statePath, "status.json")).then(({ mtime }) => mtime, () => null);
  return written === null ? null : Date.now() - written.getTime();
}

/** What is to be said of a peer that has not told anything for this long. */
export function silenceLines(silentMs: number | null): string[] {
  return silentMs === null || silentMs < LONGEST_SILENCE_MS ? [] : [
    `This is ${
      Math.round(silentMs / 1000)
    } s old, though the peer runs: it stands still (Ctrl+Z, a machine that slept), ` +
    "or its disk is full.",
  ];
}

/** What is shown without asking why. */
export function statusLines(last: PeerStatus, { running }: { readonly running: boolean }): string[] {
  const { counts } = last, made = counts.counted + counts.late + counts.merged + counts.lost + counts.unknown;
  const target = last.targetTokens === null ? "" : ` of ${counted(last.targetTokens)}`;
  return [
    `Run "${last.name}" ${short(last.run)}   peer ${last.peerName} (${last.peer})   ${running ? "running" : "stopped"}`,
    `round ${last.round}   head ${short(last.head)}   state ${short(last.digest)}   ${
      counted(last.tokens)
    }${target} tokens`,
    `loss ${nats(last.loss)}   held-out ${
      nats(last.heldOut)
    }   device ${last.device}, ${last.precision}   codec ${last.codec}`,
    ...batchLines(last),
    ...communicationLines(last),
    `offers: counted ${counts.counted} of ${made} · late ${counts.late} · merged ${counts.merged} · lost ${counts.lost}`,
    standingText({ ...last, self: last.peer }, last.round) + (running ? "" : ", when it stopped"),
    ...(running
      ? [
        `connected to ${last.connected.length} ${last.connected.length === 1 ? "peer" : "peers"}   listening on`,
        ...last.addresses.map((address) => `  ${address}`),
        ...links(last),
      ]
      : []),
    ...table(
      ["peer", "device", " tok/s", " tokens", " compute", " wait", " net", " waited so far", "last offer"],
      last.members.map((member) => [
        member.name,
        shortDevice(member.device),
        grouped(member.speed),
        counted(member.tokens),
        percent(member.computeShare),
        percent(member.waitShare),
        percent(member.transferShare),
        percentOrNone(waitedShare(last.times, member.peer)),
        member.fate,
      ]),
    ),
    ...(running && last.ticket !== null ? [`ticket: ${last.ticket}`] : []),
  ];
}

/** Of several lineages each has a line; two that have become one are named by what is in them. */
function batchLines({ lineages, globalBatch, leading }: PeerStatus): string[] {
  if (globalBatch === null || lineages.length < 2) return globalBatch === null ? [] : [batchText(globalBatch)];
  return lineages.map(({ from, members, batch }, i) => {
    const peers = members.length === 1 ? "1 peer" : `${members.length} peers`;
    return `lineage ${from.join(" + ")}, ${peers}${i === leading ? ", the leading one" : ""}: ${batchText(batch)}`;
  });
}

function communicationLines({ communication, tokens, targetTokens }: PeerStatus): string[] {
  const text = communicationText(communication, targetTokens !== null && tokens >= targetTokens);
  return text === null ? [] : [text];
}

/** Whether others can dial this peer, and how it reaches each of them. */
function links({ reachability, reach, members, times, relayedBytes }: PeerStatus): string[] {
  // Who left is still known by what it did before.
  const nameOf = (peer: string) => [...members, ...times].find((other) => other.peer === peer)?.name ?? shortPeer(peer);
  const { verdict, relays } = reachability;
  const through = relays.length === 0 ? "" : `, through ${relays.map(nameOf).join(", ")} only`;
  return [
    `others can dial this peer: ${
      verdict === "reachable" ? "yes" : verdict === "not reachable" ? "no" : verdict
    }${through}`,
    ...table(
      ["peer", "link"],
      reach.map((other) => [
        nameOf(other.peer),
        other.relay === null ? other.verdict : `relayed through ${nameOf(other.relay)}`,
      ]),
    ).slice(reach.length === 0 ? 1 : 0),
    ...(relayedBytes === 0 ? [] : [`passed on between peers that cannot reach each other: ${bytes(relayedBytes)}`]),
  ];
}

function percentOrNone(share: number | null): string {
  return share === null ? "–" : percent(share);
}
