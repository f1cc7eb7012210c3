/**
 * What the live view shows: a run as events tell it, and the lines it makes. Pure; the time is an argument.
 * @module
 */
import type { BatchView } from "../p2p/sync/batch/request.ts";
import type { MemberRound, PeerEvent } from "../runtime/event.ts";
import { standingOf } from "../runtime/standing.ts";
import { bytes, clock, counted, grouped, nats, percent, short, sparkline, table } from "./format.ts";

/** A run so far. */
export interface View {
  readonly startedAtMs: number;
  readonly run: string;
  readonly name: string;
  /** This peer's id. */
  readonly self: string;
  readonly round: number;
  readonly tokens: number;
  readonly targetTokens: number | null;
  readonly digest: string;
  /** Of the next round; null before the first. */
  readonly globalBatch: BatchView | null;
  /** Models that the run trains beside each other. */
  readonly lineages: number;
  /** How contributions to the next round are encoded. */
  readonly codec: string;
  readonly losses: readonly number[];
  readonly heldOuts: readonly number[];
  readonly members: readonly MemberRound[];
  /** Ids of all who belong to the run, and of those connected. */
  readonly roster: readonly string[];
  readonly connected: readonly string[];
  /** Tokens counted at the times of the last rounds: the run's speed is theirs. */
  readonly marks: readonly { readonly atMs: number; readonly tokens: number }[];
  readonly progress: Extract<PeerEvent, { kind: "progress" }> | null;
  /** The last thing worth saying, and when it was said. */
  readonly notice: { readonly text: string; readonly atMs: number };
}

export interface Goal {
  /** When the view's work ends by itself, if it does. */
  readonly endsAtMs?: number;
  readonly untilLoss?: number;
  /** How many of how many peers hold the newest state that more than one has reported. */
  readonly agreement?: string;
}

const SPEED_ROUNDS = 6;
const NOTICE_MS = 15_000;
const LARGE_BYTES = 4_000_000;

/** A view before the first event. */
export function emptyView(nowMs: number): View {
  return {
    startedAtMs: nowMs,
    run: "",
    name: "",
    self: "",
    round: 0,
    tokens: 0,
    targetTokens: null,
    digest: "",
    globalBatch: null,
    lineages: 1,
    codec: "",
    losses: [],
    heldOuts: [],
    members: [],
    roster: [],
    connected: [],
    marks: [],
    progress: null,
    notice: { text: "", atMs: nowMs },
  };
}

/** The view after one more event. */
export function observe(view: View, event: PeerEvent, nowMs: number): View {
  const noticed = (text: string): View => ({ ...view, notice: { text, atMs: nowMs } });
  switch (event.kind) {
    case "started":
      return { ...view, run: event.run, name: event.name, self: event.peer };
    case "round":
      return {
        ...view,
        round: event.round,
        tokens: event.tokens,
        targetTokens: event.targetTokens,
        digest: event.digest,
        globalBatch: event.globalBatch,
        lineages: event.lineages.length,
        codec: event.codec,
        losses: event.loss === null ? view.losses : [...view.losses, event.loss],
        heldOuts: event.heldOut === null ? view.heldOuts : [...view.heldOuts, event.heldOut],
        members: event.members,
        roster: event.roster,
        marks: marksAfter(view.marks, { atMs: nowMs, tokens: event.tokens }, event.roundMs),
      };
    case "progress":
      return { ...view, progress: event };
    case "warning":
      return noticed(event.message);
    case "unreachable":
      return noticed(unreachableText(event));
    case "alone":
    case "mismatch":
    case "members":
    case "finished":
      return noticed(event.reason);
    case "offer":
      return event.fate === "counted" ? view : noticed(`round ${event.round}: offer ${event.fate}: ${event.reason}`);
    case "fetching":
      return event.totalBytes < LARGE_BYTES
        ? view // a contribution: there are some in every round
        : noticed(`fetching ${event.what}: ${percent(event.bytes / event.totalBytes)} of ${bytes(event.totalBytes)}`);
    case "reorganised":
    case "merged":
    case "cell":
      return noticed(`round ${event.round}: ${event.reason}`);
    case "admitted":
      return noticed(`round ${event.round}: admitted`);
    case "waiting":
      return noticed(event.reason);
    case "joined":
    case "left":
      return noticed(`${event.peerName} ${event.reason}`);
    case "connected":
      return { ...view, connected: [...new Set([...view.connected, event.peer])] };
    case "disconnected":
      return { ...view, connected: view.connected.filter((peer) => peer !== event.peer) };
    case "device":
    case "precision":
    case "plan":
    case "reachability":
    case "relayed":
    case "rejected":
    case "uncounted":
    case "screened":
    case "stopped":
      return view;
    default:
      return event satisfies never;
  }
}

/** Rounds on each other's heels are those of a peer that catches up: their times say nothing of the run's speed. */
function marksAfter(marks: View["marks"], mark: View["marks"][number], roundMs: number): View["marks"] {
  const last = marks.at(-1), catchesUp = last !== undefined && mark.atMs - last.atMs < roundMs / 4;
  return catchesUp ? [mark] : [...marks, mark].slice(-SPEED_ROUNDS);
}

/** "Cannot connect to …: why", which names the address; or that there is none. */
export function unreachableText({ peer, reason }: { readonly peer: string; readonly reason: string }): string {
  return reason.startsWith("Cannot connect to ") ? reason : `${peer} cannot be reached: ${reason}`;
}

