/**
 * What faults cost: the same machines under the same seed with and without them, and how the two runs compare.
 *
 * A fault is a process killed and started again after a while, a process that stands still, or a few peers cut off from
 * all others; they come at random moments, so many an hour. Tokens lost while a machine is down are part of the cost.
 * @module
 */
import type { Digest, Offer, PeerId, RoundRecord } from "../../p2p/sync/types.ts";
import { type Chance, chance } from "../chance.ts";
import { drawWeather } from "./draw_weather.ts";
import { historyOf } from "./laws/history.ts";
import type { Observer } from "./observer.ts";
import { type Outcome, simulate } from "./simulate.ts";
import type { SimPeer } from "./sim_peer.ts";
import { type Machine, type Partition, TRUE_CLOCK, type Weather } from "./weather.ts";

export interface StormOptions {
  readonly seed: number;
  readonly peers: number;
  readonly hours: number;
  readonly faultsPerHour?: number;
}

export interface StormMeasures {
  readonly broken: readonly string[];
  readonly faults: number;
  readonly rounds: number;
  /** Tokens counted, as a share of those of the run without faults. */
  readonly tokensShare: number;
  /** Of the live peers at the end of each round, the share that was counted in it on time or late; the mean. */
  readonly countedShare: number;
  /** Mean share of time that peers of the run wait between an offer and the next head, by what their offers say. */
  readonly waitShare: number;
}

const HOUR_MS = 3_600_000;
const FAULTS_PER_HOUR = 125;
/** How long a killed process is away: its supervisor starts it again, and it reads its disk. */
const DOWN_MS = { least: 2_000, most: 10_000 };
const FROZEN_MS = { least: 5_000, most: 30_000 };
const CUT_OFF_MS = { least: 10_000, most: 60_000 };
const MOST_CUT_OFF = 4;

/** The storm, and the same hours without it. */
export function compareStorm({ seed, peers, hours, faultsPerHour = FAULTS_PER_HOUR }: StormOptions): StormMeasures {
  const stormMs = hours * HOUR_MS, faults = Math.round(faultsPerHour * hours);
  const calm = fairWeather({ seed, peers, stormMs });
  const stormy = withFaults(calm, faults, chance(seed));
  const [without, during] = [calm, stormy].map((weather) => simulate({ seed, peers, rounds: 1, weather }));
  return {
    broken: [...without!.broken, ...during!.broken],
    faults,
    rounds: roundsOf(during!),
    tokensShare: tokensBy(during!, stormMs) / tokensBy(without!, stormMs),
    countedShare: countedShare(during!, stormMs),
    waitShare: waitShare(during!.observer),
  };
}

function fairWeather({ seed, peers, stormMs }: { seed: number; peers: number; stormMs: number }): Weather {
  const draw = chance(seed), drawn = drawWeather({ seed, peers, rounds: 1 });
  const rules = { ...drawn.rules, firstRoundMs: 30_000, leastRoundMs: 15_000, longestRoundMs: 60_000 };
  const machines = Array.from({ length: peers }, (_, i): Machine => ({
    speed: 2_000 / draw.pick([1, 1, 2, 4]),
    bytesPerMs: 12_500,
    joinsAtMs: i === 0 ? 0 : 100 + 10 * i,
    leavesAtMs: null,
    crashes: [],
    freezes: [],
    clock: TRUE_CLOCK,
    liar: null,
  }));
  const links = { loss: 0, duplication: 0, delayMs: 20, tail: 0.001, tailMs: 1_000 };
  const times = { stormMs, calmMs: 4 * rules.longestRoundMs, silenceMs: 6 * rules.longestRoundMs };
  return { rules, links, partitions: [], machines, blobBytes: 100_000, weightsBytes: 400_000, ...times };
}

