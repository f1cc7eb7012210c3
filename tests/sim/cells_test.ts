/**
 * Cells in named situations and in seeds' weather. Scenes are of small cells, so that few machines are many cells; where
 * machines of one cell must do something, their digits say which ones those are.
 * @module
 */
import { strict as assert } from "node:assert";
import { depthOf, digitsOf } from "../../p2p/sync/cells.ts";
import { ownedIn } from "../../p2p/sync/classes.ts";
import { trainedIn } from "../../p2p/sync/ledger.ts";
import { intersect, union, windowCount } from "../../p2p/sync/ranges.ts";
import type { SyncRules } from "../../p2p/sync/types.ts";
import { drawWeather } from "./draw_weather.ts";
import { historyOf } from "./laws/history.ts";
import { MADE_UP_WINDOWS } from "./liars/meetings.ts";
import { crash, lastOf, scene } from "./scene.ts";
import { runSeeds } from "./seeds.ts";
import type { Outcome } from "./simulate.ts";
import { type Machine, nameOf, type Weather } from "./weather.ts";

const MACHINES = 12;

function rulesOf(cellSize: number, peers = MACHINES): SyncRules {
  const { rules } = drawWeather({ seed: 1, peers, rounds: 8, cellSize });
  return { ...rules, firstRoundMs: 10_000, leastRoundMs: 10_000, longestRoundMs: 20_000 };
}

/** Machines by number whose digits begin so. */
function machinesIn(cell: string, rules: SyncRules, peers = MACHINES): readonly number[] {
  const all = Array.from({ length: peers }, (_, i) => i);
  return all.filter((i) => digitsOf(rules, nameOf(i)).startsWith(cell));
}

/** Twelve machines in cells of four, unless they are said to be otherwise. */
function inCells(
  changeOf: (machine: number, rules: SyncRules) => Partial<Machine>,
  changes: Partial<Weather> = {},
  cellSize = 4,
): Outcome {
  const rules = rulesOf(cellSize);
  return scene(Array.from({ length: MACHINES }, (_, i) => changeOf(i, rules)), { rules, ...changes });
}

function cellsOf({ observer, peers }: Outcome): readonly string[] {
  const cells = peers.flatMap(({ id, isUp }) => isUp ? observer.adoptions.get(id)?.at(-1)?.chain.cell ?? [] : []);
  return [...new Set(cells)].sort();
}

Deno.test("a run with more members than a cell may have goes on as several, which meet each other", () => {
  const outcome = inCells(() => ({}), { stormMs: 200_000 }), { observer, peers } = outcome;
  assert.ok(cellsOf(outcome).length >= 3, cellsOf(outcome).join());
  for (const [i, { id }] of peers.entries()) {
    const { cell, roster, tokens } = lastOf(outcome, i);
    assert.ok(roster.length <= 4 && cell !== "", `${id} is in cell '${cell}' of ${roster.length}`);
    const counted = historyOf(lastOf(outcome, i).head, observer).flatMap(({ offers }) => offers)
      .reduce((sum, { tokens }) => sum + tokens, 0);
    assert.ok(tokens > 1.2 * counted, `${id} knows of ${tokens} tokens, its own history counts ${counted}`);
  }
  assert.ok(observer.tally.met >= 2 * MACHINES);
  assert.equal(observer.tally.merged, 0);
});

Deno.test("parts of a state may follow rival records of one round: both go on, and end apart from each other", () => {
  // Cut in two while the record is written after which the run is split.
  const outcome = inCells(() => ({}), {
    partitions: [{ fromMs: 8_000, untilMs: 26_000, groups: [[0, 1, 2, 3, 4, 5], [6, 7, 8, 9, 10, 11]] }],
    stormMs: 200_000,
  });
  assert.ok(outcome.observer.tally.reorganised + outcome.observer.tally.merged > 0, "nobody had a rival");
  assert.ok(cellsOf(outcome).length >= 3);
});

