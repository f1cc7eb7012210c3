/**
 * What one seed has in store: rules of the run, machines, links, and who joins, crashes and leaves when.
 * @module
 */
import { type Chance, chance } from "../chance.ts";
import { digestOf } from "../../p2p/sync/digest.ts";
import type { SyncRules } from "../../p2p/sync/types.ts";

export interface Links {
  /** Share of messages lost, and of those that arrive twice. */
  readonly loss: number;
  readonly duplication: number;
  readonly delayMs: number;
  /** Share of messages that take up to `tailMs` instead. */
  readonly tail: number;
  readonly tailMs: number;
  readonly bytesPerMs: number;
}

export interface Machine {
  /** Tokens per second. */
  readonly speed: number;
  readonly joinsAtMs: number;
  readonly leavesAtMs: number | null;
  readonly crashes: readonly Crash[];
}

export interface Crash {
  readonly atMs: number;
  /** Effects performed after that moment, before the power fails. */
  readonly afterEffects: number;
  readonly downMs: number;
}

/** A time in which machines of different groups cannot reach each other. */
export interface Partition {
  readonly fromMs: number;
  readonly untilMs: number;
  /** Machines by number; those that are in none form one more group. */
  readonly groups: readonly (readonly number[])[];
}

export interface Weather {
  readonly rules: SyncRules;
  readonly links: Links;
  readonly partitions: readonly Partition[];
  readonly machines: readonly Machine[];
  readonly blobBytes: number;
  /** Length of the storm, of the calm after it, and of the silence in which nobody offers any more. */
  readonly stormMs: number;
  readonly calmMs: number;
  readonly silenceMs: number;
}

export interface WeatherOptions {
  readonly seed: number;
  readonly peers: number;
  /** About how many rounds the storm lasts. */
  readonly rounds: number;
}

export const CALM_LINKS: Links = { loss: 0, duplication: 0, delayMs: 10, tail: 0, tailMs: 0, bytesPerMs: 5_000 };

export function drawWeather({ seed, peers, rounds }: WeatherOptions): Weather {
  const draw = chance(seed * 7919 + peers);
  const firstRoundMs = draw.pick([10_000, 20_000, 30_000]);
  const stormMs = rounds * firstRoundMs * 1.3;
  const rules: SyncRules = {
    run: digestOf({ seed, peers }),
    lateRounds: 3,
    ageDiscount: 0.3,
    rosterRounds: 5,
    firstRoundMs,
    leastRoundMs: firstRoundMs / 2,
    longestRoundMs: 2 * firstRoundMs,
    batch: 32,
    contextLength: 64,
    targetTokens: null,
  };
  return {
    rules,
    links: drawLinks(draw),
    partitions: [],
    machines: Array.from({ length: peers }, (_, i) => drawMachine(draw, { isFounder: i === 0, stormMs })),
    blobBytes: draw.whole(20_000, 1_000_000),
    stormMs,
    calmMs: 4 * rules.longestRoundMs,
    silenceMs: 6 * rules.longestRoundMs,
  };
}

function drawLinks(draw: Chance): Links {
  const isBad = draw.happens(0.6);
  return {
    loss: isBad ? draw.between(0, 0.2) : 0,
    duplication: isBad ? draw.between(0, 0.2) : 0,
    delayMs: draw.between(2, 200),
    tail: isBad ? draw.between(0, 0.05) : 0,
    tailMs: draw.pick([1_000, 10_000, 60_000]),
    bytesPerMs: draw.pick([125, 1_250, 12_500]),
  };
}

function drawMachine(draw: Chance, { isFounder, stormMs }: { isFounder: boolean; stormMs: number }): Machine {
  const crashes = draw.pick([0, 0, 1, 1, 2, 3]);
  return {
    speed: 2_000 / draw.pick([1, 1, 2, 4, 8]),
    joinsAtMs: isFounder ? 0 : draw.happens(0.3) ? draw.between(0, 0.6 * stormMs) : draw.between(100, 3_000),
    leavesAtMs: !isFounder && draw.happens(0.1) ? draw.between(0.5, 0.9) * stormMs : null,
    crashes: Array.from({ length: crashes }, () => ({
      atMs: draw.between(0.02, 0.98) * stormMs,
      afterEffects: draw.whole(0, 12),
      downMs: draw.pick([500, 5_000, 60_000]),
    })).sort((a, b) => a.atMs - b.atMs),
  };
}
