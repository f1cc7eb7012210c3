/**
 * What a peer pays for a round, in runs of more and more peers: the proof that it grows no faster than the number of
 * digits of a cell's name (law of scale: log N beyond the cell size).
 *
 * Machines come in within a few seconds; when cells have formed, some rounds are counted. In `mild` weather messages are
 * lost and late, and one machine in ten fails once.
 * @module
 */
import { depthOf } from "../../p2p/sync/cells.ts";
import { chance } from "../chance.ts";
import { drawWeather } from "./draw_weather.ts";
import { Meter } from "./meter.ts";
import { simulate } from "./simulate.ts";
import { CALM_LINKS, type Links, type Machine, TRUE_CLOCK, type Weather } from "./weather.ts";

export interface CostOptions {
  readonly seed: number;
  readonly peers: number;
  readonly cellSize: number;
  readonly isMild: boolean;
}

/** All but the first three are means of a peer and a round. */
export interface Cost {
  readonly cells: number;
  readonly depth: number;
  readonly broken: readonly string[];
  readonly heard: number;
  readonly said: number;
  readonly fetches: number;
  readonly messageKb: number;
  readonly blobs: number;
  readonly coreMs: number;
  /** Connections of a peer at the end. */
  readonly connections: number;
}

const ROUND_MS = 10_000;
/** Rounds until cells have formed, and rounds that are counted: two meetings. */
const WARM_UP_ROUNDS = 8, COUNTED_ROUNDS = 8;
const MILD_LINKS: Links = { loss: 0.02, duplication: 0.01, delayMs: 50, tail: 0.01, tailMs: 2_000 };

export function measureCost({ seed, peers, cellSize, isMild }: CostOptions): Cost {
  const fromMs = WARM_UP_ROUNDS * ROUND_MS, untilMs = fromMs + COUNTED_ROUNDS * ROUND_MS;
  const weather = costWeather({ seed, peers, cellSize, isMild }, { fromMs, untilMs });
  const meter = new Meter({ fromMs, untilMs });
  const { broken, observer, peers: all } = simulate({ seed, peers, rounds: 1, weather, meter });
  let rounds = 0;
  const cells = new Map<string, number>();
  for (const adopted of observer.adoptions.values()) {
    const roundAt = (atMs: number) => adopted.findLast((adoption) => adoption.atMs < atMs)?.chain.round ?? 0;
    rounds += roundAt(untilMs) - roundAt(fromMs);
    const { cell } = adopted.at(-1)!.chain;
    cells.set(cell, (cells.get(cell) ?? 0) + 1);
  }
  const { messagesHeard, messageBytes, announced, sent, fetches, loads, blobBytes } = meter.totals;
  const connections = all.reduce((sum, { core }) => sum + (core?.sizes["connected"] ?? 0), 0) / all.length;
  return {
    cells: cells.size,
    depth: [...cells].reduce((sum, [cell, members]) => sum + members * depthOf(cell), 0) / observer.adoptions.size,
    broken,
    heard: messagesHeard / rounds,
    said: (announced + sent) / rounds,
    fetches: (fetches + loads) / rounds,
    messageKb: messageBytes / 1000 / rounds,
    blobs: blobBytes / weather.blobBytes / rounds,
    coreMs: meter.coreMs / rounds,
    connections,
  };
}

function costWeather(
  { seed, peers, cellSize, isMild }: CostOptions,
  { fromMs, untilMs }: { readonly fromMs: number; readonly untilMs: number },
): Weather {
  const draw = chance(seed), drawn = drawWeather({ seed, peers, rounds: 1, cellSize });
  const rules = {
    ...drawn.rules,
    firstRoundMs: ROUND_MS,
    leastRoundMs: ROUND_MS,
    longestRoundMs: 2 * ROUND_MS,
    cellRounds: 4,
  };
  const machines = Array.from({ length: peers }, (_, i): Machine => {
    const atMs = draw.between(fromMs, untilMs);
    const fault = isMild && i > 0 && draw.happens(0.1) ? draw.pick(["crash", "freeze"] as const) : null;
    return {
      speed: 2_000 / draw.pick([1, 1, 2, 4]),
      bytesPerMs: 12_500,
      joinsAtMs: i === 0 ? 0 : draw.between(100, 5_000),
      leavesAtMs: null,
      crashes: fault === "crash" ? [{ atMs, afterEffects: 0, downMs: 5_000, disk: null }] : [],
      freezes: fault === "freeze" ? [{ atMs, forMs: 10_000 }] : [],
      clock: TRUE_CLOCK,
      liar: null,
    };
  });
  return {
    rules,
    links: isMild ? MILD_LINKS : { ...CALM_LINKS },
    partitions: [],
    machines,
    blobBytes: 100_000,
    weightsBytes: 400_000,
    stormMs: untilMs,
    calmMs: rules.longestRoundMs,
    silenceMs: 1.5 * rules.longestRoundMs,
  };
}

const COLUMNS = [
  ["peers", (_: Cost, { peers }: CostOptions) => `${peers}`],
  ["cells", ({ cells }: Cost) => `${cells}`],
  ["digits", ({ depth }: Cost) => depth.toFixed(1)],
  ["connections", ({ connections }: Cost) => connections.toFixed(0)],
  ["messages heard", ({ heard }: Cost) => heard.toFixed(0)],
  ["said", ({ said }: Cost) => said.toFixed(1)],
  ["KB of them", ({ messageKb }: Cost) => messageKb.toFixed(0)],
  ["fetches", ({ fetches }: Cost) => fetches.toFixed(1)],
  ["contributions' bytes", ({ blobs }: Cost) => `${blobs.toFixed(1)} ×`],
  ["core, ms", ({ coreMs }: Cost) => coreMs.toFixed(1)],
] as const;

/** Prints a table, a line for each doubling of peers up to `most`; whether every law was kept. */
export function printCosts(
  { seed, most, cellSize, isMild }: Omit<CostOptions, "peers"> & { readonly most: number },
): boolean {
  let brokenCount = 0;
  console.log(`cells of up to ${cellSize}, ${isMild ? "mild" : "calm"} weather, seed ${seed}; of a peer, in a round:`);
  console.log(`| ${COLUMNS.map(([name]) => name).join(" | ")} |`);
  console.log(`|${COLUMNS.map(() => " ---: |").join("")}`);
  for (let peers = 32; peers <= most; peers *= 2) {
    const options = { seed, peers, cellSize, isMild }, cost = measureCost(options);
    console.log(`| ${COLUMNS.map(([, text]) => text(cost, options)).join(" | ")} |`);
    for (const fault of cost.broken.slice(0, 5)) console.log(`BROKEN at ${peers} peers: ${fault.slice(0, 300)}`);
    brokenCount += cost.broken.length;
  }
  return brokenCount === 0;
}