/** "members 4, alive 3, counted 2 in round 41": three numbers that differ when something is wrong. */
export function standingText(seen: Parameters<typeof standingOf>[0], round: number): string {
  const { members, alive, counted } = standingOf(seen);
  return `members ${members}, alive ${alive}, counted ${counted} in round ${round}`;
}

/** Tokens per second of the whole run over the last rounds, or 0 before there are two. */
export function runSpeed({ marks }: View): number {
  const first = marks[0], last = marks.at(-1);
  if (first === undefined || last === undefined || last.atMs <= first.atMs) return 0;
  return (last.tokens - first.tokens) * 1000 / (last.atMs - first.atMs);
}

/** When the goal will be reached at the present speed, in milliseconds from now, or null if that is not known. */
export function remainingMs(view: View, goal: Goal, nowMs: number): number | null {
  if (goal.endsAtMs !== undefined) return Math.max(0, goal.endsAtMs - nowMs);
  const speed = runSpeed(view);
  if (view.targetTokens === null || speed === 0) return null;
  return Math.max(0, (view.targetTokens - view.tokens) * 1000 / speed);
}

/** The block of lines for a terminal. */
export function render(view: View, goal: Goal, nowMs: number): string[] {
  const elapsed = nowMs - view.startedAtMs, left = remainingMs(view, goal, nowMs), speed = runSpeed(view);
  const time = goal.endsAtMs !== undefined
    ? `${clock(elapsed)} of ${clock(goal.endsAtMs - view.startedAtMs)}`
    : left === null
    ? clock(elapsed)
    : `${clock(elapsed)}, ${clock(left)} to go`;
  const head = [
    `run ${view.name === "" ? "–" : `${view.name} ${short(view.run)}`}`,
    `round ${view.round}`,
    time,
    `${counted(view.tokens)} tokens${view.targetTokens === null ? "" : ` of ${counted(view.targetTokens)}`}`,
    `${grouped(speed)} tok/s`,
  ].join("  ·  ");
  const rows = view.members.map((member) => [
    member.peer === view.self ? `${member.name} ★` : member.name,
    shortDevice(member.device),
    grouped(member.speed),
    `${member.microBatch} × ${Math.max(1, Math.ceil(member.batch / Math.max(1, member.microBatch)))}`,
    String(member.steps),
    percent(member.computeShare),
    percent(member.waitShare),
    percent(member.transferShare),
    member.fate,
  ]);
  const lines = [head, lossLine(view)];
  if (rows.length > 0) {
    const headings = ["peer", "device", " tok/s", "batch", " steps", " compute", " wait", " net", "last offer"];
    lines.push(...table(headings, rows), `  ${stateLine(view, goal)}`);
  } else if (view.progress !== null) {
    lines.push(`  first round: step ${view.progress.steps}, loss ${nats(view.progress.loss)}`);
  } else {
    lines.push(view.run === "" ? "  measuring devices, opening the data" : "  waiting for the first round");
  }
  const { text, atMs } = view.notice;
  if (text !== "" && nowMs - atMs < NOTICE_MS) lines.push(`  ${text}`);
  return lines;
}

/** "batch 64 (norm test: 210 wanted, at most 2× at a time allowed), noise scale 105, ceiling 182". */
export function batchText({ request, noiseScale, ceiling, reason }: BatchView): string {
  const noise = noiseScale === null ? "unknown" : grouped(noiseScale);
  return `batch ${request} (${reason}), noise scale ${noise}, ceiling ${grouped(ceiling)}`;
}

/** Dense contributions and a constant batch are the usual, and not worth a word. */
function stateLine(view: View, { agreement }: Goal): string {
  const { digest, codec, round, globalBatch, lineages } = view,
    parts = [
      `state ${short(digest)}`,
      agreement ?? "",
      standingText(view, round),
      globalBatch === null || globalBatch.policy === "constant" ? "" : `batch ${globalBatch.request}`,
      lineages > 1 ? `lineages ${lineages}` : "",
      codec.startsWith("topk") ? `contributions ${codec}` : "",
    ];
  return parts.filter((part) => part !== "").join("  ");
}

/** One line for each round, for logs. */
export function roundLine(view: View, goal: Goal, nowMs: number): string {
  const left = remainingMs(view, goal, nowMs);
  return [
    `round ${view.round}`,
    `loss ${nats(view.losses.at(-1))}`,
    `held-out ${nats(view.heldOuts.at(-1))}`,
    `${counted(view.tokens)} tokens`,
    `${grouped(runSpeed(view))} tok/s`,
    peersText(view.members.filter(({ tokens }) => tokens > 0).length),
    ...(view.lineages > 1 ? [`${view.lineages} lineages`] : []),
    `state ${short(view.digest)}`,
    ...(left === null ? [] : [`${clock(left)} to go`]),
  ].join("  ");
}

function peersText(count: number): string {
  return count === 1 ? "1 peer" : `${count} peers`;
}

/** "cpu (WebAssembly SIMD, 1 thread)" → "cpu": a table's row has no room for more. */
export function shortDevice(description: string): string {
  return description.replace(/ \(.*$/, "").slice(0, 28);
}

function lossLine({ losses, heldOuts }: View): string {
  if (losses.length === 0) return "loss  –";
  const line = `loss  ${nats(losses[0])} ${sparkline(losses)} ${nats(losses.at(-1))}`;
  return heldOuts.length === 0 ? line : `${line}   held-out ${nats(heldOuts[0])} → ${nats(heldOuts.at(-1))}`;
}
