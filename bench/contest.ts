/**
 * Contests: several contestants do the same work in turns, so that whatever else the machine does falls on all alike.
 *
 * A contestant is a device of ours or somebody else's library, in this process or another; this file knows none of
 * them. Two kinds of work: lists of matrix products, and training steps.
 *
 * The one thing to know: nobody's word is taken for a product. A contestant hands back the last value of the last
 * result, and a wrong one disqualifies it: a lazy library must not win by computing nothing.
 * @module
 */
import { reasonOf } from "../p2p/reason.ts";
import type { ModelConfig } from "../runtime/model/config.ts";
import type { StepSettings } from "../runtime/train/inner_step.ts";

/** y (M, N) = op(a) (M, K) · op(b) (K, N) in f32; the operands are `ramp`s, and 1 says that one is stored transposed. */
export type Product = readonly [M: number, N: number, K: number, TRANSPOSE_A: number, TRANSPOSE_B: number];

export type Work =
  /** All of them, one after the other. */
  | { readonly kind: "products"; readonly products: readonly Product[] }
  /** One step of a GPT-2 on `batch` windows, from the windows to the new weights. */
  | { readonly kind: "step"; readonly model: ModelConfig; readonly settings: StepSettings; readonly batch: number };

/** What lines say of a contestant. */
export interface About {
  readonly device: string;
  readonly threads?: number;
  /** What a GPU's adapter tells of its driver. */
  readonly driver?: string;
  /** Of the libraries that it consists of, beside Deno and Starling. */
  readonly versions?: string;
}

export interface Turn {
  /** All of it together. */
  readonly ms: number;
  /** Of products: the last value of the last result. */
  readonly value?: number;
  /** Of steps: what else is known of one, e.g. `memoryMiB`, the most that it has had on its device. */
  readonly facts?: Readonly<Record<string, number>>;
}

export interface Contestant extends AsyncDisposable {
  readonly about: About;
  /** Does the work so many times, one after the other; what it needs is made ready before the clock starts. */
  turn(work: Work, count: number): Promise<Turn>;
}

/** What one contestant's turns came to; times are of one piece of work. */
export type Outcome =
  | {
    readonly about: About;
    readonly ok: true;
    readonly medianMs: number;
    readonly bestMs: number;
    readonly turn: Turn;
  }
  /** It could not do the work, or did it wrongly. */
  | { readonly about: About; readonly ok: false; readonly reason: string };

export interface ContestOptions {
  readonly rounds: number;
  /** How long a turn lasts, about. */
  readonly turnMs: number;
  /** Between two turns. Threads of a library spin for a while when they have nothing to do, on the next one's cores. */
  readonly restMs?: number;
}

const REST_MS = 40;

/** Lets each have a turn in every round, after two that do not count; outcomes are in the order of the contestants. */
export async function contest(
  contestants: readonly Contestant[],
  work: Work,
  { rounds, turnMs, restMs = REST_MS }: ContestOptions,
): Promise<Outcome[]> {
  const entries = contestants.map((contestant) => ({ contestant, times: [] as number[], count: 1, failure: "" }));
  const turns = new Map<Contestant, Turn>();
  for (let round = -2; round < rounds; round++) {
    for (const entry of entries) {
      if (entry.failure !== "") continue;
      await new Promise((resolve) => setTimeout(resolve, restMs));
      try {
        const turn = await entry.contestant.turn(work, entry.count);
        entry.failure = whyWrong(work, turn);
        if (round === -1) entry.count = Math.max(1, Math.round(turnMs / turn.ms)); // the one before compiled
        if (round >= 0) entry.times.push(turn.ms / entry.count);
        turns.set(entry.contestant, turn);
      } catch (error) {
        entry.failure = reasonOf(error);
      }
    }
  }
  return entries.map(({ contestant, times, failure }): Outcome => {
    if (failure !== "") return { about: contestant.about, ok: false, reason: failure };
    times.sort((a, b) => a - b);
    const medianMs = times[times.length >> 1]!;
    return { about: contestant.about, ok: true, medianMs, bestMs: times[0]!, turn: turns.get(contestant)! };
  });
}

/** Values of an operand, the same for all. */
export function ramp(length: number): Float32Array<ArrayBuffer> {
  return Float32Array.from({ length }, (_, i) => (i * 7 % 13 - 6) / 13);
}

/** Operations of all products of a list. */
export function flopsOfProducts(products: readonly Product[]): number {
  return products.reduce((sum, [M, N, K]) => sum + 2 * M * N * K, 0);
}

/** "1024×384×128 bᵀ". */
export function productName([M, N, K, TRANSPOSE_A, TRANSPOSE_B]: Product): string {
  return `${M}×${N}×${K}${TRANSPOSE_A === 1 ? " aᵀ" : ""}${TRANSPOSE_B === 1 ? " bᵀ" : ""}`;
}

/** Why a turn cannot count, or nothing. */
function whyWrong(work: Work, { value }: Turn): string {
  if (work.kind === "step") return "";
  const last = work.products.at(-1)!, wanted = lastValue(last);
  if (value !== undefined && Math.abs(value - wanted) <= errorBound(last)) return "";
  return `it gives ${value} as the last value of ${productName(last)}, which is ${wanted}`;
}

/** The last value of a product: of a's last row and b's last column. */
function lastValue([M, N, K, TRANSPOSE_A, TRANSPOSE_B]: Product): number {
  const a = ramp(M * K), b = ramp(K * N);
  let sum = 0;
  for (let k = 0; k < K; k++) {
    sum += a[TRANSPOSE_A === 1 ? k * M + M - 1 : (M - 1) * K + k]! *
      b[TRANSPOSE_B === 1 ? (N - 1) * K + k : k * N + N - 1]!;
  }
  return sum;
}

/** Each of K roundings is of a sum of at most K/4, as the values are below a half; a missing part is off by more. */
function errorBound([, , K]: Product): number {
  return (8 + 2 * Math.sqrt(K)) * 2 ** -24 * Math.max(1, K / 4);
}
