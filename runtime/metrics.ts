/**
 * The four metrics of a run as one peer sees them: time, throughput, memory, convergence, a line a round. Pure: the
 * clock, what the process holds and what the network carried are arguments.
 *
 * A line is one JSON object with units in its keys (`docs/metrics.md`). Totals go on over restarts, so that lines may be
 * thinned out without loss; shares and speeds are of the line's own round.
 * @module
 */
import { z } from "zod";
import { sha256 } from "../p2p/store/chunks.ts";
import type { RunConfig } from "./config.ts";
import type { MemberRound, PeerEvent } from "./event.ts";
import { parameterLayout } from "./model/parameters.ts";

/** Of the lines' format. */
export const METRICS_VERSION = 1;

const amount = z.number().min(0);
const unknown = amount.nullable();

/** What the run is; before the first round of every start of a peer. */
export const runLineSchema = z.object({
  kind: z.literal("run"),
  version: z.literal(METRICS_VERSION),
  atMs: amount,
  run: z.string(),
  name: z.string(),
  peer: z.string(),
  peerName: z.string(),
  parameters: amount,
  device: z.string(),
  versions: z.object({ starling: z.string(), deno: z.string(), os: z.string() }),
  seed: amount,
  dataDigest: z.string(),
  model: z.looseObject({ family: z.string(), contextLength: amount }),
  training: z.looseObject({ batch: amount, learningRate: amount, targetTokens: unknown }),
  batching: z.looseObject({ policy: z.string() }),
  outer: z.looseObject({ codec: z.string() }),
});

/** One round. */
export const roundLineSchema = z.object({
  kind: z.literal("round"),
  atMs: amount,
  elapsedMs: amount,
  round: amount,
  tokens: amount,
  peers: amount,
  trainLoss: unknown,
  heldOutLoss: unknown,
  heldOutTokens: unknown,
  computeShare: unknown,
  waitShare: unknown,
  transferShare: unknown,
  peerTokens: amount,
  computingTokensPerSecond: unknown,
  peerTokensPerSecond: unknown,
  runTokensPerSecond: amount,
  localBatch: unknown,
  microBatch: unknown,
  precision: z.enum(["f32", "f16"]).default("f32"),
  accumulation: unknown,
  steps: unknown,
  executedBatch: amount,
  requestedBatch: amount,
  dealtBatch: amount,
  lineages: amount.default(1),
  noiseScale: z.number().nullable(),
  ceiling: amount,
  policyReason: z.string(),
  deviceBytes: amount,
  devicePeakBytes: amount,
  residentBytes: amount,
  residentPeakBytes: amount,
  upBytes: amount,
  downBytes: amount,
  offersCounted: amount,
  offersLate: amount,
  offersMerged: amount,
  offersLost: amount,
  offersUnknown: amount,
  rejected: amount,
});

export type RunLine = z.infer<typeof runLineSchema>;
export type RoundLine = z.infer<typeof roundLineSchema>;
export type MetricsLine = RunLine | RoundLine;

/** What is true of the process at the moment of an event. */
export interface Surroundings {
  readonly nowMs: number;
  /** Resident set of the process. */
  readonly residentBytes: number;
  /** Sent and received since the peer started. */
  readonly upBytes: number;
  readonly downBytes: number;
}

export interface RunMetricsOptions {
  readonly config: RunConfig;
  readonly versions: RunLine["versions"];
  /** The last line of this peer's former life in this run: totals go on from it. */
  readonly before: RoundLine | null;
}

type Round = Extract<PeerEvent, { kind: "round" }>;

/** Turns a peer's events into lines. */
export class RunMetrics {
  readonly #options: RunMetricsOptions;
  readonly #dataDigest: string;
  #self = "";
  #startedAtMs: number | null = null;
  #device = { description: "", plannedBytes: 0, peakBytes: 0 };
  #precision: "f32" | "f16" = "f32";
  #residentPeakBytes: number;
  /** The last round that was heard of, whether or not it is in a line. */
  #heard: { readonly round: number; readonly tokens: number } | null = null;
  #totals: Totals;

  private constructor(options: RunMetricsOptions, dataDigest: string) {
    const { before } = options;
    this.#options = options;
    this.#dataDigest = dataDigest;
    this.#residentPeakBytes = before?.residentPeakBytes ?? 0;
    this.#device.peakBytes = before?.devicePeakBytes ?? 0;
    this.#totals = before === null ? NOTHING_YET : totalsOf(before);
  }

  static async open(options: RunMetricsOptions): Promise<RunMetrics> {
    const { data, tokenizer } = options.config;
    const digest = await sha256(new TextEncoder().encode(JSON.stringify([data, tokenizer])));
    return new RunMetrics(options, digest.slice(0, 16));
  }

