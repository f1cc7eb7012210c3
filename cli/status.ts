/**
 * `starling status`: what a peer, running or stopped, knows of itself and its run.
 * @module
 */
import { waitedShare } from "../runtime/peer_time.ts";
import { defaultStatePath, isRunning, openRunFolder, readStatus, usedBytes } from "../runtime/run_folder.ts";
import type { PeerStatus } from "../runtime/status.ts";
import { bytes, counted, nats, percent, short, shortPeer, table } from "./format.ts";
import { json, line } from "./print.ts";

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
  describe(last, running).forEach((text) => line(text));
  line(`disk: ${bytes(diskBytes)} in ${path}; blobs may take ${bytes(last.mostBlobBytes)} (--disk-gb)`);
  if (wantsWhy) [...why(last), ...(running ? whyNot(last) : [])].forEach((text) => line(text));
}

function describe(last: PeerStatus, running: boolean): string[] {
  const { counts } = last, made = counts.counted + counts.late + counts.merged + counts.lost + counts.unknown;
  const target = last.targetTokens === null ? "" : ` of ${counted(last.targetTokens)}`;
  return [
    `Run "${last.name}" ${short(last.run)}   peer ${last.peerName} (${last.peer})   ${running ? "running" : "stopped"}`,
    `round ${last.round}   head ${short(last.head)}   state ${short(last.digest)}   ${
      counted(last.tokens)
    }${target} tokens`,
    `loss ${nats(last.loss)}   held-out ${nats(last.heldOut)}   device ${last.device}   codec ${last.codec}`,
    `offers: counted ${counts.counted} of ${made} · late ${counts.late} · merged ${counts.merged} · lost ${counts.lost}`,
    ...(running
      ? [`connected to ${last.connected.length} peers   listening on ${last.addresses.join(", ")}`, ...links(last)]
      : []),
    ...table(
      ["peer", "device", " tok/s", " tokens", " compute", " wait", " net", " waited so far", "last offer"],
      last.members.map((member) => [
        member.name,
        member.device,
        member.speed.toFixed(0),
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

/** Whether others can dial this peer, and how it reaches each of them. */
function links({ reachability, reach, members, relayedBytes }: PeerStatus): string[] {
  const nameOf = (peer: string) => members.find((member) => member.peer === peer)?.name ?? shortPeer(peer);
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

function whyNot({ reachability, reach }: PeerStatus): string[] {
  const { verdict, reason, remedy } = reachability;
  const own = verdict === "reachable"
    ? []
    : [`others and this peer: ${reason}`, ...(remedy === null ? [] : [`  ${remedy}`])];
  const others = reach.filter((other) => other.verdict !== "direct").flatMap((other) => [
    `${other.verdict} ${other.peer}${other.reason === null ? "" : `: ${other.reason}`}`,
    ...(other.remedy === null ? [] : [`  ${other.remedy}`]),
  ]);
  return [...own, ...others];
}

function percentOrNone(share: number | null): string {
  return share === null ? "–" : percent(share);
}

function why({ fates, rejections, screened }: PeerStatus): string[] {
  const telling = fates.filter(({ fate }) => fate !== "counted");
  const own = telling.length === 0
    ? ["every offer of late was counted in its own round"]
    : table([" round", "fate", "why"], telling.map(({ round, fate, reason }) => [String(round), fate, reason]));
  const dropped = rejections.map(({ peer, what, reason }) => `  ${what} of ${peer}: ${reason}`);
  const against = screened.map(({ round, peer, cosine, threshold, dropped }) =>
    `  round ${round}: ${peer} has a cosine of ${cosine.toFixed(3)} to the others, chance ends at ` +
    `${threshold.toFixed(3)}; ${dropped ? "left out of the weights" : "folded all the same"}`
  );
  return [
    ...own,
    ...(dropped.length === 0 ? [] : ["dropped of others:", ...dropped]),
    ...(against.length === 0 ? [] : ["work that pulls against everybody else's:", ...against]),
  ];
}
