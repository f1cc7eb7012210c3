/**
 * The weather of one seed. Each kind of trouble comes in some runs only, so that a failure has few suspects.
 * @module
 */
import { isIn } from "../../p2p/sync/cells.ts";
import { digestOf } from "../../p2p/sync/digest.ts";
import type { Batching, BatchLimits } from "../../p2p/sync/batch/batching.ts";
import type { SyncRules } from "../../p2p/sync/types.ts";
import { type Chance, chance } from "../chance.ts";
import { LIAR_KINDS, PLAIN_LIAR_KINDS } from "./liars/kinds.ts";
import type { LiarKind } from "./liars/liar.ts";
import {
  type Crash,
  type DiskDamage,
  type Freeze,
  type Links,
  type LocalClock,
  type Machine,
  nameOf,
  type Partition,
  TRUE_CLOCK,
  type Weather,
} from "./weather.ts";

export interface WeatherOptions {
  readonly seed: number;
  readonly peers: number;
  /** About how many rounds the storm lasts. */
  readonly rounds: number;
  /** Each seed then has liars, all of this kind. */
  readonly liar?: LiarKind;
  /** Most members of a cell. */
  readonly cellSize?: number;
  /** A part of the run, by name, is away for long; cells meet in every second round, so that the others soon take it over. */
  readonly isDying?: boolean;
}

/** Beyond this many peers rounds are short and crashes rare, the calm is too, and the silence if all are at one: it costs much. */
const MANY_PEERS = 64;
/** Bytes per millisecond: 1, 10 and 100 Mbit/s. */
const LINES = [125, 1_250, 12_500];
/** Share of a round's time in which the slowest line carries everybody's blobs, at most. */
const CARRIED_SHARE = 0.3;

export function drawWeather(options: WeatherOptions): Weather {
  const weather = drawOwn(options);
  return options.isDying === true ? withDying(weather, chance(options.seed)) : weather;
}

function drawOwn({ seed, peers, rounds, liar, cellSize = 32 }: WeatherOptions): Weather {
  const draw = chance(seed * 7919 + peers), isMany = peers > MANY_PEERS;
  const rules = drawRules(draw, { seed, peers, isMany, cellSize });
  const stormMs = rounds * rules.firstRoundMs * 1.3;
  const has = {
    badLinks: draw.happens(0.6),
    partitions: draw.happens(0.4),
    freezes: draw.happens(0.3),
    clocks: draw.happens(0.3),
    damage: draw.happens(0.2),
    liars: draw.happens(0.25),
  };
  const liars = has.liars || liar
    ? drawLiars(draw, peers, liar ? [liar] : peers > cellSize ? LIAR_KINDS : PLAIN_LIAR_KINDS)
    : new Map<number, LiarKind>();
  const machines = Array.from({ length: peers }, (_, i): Machine => {
    const isFounder = i === 0;
    return {
      speed: 2_000 / draw.pick([1, 1, 2, 4, 8]),
      bytesPerMs: isMany ? LINES.at(-1)! : draw.pick(LINES),
      joinsAtMs: isFounder ? 0 : draw.happens(0.3) ? draw.between(0, 0.6 * stormMs) : draw.between(100, 3_000),
      leavesAtMs: !isFounder && draw.happens(0.1) ? draw.between(0.5, 0.9) * stormMs : null,
      crashes: isMany && draw.happens(0.8) ? [] : drawCrashes(draw, { stormMs, damage: has.damage }),
      freezes: has.freezes ? drawFreezes(draw, stormMs) : [],
      clock: has.clocks ? drawClock(draw, stormMs) : TRUE_CLOCK,
      liar: liars.get(i) ?? null,
    };
  });
  // A line that cannot carry a round's blobs in a round is no weather that any protocol could stand.
  const slowest = Math.min(...machines.map(({ bytesPerMs }) => bytesPerMs));
  const mostBytes = CARRIED_SHARE * rules.leastRoundMs * slowest / peers;
  return {
    rules,
    links: drawLinks(draw, has.badLinks),
    partitions: has.partitions ? drawPartitions(draw, { peers, stormMs }) : [],
    machines,
    blobBytes: Math.round(Math.min(mostBytes, draw.whole(20_000, 1_000_000))),
    weightsBytes: Math.round(Math.min(400_000, 2 * mostBytes)),
    stormMs,
    // Large parts that were cut off from each other are still becoming one long after the last offer.
    calmMs: (isMany ? 1 : 4) * rules.longestRoundMs,
    silenceMs: (isMany ? 9 : 6) * rules.longestRoundMs,
    ...isMany && { leastSilenceMs: 1.5 * rules.longestRoundMs },
  };
}