  /** The line that an event makes: one when the peer has started, one for every round after that. */
  take(event: PeerEvent, surroundings: Surroundings): MetricsLine | null {
    this.#residentPeakBytes = Math.max(this.#residentPeakBytes, surroundings.residentBytes);
    switch (event.kind) {
      case "device":
        this.#device.description = event.description;
        return null;
      case "precision":
        this.#precision = event.precision;
        return null;
      case "plan": {
        const { plannedBytes, peakBytes } = event;
        this.#device = {
          ...this.#device,
          plannedBytes,
          peakBytes: Math.max(this.#device.peakBytes, plannedBytes, peakBytes),
        };
        return null;
      }
      case "offer":
        this.#totals = withFate(this.#totals, event.fate);
        return null;
      case "rejected":
        this.#totals = { ...this.#totals, rejected: this.#totals.rejected + 1 };
        return null;
      case "started":
        this.#self = event.peer;
        this.#startedAtMs = surroundings.nowMs;
        return this.#runLine(event, surroundings.nowMs);
      case "round":
        return this.#take(event, surroundings);
      default:
        return null;
    }
  }

  #runLine(event: Extract<PeerEvent, { kind: "started" }>, nowMs: number): RunLine {
    const { config, versions } = this.#options, { seed, model, training, batching, outer } = config;
    return {
      ...{ kind: "run", version: METRICS_VERSION, atMs: nowMs },
      ...{ run: event.run, name: event.name, peer: event.peer, peerName: event.peerName },
      ...{ parameters: parameterLayout(model).parameterCount, device: this.#device.description, versions },
      ...{ seed, dataDigest: this.#dataDigest, model, training, batching, outer },
    };
  }

  #take(event: Round, { nowMs, residentBytes, upBytes, downBytes }: Surroundings): RoundLine | null {
    const { before } = this.#options, heard = this.#heard, { round, tokens } = event;
    this.#heard = { round, tokens };
    // A restarted peer hears its last round once more.
    const isKnown = before !== null && before.round === round && before.tokens === tokens;
    if (this.#startedAtMs === null || isKnown || round === 0) return null;
    const own = event.members.find(({ peer, fate }) => peer === this.#self && fate !== "joined") ?? null;
    this.#totals = { ...this.#totals, peerTokens: this.#totals.peerTokens + (own?.tokens ?? 0) };
    const tokensBefore = round === 1 ? 0 : heard?.round === round - 1 ? heard.tokens : null;
    return {
      kind: "round",
      atMs: nowMs,
      elapsedMs: (before?.elapsedMs ?? 0) + Math.max(0, nowMs - this.#startedAtMs),
      ...{ round, tokens, peers: event.peers, trainLoss: event.loss },
      heldOutLoss: event.heldOut,
      heldOutTokens: event.heldOut === null ? null : tokensBefore,
      ...partOf(own),
      precision: this.#precision,
      runTokensPerSecond: event.members.reduce((sum, member) => sum + (speedOf(member) ?? 0), 0),
      executedBatch: event.members.reduce((sum, { batch, tokens }) => sum + (tokens > 0 ? batch : 0), 0),
      requestedBatch: event.globalBatch.request,
      dealtBatch: event.globalBatch.dealt,
      lineages: event.lineages.length,
      noiseScale: event.globalBatch.noiseScale,
      ceiling: event.globalBatch.ceiling,
      policyReason: event.globalBatch.reason,
      deviceBytes: this.#device.plannedBytes,
      devicePeakBytes: this.#device.peakBytes,
      ...{ residentBytes, residentPeakBytes: this.#residentPeakBytes },
      ...this.#totals,
      upBytes: (before?.upBytes ?? 0) + upBytes,
      downBytes: (before?.downBytes ?? 0) + downBytes,
    };
  }
}

type Totals = Pick<
  RoundLine,
  "peerTokens" | "offersCounted" | "offersLate" | "offersMerged" | "offersLost" | "offersUnknown" | "rejected"
>;

const NOTHING_YET: Totals = {
  ...{ peerTokens: 0, offersCounted: 0, offersLate: 0, offersMerged: 0, offersLost: 0, offersUnknown: 0, rejected: 0 },
};

const FATE_KEYS = {
  counted: "offersCounted",
  late: "offersLate",
  merged: "offersMerged",
  lost: "offersLost",
  unknown: "offersUnknown",
} as const;

function totalsOf(line: RoundLine): Totals {
  const { peerTokens, offersCounted, offersLate, offersMerged, offersLost, offersUnknown, rejected } = line;
  return { peerTokens, offersCounted, offersLate, offersMerged, offersLost, offersUnknown, rejected };
}

function withFate(totals: Totals, fate: keyof typeof FATE_KEYS): Totals {
  const key = FATE_KEYS[fate];
  return { ...totals, [key]: totals[key] + 1 };
}

/** This peer's part in a round; nulls where nothing of it was counted. */
function partOf(own: MemberRound | null) {
  return {
    computeShare: own?.computeShare ?? null,
    waitShare: own?.waitShare ?? null,
    transferShare: own?.transferShare ?? null,
    computingTokensPerSecond: own?.speed ?? null,
    peerTokensPerSecond: own === null ? null : speedOf(own),
    localBatch: own?.batch ?? null,
    microBatch: own?.microBatch ?? null,
    accumulation: own === null ? null : Math.ceil(own.batch / Math.max(1, own.microBatch)),
    steps: own?.steps ?? null,
  };
}

/** Tokens a second of all its time, at work or not; null before it has had any. */
function speedOf({ tokens, spanMs }: MemberRound): number | null {
  return spanMs <= 0 ? null : tokens * 1000 / spanMs;
}
