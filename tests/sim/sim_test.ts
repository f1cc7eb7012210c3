import { strict as assert } from "node:assert";
import { runSeeds } from "./seeds.ts";
import { runSeed, type SeedOptions, type SeedResult } from "./run_seed.ts";

const ROUNDS = 8;

/** On all cores; fails with the line that runs a failing seed again. */
async function keepEveryLaw(seeds: readonly SeedOptions[]): Promise<readonly SeedResult[]> {
  const results = await runSeeds(seeds);
  const broken = results.filter(({ broken }) => broken.length > 0)
    .map(({ rerun, broken }) => `${rerun}: ${broken.slice(0, 3).join("; ")}`);
  assert.deepEqual(broken.slice(0, 5), [], `${broken.length} of ${seeds.length} seeds broke a law`);
  return results;
}

Deno.test("500 runs of 5 to 9 peers keep every law in whatever weather their seeds draw", async () => {
  const seeds = Array.from({ length: 500 }, (_, i) => ({ seed: i + 1, peers: 5 + i % 5, rounds: ROUNDS }));
  await keepEveryLaw(seeds);
});

Deno.test("10 runs of 300 peers keep every law, and go on as cells, which meet in some of them", async () => {
  // The dearest first, so that no core waits for another at the end.
  const seeds = [3, 8, 5, 4, 2, 9, 7, 6, 1, 10].map((seed) => ({ seed, peers: 300, rounds: 3 }));
  const results = await keepEveryLaw(seeds);
  for (const { rerun, tally } of results) assert.ok(tally.cells >= 300, `${rerun}: not everybody was in a cell`);
  // Whether they come to it in so few rounds is the luck of three seeds.
  assert.ok(results.some(({ tally }) => tally.met >= 100), "in no run did cells meet");
});

Deno.test("the storms of the test runs really do lose offers, fork and merge histories and crash peers", async () => {
  const seeds = Array.from({ length: 40 }, (_, i) => ({ seed: i + 1, peers: 7, rounds: ROUNDS }));
  const results = await runSeeds(seeds);
  for (const what of ["crashes", "left", "reorganised", "late", "lost", "merged"] as const) {
    assert.ok(results.some(({ tally }) => tally[what] > 0), `nothing was ever ${what}`);
  }
  assert.ok(results.some(({ liars }) => liars.length > 0), "nobody ever lied");
});

Deno.test("the same seed gives the same run, in whatever thread", async () => {
  const here = runSeed({ seed: 11, peers: 6, rounds: ROUNDS });
  const [there, again, other] = await runSeeds([11, 11, 12].map((seed) => ({ seed, peers: 6, rounds: ROUNDS })));
  assert.equal(there!.digest, here.digest);
  assert.equal(again!.digest, here.digest);
  assert.notEqual(other!.digest, here.digest);
});