Deno.test("a run that is cut in two, and split on one side of the cut alone, is one set of cells again when it heals", () => {
  const few = 4,
    outcome = inCells((i) => ({ joinsAtMs: i < 2 * few ? 100 * i : 50_000 }), {
      partitions: [{ fromMs: 25_000, untilMs: 160_000, groups: [[0, 1, 2, 3, 8, 9, 10, 11], [4, 5, 6, 7]] }],
      stormMs: 320_000,
    }, 8);
  assert.ok(outcome.observer.merges.length > 0);
});

Deno.test("a cell whose members have all left is taken over by its sibling, and a newcomer of it waits until then", () => {
  const rules = rulesOf(8), others = machinesIn("0", rules).includes(0) ? "1" : "0"; // the founder stays
  const gone = new Set(machinesIn(others, rules)), newcomer = Math.max(...gone);
  const outcome = inCells(
    (i) => ({
      ...gone.has(i) && i !== newcomer ? { leavesAtMs: 60_000 + 1000 * i } : {},
      ...i === newcomer ? { joinsAtMs: 120_000 } : {},
    }),
    { stormMs: 420_000 },
    8,
  );
  const { observer, peers } = outcome;
  assert.deepEqual(cellsOf(outcome), [""]);
  const first = observer.adoptions.get(peers[newcomer]!.id)![0]!;
  assert.ok(first.atMs > 200_000, `the newcomer had a state after ${first.atMs} ms`);
  const told = observer.waits.filter(({ by }) => by === peers[newcomer]!.id).map(({ reason }) => reason);
  assert.ok(told.some((reason) => /found only cells/.test(reason)), told.join());
});

Deno.test("what is left of a run takes over the data of a half that died, however many cells it is, and its newcomers", () => {
  const rules = { ...rulesOf(3), cellRounds: 2 }, dead = machinesIn("0", rules).includes(0) ? "1" : "0";
  const gone = machinesIn(dead, rules), newcomers = gone.slice(-2), diedAtMs = 80_000;
  const outcome = scene(
    Array.from({ length: MACHINES }, (_, i): Partial<Machine> => {
      if (!gone.includes(i)) return {};
      return newcomers.includes(i) ? { joinsAtMs: 150_000 + 1000 * i } : { leavesAtMs: diedAtMs - 1000 * i };
    }),
    { rules, stormMs: 500_000 },
  );
  const { observer, peers } = outcome, cells = cellsOf(outcome);
  const left = new Set(Array.from({ length: MACHINES }, (_, i) => i).filter((i) => !gone.includes(i)));
  for (const i of left) {
    const after = observer.adoptions.get(peers[i]!.id)!.filter(({ atMs }) => atMs > diedAtMs && atMs < 150_000);
    assert.ok(after.some(({ chain: { cell } }) => cell.length > 1), "several cells were left");
  }
  // Together they own everything, and what is the dead half's is trained.
  assert.equal(cells.reduce((sum, cell) => sum + 2 ** -depthOf(cell), 0), 1, cells.join());
  const heads = peers.flatMap(({ isUp }, i) => isUp ? [lastOf(outcome, i)] : []);
  // What is returned is dealt first: what was behind when the half died must not be by now.
  const whole = Math.min(...heads.map(({ ledger: { cursor } }) => cursor)) / 2,
    half = ownedIn([{ start: 0, end: whole }], dead);
  const trained = ownedIn(union(...heads.map(({ cell, ledger }) => ownedIn(trainedIn(ledger), cell))), dead);
  const share = windowCount(intersect(trained, half)) / windowCount(half);
  assert.ok(share > 0.9, `${share} of the dead half's windows are trained`);
  for (const i of newcomers) {
    const [first] = observer.adoptions.get(peers[i]!.id)!;
    assert.ok(first!.atMs < 260_000, `machine ${i} waited until ${first!.atMs} ms`);
  }
});

