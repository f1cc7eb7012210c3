/**
 * `starling status`: what a peer, running or stopped, knows of itself and its run.
 * @module
 */
import { defaultStatePath, isRunning, openRunFolder, readStatus, usedBytes } from "../runtime/run_folder.ts";
import { waitedShare } from "../runtime/peer_time.ts";
import type { PeerStatus } from "../runtime/status.ts";
import { bytes, counted, nats, percent, short, table } from "./format.ts";
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
  if (wantsWhy) why(last).forEach((text) => line(text));
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
    ...(running ? [`connected to ${last.connected.length} peers   listening on ${last.addresses.join(", ")}`] : []),
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
