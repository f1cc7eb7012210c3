/**
 * The course of a run: gathered from what the first peer's host tells, and what is read from it.
 * @module
 */
import type { HostEvent } from "../../p2p/host_event.ts";
import type { Offer, PeerId } from "../../p2p/sync/types.ts";
import { communicationAfter, NO_COMMUNICATION, workOf } from "../../runtime/communication.ts";

/** Columns: a value for each state that learned something. */
export interface Course {
  /** Virtual time at which the state was adopted. */
  readonly ms: readonly number[];
  readonly tokens: readonly number[];
  /** Loss of the state, held out, nats per token; null where nobody measured it in time. */
  readonly heldOut: readonly (number | null)[];
  /** Mean loss of the steps that led to it. */
  readonly trained: readonly number[];
  /** Global batch as it was executed in the round that led to it, in sequences; without work that came late. */
  readonly batch: readonly number[];
  /** Inner steps of a peer in that round: the mean over peers whose work came in time. */
  readonly steps: readonly number[];
  /** Models that were trained beside each other in that round. */
  readonly lineages: readonly number[];
}

/** What became of all that peers offered. */
export interface Effort {
  readonly contributionBytes: number;
  /** Share of their time that peers had nothing to train; and of the peer that waited most. */
  readonly idleShare: number;
  readonly mostIdleShare: number;
  /** Rounds with work that the run was expected to need, after the first few of them; null: it was over before. */
  readonly expectedRounds: number | null;
}

type RoundEvent = Extract<HostEvent, { kind: "round" }>;

interface Told {
  readonly event: RoundEvent;
  readonly ms: number;
}

export class CourseKeeper {
  readonly #told = new Map<number, Told>();
  readonly #targetTokens: number;
  #tokens = 0;

  /** @param targetTokens Of the whole run. */
  constructor(targetTokens: number) {
    this.#targetTokens = targetTokens;
  }

  /** Notes a round and its moment; of one number the last word holds. */
  add(event: RoundEvent, ms: number): void {
    this.#told.set(event.round, { event, ms });
    this.#tokens = event.tokens;
  }

  /** Tokens counted so far. */
  get tokens(): number {
    return this.#tokens;
  }

