/**
 * AdLoCo in real hosts with real training: lineages become one, all peers come to one state, and the loss falls.
 * @module
 */
import { strict as assert } from "node:assert";
import type { HostEvent } from "../../p2p/host_event.ts";
import { leadingPlace } from "../../p2p/sync/demand.ts";
import type { RunConfig } from "../../runtime/config.ts";
import { tinyRun } from "../tiny_run.ts";
import { openDrivenFlock } from "./driven_flock.ts";

const BOX_MS = 10_000;
const { model, training, outer } = tinyRun();

type Round = Extract<HostEvent, { kind: "round" }>;

function configOf(batching: Readonly<Record<string, unknown>>): RunConfig {
  return tinyRun({
    model: { ...model, vocabularySize: 16, contextLength: 16, layerCount: 1, width: 16, hiddenWidth: 64 },
    data: { kind: "markov", seed: 3, symbolCount: 16, tokenCount: 100_000 },
    training: { ...training, learningRate: 0.01, warmupTokens: 0, batch: 8 },
    outer: { ...outer, codec: "int8" },
    rounds: { firstMs: BOX_MS, leastMs: BOX_MS, longestMs: BOX_MS },
    batching: { policy: "adloco", ...batching } as unknown as RunConfig["batching"],
  });
}

/** What peers of these speeds were told of each round, and the losses of the first and the last state. */
async function run(config: RunConfig, speeds: readonly number[], rounds: number) {
  const told: Map<number, Round>[] = speeds.map(() => new Map());
  await using flock = await openDrivenFlock({
    config,
    speeds: speeds.map((tokensPerSecond) => ({ tokensPerSecond, stepMs: 0 })),
    onEvent: (event, n) => event.kind === "round" && told[n]!.set(event.round, event),
  });
  const isThere = () => told.every((each) => each.has(rounds));
  await flock.runUntil(`all are in round ${rounds}`, isThere, 10 * rounds * BOX_MS);
  const [{ learner, host }] = flock.seats as [typeof flock.seats[0]];
  const { chain, weights } = host.status();
  const losses: number[] = [];
  void learner.initial().then(async (first) => {
    losses.push(await learner.evaluate(first, 0), await learner.evaluate(weights!, leadingPlace(chain!)));
  });
  await flock.runUntil("states are evaluated", () => losses.length === 2, 100 * BOX_MS);
  return { told, losses };
}

const countsOf = (rounds: ReadonlyMap<number, Round>) => [...rounds.values()].map(({ lineages }) => lineages.length);

Deno.test("four lineages of four unequal peers become one; all come to the same states, and the loss falls", async () => {
  const { told, losses } = await run(configOf({ lineages: 4, mergeEvery: 1 }), [960, 480, 480, 240], 8);
  for (let round = 1; round <= 8; round++) {
    assert.equal(new Set(told.map((rounds) => rounds.get(round)?.base)).size, 1, `round ${round}`);
  }
  const counts = countsOf(told[0]!);
  assert.deepEqual([Math.max(...counts), counts.at(-1)], [4, 1]);
  assert.deepEqual(told[0]!.get(8)!.lineages[0]!.from, [0, 1, 2, 3]);
  assert.ok(losses[1]! < losses[0]! - 0.3, `from ${losses[0]} to ${losses[1]}`);
});

Deno.test("one peer alone trains three lineages in turn until they are one, and the loss falls", async () => {
  const { told: [rounds], losses } = await run(configOf({ lineages: 3, mergeEvery: 1, test: "none" }), [960], 9);
  assert.deepEqual([...new Set(countsOf(rounds!))], [3, 2, 1]);
  const trained = [...rounds!.values()].flatMap(({ counted }) => counted.map(({ offer }) => offer.lineage));
  assert.deepEqual([...new Set(trained.slice(1, 4))].sort(), [0, 1, 2]);
  assert.ok(losses[1]! < losses[0]! - 0.3, `from ${losses[0]} to ${losses[1]}`);
});

Deno.test("the published variant runs: batches grow at once, and the switch is thrown when one lineage is left", async () => {
  const config = configOf({ lineages: 2, mergeEvery: 1, variant: "published", most: 64 });
  const { told, losses } = await run(config, [960, 960], 6), last = told[0]!.get(6)!;
  assert.equal(last.lineages.length, 1);
  assert.match(last.lineages[0]!.batch.reason, /published inner-product test/);
  assert.ok(losses[1]! < losses[0]!, `from ${losses[0]} to ${losses[1]}`);
});