function drawRules(
  draw: Chance,
  { seed, peers, isMany, cellSize }: { seed: number; peers: number; isMany: boolean; cellSize: number },
): SyncRules {
  const firstRoundMs = isMany ? 10_000 : draw.pick([10_000, 20_000, 30_000]);
  return {
    run: digestOf({ seed, peers }),
    lateRounds: 3,
    ageDiscount: 0.3,
    rosterRounds: 5,
    firstRoundMs,
    leastRoundMs: firstRoundMs / 2,
    longestRoundMs: 2 * firstRoundMs,
    batch: 32,
    batching: drawBatching(chance(104_729 * seed + peers), isMany),
    contextLength: 64,
    codec: "auto",
    targetTokens: null,
    owner: null,
    cellSize,
    // Many peers have few rounds: in some of their runs cells meet as soon as they may, or none would ever.
    cellRounds: isMany && seed % 4 === 2 ? 1 : 4,
  };
}

/** The ceiling of a short open-ended run is 182 sequences of 64 tokens: some come to it, some stay below. */
function drawBatching(draw: Chance, isMany: boolean): Batching {
  const limits: BatchLimits = { most: draw.pick([null, null, 100]), ceilingTokens: draw.pick([null, null, 64 * 48]) };
  const estimator = draw.pick(["debiased", "plug-in"] as const);
  return draw.pick<Batching>([
    { policy: "constant", ...limits },
    { policy: "warmup", to: draw.whole(32, 300), tokens: 300_000, shape: draw.pick(["linear", "doubling"]), ...limits },
    { policy: "norm-test", eta: draw.between(0.3, 0.9), statistic: "halves", estimator, ...limits },
    { policy: "norm-test", eta: draw.between(0.3, 0.9), statistic: "peers", estimator, ...limits },
    { policy: "inner-product", theta: draw.between(0.3, 0.9), nu: draw.between(0.5, 2), ...limits },
    ...(isMany ? [] : [drawAdloco(draw, limits), drawAdloco(draw, limits)]), // a cell of hundreds until they are one
  ]);
}

function drawAdloco(draw: Chance, limits: BatchLimits): Batching {
  return {
    policy: "adloco",
    lineages: draw.whole(1, 4),
    mergeEvery: draw.pick([1, 2, 2, 3, null]),
    test: draw.pick(["norm", "inner-product", "none"]),
    variant: draw.pick(["corrected", "corrected", "published"]),
    eta: draw.between(0.3, 0.9),
    theta: draw.between(0.3, 0.9),
    nu: draw.between(0.3, 2),
    ...limits,
  };
}

/** Some come back during the storm, some when it has ended. */
function withDying(weather: Weather, draw: Chance): Weather {
  const rules = { ...weather.rules, cellRounds: 2 }, { stormMs } = weather;
  const part = draw.pick(["0", "1", "00", "01", "10", "11"]);
  const atMs = draw.between(0.1, 0.3) * stormMs, awayMs = draw.pick([0.3, 0.6, 1]) * stormMs;
  const machines = weather.machines.map((machine, i): Machine => {
    if (!isIn(part, nameOf(i), rules)) return machine;
    const untilMs = atMs + awayMs, isHere = (crash: Crash) => crash.atMs < atMs || crash.atMs > untilMs;
    const { crashes, leavesAtMs, joinsAtMs } = machine, downMs = awayMs + draw.between(0, 20_000);
    const away: Crash = { atMs: atMs + draw.between(0, 20_000), afterEffects: 0, downMs, disk: null };
    return {
      ...machine,
      joinsAtMs: Math.min(joinsAtMs, 0.05 * stormMs),
      leavesAtMs: leavesAtMs === null ? null : Math.max(leavesAtMs, 0.95 * stormMs),
      crashes: [...crashes.filter(isHere), away].toSorted((a, b) => a.atMs - b.atMs),
    };
  });
  return { ...weather, rules, machines };
}

