import { strict as assert } from "node:assert";
import type { RunConfig } from "../../runtime/config.ts";
import { tinyRun } from "../../tests/tiny_run.ts";
import { AS_PRODUCT, BALANCED, runTrial, type Trial } from "./trial.ts";

const TOKENS = 10_000, BATCH = 12;

/** A run of two peers and a few rounds. */
function tinyTrial(changes: Partial<Trial> = {}, batching?: RunConfig["batching"]): Trial {
  const { model, training } = tinyRun(), boxMs = 5000;
  return {
    ...AS_PRODUCT,
    name: "tiny",
    config: tinyRun({
      model: { ...model, vocabularySize: 16, contextLength: 16, layerCount: 1, width: 16, hiddenWidth: 64 },
      data: { kind: "markov", seed: 3, symbolCount: 16, tokenCount: 50_000 },
      training: { ...training, batch: BATCH, targetTokens: TOKENS },
      rounds: { firstMs: boxMs, leastMs: boxMs, longestMs: boxMs },
      ...(batching && { batching }),
    }),
    speeds: [{ tokensPerSecond: 400, stepMs: 0 }, { tokensPerSecond: 200, stepMs: 0 }],
    ...changes,
  };
}

const ADLOCO: RunConfig["batching"] = {
  ...{ policy: "adloco", lineages: 2, mergeEvery: 1, variant: "corrected", test: "none", switch: "accumulate" },
  ...{ eta: 0.7, theta: 0.5, nu: 1, most: null, ceiling: null },
};

Deno.test("a trial tells how many lineages each round trained, and which rounds were expected of it", async () => {
  const { course: { lineages, tokens }, effort } = await runTrial(tinyTrial({}, ADLOCO));
  assert.deepEqual([lineages[0], lineages.at(-1)], [2, 1]);
  assert.ok(lineages.every((count, i) => i === 0 || count <= lineages[i - 1]!), `${lineages}`);
  const slow = tokens[2]! / 3; // the first round is the founder's alone
  assert.equal(effort.expectedRounds, 3 + Math.ceil((TOKENS - tokens[2]!) / slow));
  assert.ok(effort.expectedRounds >= tokens.length);
});

Deno.test("no step of a trial has more sequences than its dealing allows", async () => {
  const { course: { batch } } = await runTrial(tinyTrial({ dealing: { ...BALANCED, mostBatch: 3 } }));
  assert.deepEqual(batch.slice(2), batch.slice(2).map(() => 6));
});
