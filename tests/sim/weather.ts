/**
 * What one run has in store, as plain data: rules, machines with what befalls them, links and partitions. Drawn from a
 * seed (`draw_weather.ts`, `storm.ts`) or written by hand (the scenes).
 *
 * Times are virtual milliseconds from the start. Faults end with the storm; liars lie until the silence.
 * @module
 */
import type { PeerId, SyncRules } from "../../p2p/sync/types.ts";
import type { LiarKind } from "./liars/liar.ts";

export interface Links {
  /** Share of messages lost, and of those that arrive twice. */
  readonly loss: number;
  readonly duplication: number;
  /** Each message takes 0.5 to 1.5 times this, so messages overtake each other. */
  readonly delayMs: number;
  /** Share of messages that take up to `tailMs` instead. */
  readonly tail: number;
  readonly tailMs: number;
}

export const CALM_LINKS: Links = { loss: 0, duplication: 0, delayMs: 10, tail: 0, tailMs: 0 };

export interface Machine {
  /** Tokens per second. */
  readonly speed: number;
  /** What its line carries, each way, shared by all its transfers. */
  readonly bytesPerMs: number;
  readonly joinsAtMs: number;
  readonly leavesAtMs: number | null;
  readonly crashes: readonly Crash[];
  readonly freezes: readonly Freeze[];
  readonly clock: LocalClock;
  /** How it lies, if it does. */
  readonly liar: LiarKind | null;
}

export interface Crash {
  readonly atMs: number;
  /** Effects performed after that moment, before the power fails. */
  readonly afterEffects: number;
  readonly downMs: number;
  readonly disk: DiskDamage;
}

/** What a disk does to what it had promised to keep; with `null` it keeps all that was synced. */
export type DiskDamage =
  | null
  /** The last entries of the journal are gone. */
  | { readonly kind: "cut journal"; readonly entries: number }
  /** This share of the blobs cannot be read any more. */
  | { readonly kind: "damaged blobs"; readonly share: number }
  /** No weights can be read any more. */
  | { readonly kind: "damaged weights" };

/** The process stands still (SIGSTOP) and hears nothing; then it goes on as if nothing had been. */
export interface Freeze {
  readonly atMs: number;
  readonly forMs: number;
}

/** A machine's own clock: its rate against true time, and jumps, also back. */
export interface LocalClock {
  readonly startMs: number;
  readonly rate: number;
  readonly jumps: readonly { readonly atMs: number; readonly byMs: number }[];
}

export const TRUE_CLOCK: LocalClock = { startMs: 0, rate: 1, jumps: [] };

/** A time in which machines of different groups cannot reach each other. Partitions may overlap. */
export interface Partition {
  readonly fromMs: number;
  readonly untilMs: number;
  /** Machines by number; those that are in none form one more group, the last. */
  readonly groups: readonly (readonly number[])[];
  /** Nothing goes from an earlier group to a later one, but the other way it does; connections seem to stand. */
  readonly oneWay?: boolean;
  /** The cut comes and goes, so long each time. */
  readonly flapMs?: number;
}

export interface Weather {
  readonly rules: SyncRules;
  readonly links: Links;
  readonly partitions: readonly Partition[];
  readonly machines: readonly Machine[];
  readonly blobBytes: number;
  /** Size of a state's weights. */
  readonly weightsBytes: number;
  /** Length of the storm, of the calm after it, and of the silence in which nobody offers any more. */
  readonly stormMs: number;
  readonly calmMs: number;
  readonly silenceMs: number;
  /** The silence ends as early as this if all are at one by then; else it lasts whole. */
  readonly leastSilenceMs?: number;
}

const NAMES = ["wren", "finch", "robin", "snail", "heron", "swift", "crane", "egret", "stork", "raven", "eagle"];

/** Of the peer of a machine, by number. */
export function nameOf(machine: number): PeerId {
  return (NAMES[machine] ?? `peer${machine}`) as PeerId;
}