function drawLinks(draw: Chance, isBad: boolean): Links {
  return {
    loss: isBad ? draw.between(0, 0.2) : 0,
    duplication: isBad ? draw.between(0, 0.2) : 0,
    delayMs: draw.between(2, 200),
    tail: isBad ? draw.between(0, 0.05) : 0,
    tailMs: draw.pick([1_000, 10_000, 60_000]),
  };
}

function drawPartitions(draw: Chance, { peers, stormMs }: { peers: number; stormMs: number }): readonly Partition[] {
  return Array.from({ length: draw.whole(1, 3) }, () => {
    const fromMs = draw.between(0.05, 0.8) * stormMs;
    const share = draw.pick([0.1, 0.3, 0.5]);
    const island = Array.from({ length: peers }, (_, i) => i).filter(() => draw.happens(share));
    const rest = Array.from({ length: peers }, (_, i) => i).filter((i) => !island.includes(i));
    return {
      fromMs,
      untilMs: Math.min(stormMs, fromMs + draw.pick([0.05, 0.2, 0.5]) * stormMs),
      groups: draw.happens(0.5) ? [island, rest] : [rest, island],
      oneWay: draw.happens(0.3),
      ...draw.happens(0.2) ? { flapMs: draw.between(500, 15_000) } : {},
    };
  });
}

function drawCrashes(draw: Chance, { stormMs, damage }: { stormMs: number; damage: boolean }): readonly Crash[] {
  return Array.from({ length: draw.pick([0, 0, 1, 1, 2, 3]) }, () => ({
    atMs: draw.between(0.02, 0.98) * stormMs,
    afterEffects: draw.whole(0, 12),
    downMs: draw.pick([500, 5_000, 60_000]),
    disk: damage && draw.happens(0.5) ? drawDamage(draw) : null,
  })).sort((a, b) => a.atMs - b.atMs);
}

function drawDamage(draw: Chance): DiskDamage {
  return draw.happens(0.5)
    ? { kind: "cut journal", entries: draw.whole(1, 20) }
    : { kind: "damaged blobs", share: draw.between(0.1, 1) };
}

function drawFreezes(draw: Chance, stormMs: number): readonly Freeze[] {
  return Array.from({ length: draw.pick([0, 1, 2]) }, () => ({
    atMs: draw.between(0.02, 0.9) * stormMs,
    forMs: draw.pick([1_000, 10_000, 60_000]),
  })).sort((a, b) => a.atMs - b.atMs);
}

function drawClock(draw: Chance, stormMs: number): LocalClock {
  return {
    startMs: draw.between(0, 1e9),
    rate: draw.between(0.9, 1.1),
    jumps: Array.from({ length: draw.pick([0, 0, 1, 2]) }, () => ({
      atMs: draw.between(0.02, 0.98) * stormMs,
      byMs: draw.pick([-10_000, -1_000, 1_000, 60_000]),
    })).sort((a, b) => a.atMs - b.atMs),
  };
}

/** Up to a quarter of the peers, never the founder: without an honest founder there is no run to hurt. */
function drawLiars(draw: Chance, peers: number, kinds: readonly LiarKind[]): ReadonlyMap<number, LiarKind> {
  const count = draw.whole(1, Math.max(1, Math.floor(peers / 4)));
  return new Map(Array.from({ length: count }, () => [draw.whole(1, peers - 1), draw.pick(kinds)]));
}