Deno.test("a half that comes back after all of it was taken over is one set of cells with the others again", () => {
  const rules = { ...rulesOf(3), cellRounds: 2 }, away = machinesIn("0", rules).includes(0) ? "1" : "0";
  const gone = machinesIn(away, rules), backAtMs = 330_000;
  const outcome = scene(
    Array.from({ length: MACHINES }, (_, i): Partial<Machine> => {
      const atMs = 80_000 + 1000 * i;
      return gone.includes(i) ? { crashes: [crash(atMs, { downMs: backAtMs - atMs })] } : {};
    }),
    { rules, stormMs: 600_000 },
  );
  const { observer, peers } = outcome, cells = cellsOf(outcome);
  for (const i of peers.keys()) {
    if (gone.includes(i)) continue;
    const before = observer.adoptions.get(peers[i]!.id)!.findLast(({ atMs }) => atMs < backAtMs)!.chain.cell;
    assert.ok(before.startsWith("*"), `machine ${i} was in '${before}'`);
  }
  assert.ok(observer.merges.length > 0);
  assert.equal(cells.reduce((sum, cell) => sum + 2 ** -depthOf(cell), 0), 1, cells.join());
});

Deno.test("a cell of liars is believed what it may have trained, and no more", () => {
  const rules = rulesOf(4),
    [liars] = ["00", "01", "10", "11"].map((cell) => machinesIn(cell, rules))
      .filter((machines) => !machines.includes(0) && machines.length > 0);
  const outcome = scene(
    Array.from({ length: MACHINES }, (_, i): Partial<Machine> => (
      liars!.includes(i) ? { liar: "deceives other cells" } : {}
    )),
    { rules, stormMs: 200_000 },
  );
  const { observer, peers } = outcome;
  assert.ok(observer.tally.doubted > 0, "nobody was told too much");
  for (const i of peers.keys()) {
    if (liars!.includes(i)) continue;
    const { tokens, round } = lastOf(outcome, i), trained = tokens / rules.contextLength;
    assert.ok(trained < MADE_UP_WINDOWS / 2, `machine ${i} knows of ${trained} windows after ${round} rounds`);
  }
});

Deno.test("a meeting that its scribe has made up is taken by nobody, and they say why", () => {
  const LIAR = 5,
    machines = Array.from({ length: MACHINES }, (_, i): Partial<Machine> => (
      i === LIAR ? { liar: "makes up meetings" } : {}
    ));
  const outcome = scene(machines, { rules: rulesOf(6) }), { observer, peers } = outcome;
  assert.ok(observer.waits.some(({ reason }) => /it is not taken/.test(reason)), "nobody lied");
  for (const i of peers.keys()) {
    if (i === LIAR) continue;
    const met = historyOf(lastOf(outcome, i).head, observer).flatMap(({ record }) => record.met ?? []);
    assert.ok(met.every(({ known }) => known.at(-1)!.end < MADE_UP_WINDOWS));
  }
});

Deno.test("storms in which a part of the run is away for long, and comes back, keep every law", async () => {
  // Where a lone peer's last meeting is in doubt, and where two cells have a part in common that nobody is in.
  const seeds = [5, 21].map((seed) => ({ seed, peers: 12, rounds: 30, cellSize: 3, isDying: true }));
  const results = await runSeeds(seeds);
  assert.deepEqual(results.flatMap(({ rerun, broken }) => broken.map((fault) => `${rerun}: ${fault}`)), []);
});

Deno.test("storms of 12 and 9 peers in cells of 4 and 3 keep every law, and so do liars about meetings", async () => {
  const seeds = [
    ...Array.from({ length: 8 }, (_, i) => ({ seed: i + 1, peers: 12, rounds: 8, cellSize: 4 })),
    ...Array.from({ length: 6 }, (_, i) => ({ seed: i + 1, peers: 9, rounds: 8, cellSize: 3 })),
    { seed: 3, peers: 12, rounds: 8, cellSize: 4, liar: "makes up meetings" as const },
    { seed: 4, peers: 12, rounds: 8, cellSize: 4, liar: "deceives other cells" as const },
  ];
  const results = await runSeeds(seeds), broken = results.filter(({ broken }) => broken.length > 0);
  assert.deepEqual(broken.map(({ rerun, broken: [first] }) => `${rerun}: ${first}`), []);
  assert.ok(results.some(({ tally }) => tally.met > 0) && results.some(({ tally }) => tally.merged > 0));
});