  /** @param lastLoss Held-out loss of the last state, which no offer brings. */
  finish(lastLoss: number): { readonly course: Course; readonly effort: Effort } {
    const told = [...this.#told.values()].sort((a, b) => a.event.round - b.event.round);
    const losses = told.slice(1).map(({ event }) => event.heldOut).concat(lastLoss); // a round tells its parent's
    const rounds = told.map((one, i) => ({ ...one, loss: losses[i]! })).filter(({ event }) => event.gained > 0);
    const column = (of: (event: RoundEvent) => number) => rounds.map(({ event }) => short(of(event)));
    return {
      course: {
        ms: rounds.map(({ ms }) => Math.round(ms)),
        tokens: column(({ tokens }) => tokens),
        heldOut: rounds.map(({ loss }) => loss === null ? null : short(loss)),
        trained: column(({ loss }) => loss ?? NaN),
        batch: column((event) => sum(inTime(event).map(({ batch }) => batch))),
        steps: column((event) => sum(inTime(event).map(({ steps }) => steps)) / Math.max(1, inTime(event).length)),
        lineages: column(({ lineages, merged }) => lineages.length + (merged === null ? 0 : 1)),
      },
      effort: {
        ...effortOf(rounds.flatMap(({ event }) => offersOf(event))),
        expectedRounds: this.#expectedRounds(rounds.map(({ event }) => event)),
      },
    };
  }

  #expectedRounds(rounds: readonly RoundEvent[]): number | null {
    const communication = rounds.reduce((before, { tokens, counted, lineages }, i) => {
      const members = counted.map(({ offer }) => offer);
      return communicationAfter(before, workOf({ round: i + 1, tokens, members, lineages }), this.#targetTokens);
    }, NO_COMMUNICATION);
    return communication.first?.rounds ?? null;
  }
}

/** Loss after so many tokens, straight between the states before and after. */
export function lossAt({ tokens, heldOut }: Course, wanted: number): number {
  return between(tokens, heldOut, { from: wanted, what: `${wanted} tokens` });
}

/** Virtual seconds until a loss was first reached, straight between two states; null if it never was. */
export function secondsTo({ ms, heldOut }: Course, loss: number): number | null {
  let before: readonly [number, number] | null = null;
  for (const [i, found] of heldOut.entries()) {
    if (found === null) continue;
    if (found <= loss) {
      const [lossBefore, msBefore] = before ?? [found, ms[i]!];
      const share = lossBefore === found ? 1 : (lossBefore - loss) / (lossBefore - found);
      return (msBefore + share * (ms[i]! - msBefore)) / 1000;
    }
    before = [found, ms[i]!];
  }
  return null;
}

/** Virtual seconds after so many tokens. */
export function secondsAt({ tokens, ms }: Course, wanted: number): number {
  return between(tokens, ms, { from: wanted, what: `${wanted} tokens` }) / 1000;
}

/** Inner steps that a peer has made, one after another, after so many tokens. */
export function stepsAt({ tokens, steps }: Course, wanted: number): number {
  let made = 0;
  return between(tokens, steps.map((count) => made += count), { from: wanted, what: `${wanted} tokens` });
}

/** Rounds with work after so many tokens. */
export function roundsAt({ tokens }: Course, wanted: number): number {
  return between(tokens, tokens.map((_, i) => i + 1), { from: wanted, what: `${wanted} tokens` });
}

/** Global batch of the round in which so many tokens were reached. */
export function batchAt({ tokens, batch }: Course, wanted: number): number {
  return batch[tokens.findIndex((count) => count >= wanted)] ?? batch.at(-1)!;
}

/** The same of one lineage: the mean over those that were trained. */
export function lineageBatchAt({ tokens, batch, lineages }: Course, wanted: number): number {
  const found = tokens.findIndex((count) => count >= wanted), at = found === -1 ? tokens.length - 1 : found;
  return batch[at]! / lineages[at]!;
}

/** States worse, held out, than the best before them by more than this share. */
export function spikeCount({ heldOut }: Course, share = 0.01): number {
  let best = Infinity, count = 0;
  for (const loss of heldOut) {
    if (loss === null) continue;
    if (loss > (1 + share) * best) count++;
    best = Math.min(best, loss);
  }
  return count;
}

function between(
  xs: readonly number[],
  ys: readonly (number | null)[],
  { from, what }: { readonly from: number; readonly what: string },
): number {
  const known = xs.flatMap((x, i) => ys[i] === null ? [] : [[x, ys[i]!] as const]);
  const after = known.findIndex(([x]) => x >= from);
  if (after === -1) throw new RangeError(`Cannot read a course at ${what}: it ends at ${xs.at(-1)}`);
  const [x, y] = known[after]!, [x0, y0] = known[after - 1] ?? [x, y];
  return x === x0 ? y : y0 + (y - y0) * (from - x0) / (x - x0);
}

/** Work on the state before the round. */
function inTime(event: RoundEvent): readonly Offer[] {
  return offersOf({ ...event, counted: event.counted.filter(({ age }) => age === 0) });
}

function offersOf({ counted }: RoundEvent): readonly Offer[] {
  return counted.map(({ offer }) => offer).filter(({ steps }) => steps > 0);
}

function effortOf(offers: readonly Offer[]): Omit<Effort, "expectedRounds"> {
  const times = new Map<PeerId, { computeMs: number; idleMs: number }>();
  for (const { peer, computeMs, idleMs } of offers) {
    const before = times.get(peer) ?? { computeMs: 0, idleMs: 0 };
    times.set(peer, { computeMs: before.computeMs + computeMs, idleMs: before.idleMs + idleMs });
  }
  const peers = [...times.values()], share = (idleMs: number, ms: number) => short(ms === 0 ? 0 : idleMs / ms);
  const idleMs = sum(peers.map((peer) => peer.idleMs)), computeMs = sum(peers.map((peer) => peer.computeMs));
  return {
    contributionBytes: sum(offers.map(({ blob }) => blob?.sizeBytes ?? 0)),
    idleShare: share(idleMs, idleMs + computeMs),
    mostIdleShare: Math.max(0, ...peers.map((peer) => share(peer.idleMs, peer.idleMs + peer.computeMs))),
  };
}

/** Six digits: lines are kept. */
function short(value: number): number {
  return Number(value.toPrecision(6));
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