function withFaults(weather: Weather, faults: number, draw: Chance): Weather {
  const partitions: Partition[] = [], count = weather.machines.length;
  const machines = weather.machines.map((machine) => ({
    ...machine,
    crashes: [...machine.crashes],
    freezes: [...machine.freezes],
  }));
  for (let fault = 0; fault < faults; fault++) {
    const atMs = draw.between(0.01, 1) * weather.stormMs, machine = draw.pick(machines);
    const lasts = ({ least, most }: typeof DOWN_MS) => draw.between(least, most);
    switch (draw.pick(["kill", "freeze", "cut off"] as const)) {
      case "kill":
        machine.crashes.push({ atMs, afterEffects: draw.whole(0, 12), downMs: lasts(DOWN_MS), disk: null });
        break;
      case "freeze":
        machine.freezes.push({ atMs, forMs: lasts(FROZEN_MS) });
        break;
      case "cut off": {
        const island = Array.from({ length: draw.whole(1, MOST_CUT_OFF) }, () => draw.whole(0, count - 1));
        partitions.push({ fromMs: atMs, untilMs: atMs + lasts(CUT_OFF_MS), groups: [[...new Set(island)]] });
      }
    }
  }
  return { ...weather, machines, partitions };
}

function roundsOf({ peers, observer }: Outcome): number {
  return observer.adoptions.get(peers[0]!.id)?.at(-1)?.chain.round ?? 0;
}

/** Tokens of offers made up to this moment that the final history counts. */
function tokensBy({ peers, observer }: Outcome, untilMs: number): number {
  return [...countedIn(peers, observer).keys()].reduce((sum, digest) => {
    const isInTime = (observer.offeredAtMs.get(digest) ?? Infinity) <= untilMs;
    return isInTime ? sum + observer.offers.get(digest)!.tokens : sum;
  }, 0);
}

function countedIn(peers: readonly SimPeer[], observer: Observer): ReadonlyMap<Digest, Offer> {
  const head = observer.adoptions.get(peers[0]!.id)!.at(-1)!.chain.head;
  return new Map(
    historyOf(head, observer).flatMap(({ record, offers }) =>
      record.counted.map(({ offer }, i) => [offer, offers[i]!] as const)
    ),
  );
}

/**
 * The mean over the rounds of the storm, along the heavier side of each merge; live is who was up when the record was
 * first adopted, cut off or not.
 */
function countedShare({ peers, observer }: Outcome, untilMs: number): number {
  const chain: { readonly digest: Digest; readonly record: RoundRecord }[] = [];
  for (let digest = observer.adoptions.get(peers[0]!.id)!.at(-1)!.chain.head;;) {
    const record = observer.records.get(digest);
    if (record === undefined) break;
    chain.push({ digest, record });
    if (record.parents[0] === undefined) break;
    digest = record.parents[0];
  }
  const shares = chain.flatMap(({ digest, record }) => {
    const atMs = observer.firstAdoptedAtMs.get(digest);
    if (atMs === undefined || atMs > untilMs || record.round < 3 || record.parents.length > 1) return [];
    const live = observer.liveAt.get(digest)!;
    const counted = new Set<PeerId>(record.counted.map(({ peer }) => peer));
    return [[...counted].filter((peer) => live.has(peer)).length / live.size];
  });
  return mean(shares);
}

function waitShare({ offers }: Observer): number {
  return mean(
    [...offers.values()].filter(({ tokens, waitMs }) => tokens > 0 && waitMs > 0).map(({ computeMs, waitMs }) =>
      waitMs / Math.max(waitMs, computeMs)
    ),
  );
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / Math.max(1, values.length);
}

/** Prints the measures; whether every law was kept. */
export function measureStorm(options: StormOptions): boolean {
  const { broken, faults, rounds, tokensShare, countedShare, waitShare } = compareStorm(options);
  const percent = (share: number) => `${(100 * share).toFixed(2)} %`;
  console.log(`${options.peers} peers, ${options.hours} h, ${faults} faults, ${rounds} rounds, seed ${options.seed}`);
  console.log(`tokens counted, of those without faults: ${percent(tokensShare)}`);
  console.log(`live peers counted in a round, on average: ${percent(countedShare)}`);
  console.log(`time from an offer to the next head, of a box: ${percent(waitShare)}`);
  broken.slice(0, 20).forEach((fault) => console.log(`BROKEN ${fault}`));
  return broken.length === 0;
}
