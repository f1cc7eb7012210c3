import { strict as assert } from "node:assert";
import { parseRunConfig } from "../runtime/config.ts";
import { tinyRun } from "../tests/tiny_run.ts";
import { adlocoBench } from "./adloco.ts";
import type { Trial } from "./proof/trial.ts";

/** Of each way, the first trial of a seed. */
const WAYS = new Map(adlocoBench.trials(1).toReversed().map((trial) => [trial.name, trial]));

/** All that trials of two ways may differ in. */
function fieldsOf(name: string): readonly (readonly [string, unknown])[] {
  const { config: { batching, training: { batch } }, dealing: { mostBatch } } = trialOf(name);
  return Object.entries({ ...batching, batch, mostBatch });
}

function trialOf(name: string): Trial {
  const trial = WAYS.get(name);
  assert.ok(trial, `there is no way '${name}'`);
  return trial;
}

for (const [name, variant] of [["whole", "corrected"], ["published", "published"]] as const) {
  Deno.test(`'${name}' is what a run has by its policy and variant alone, but for its largest batch`, () => {
    const given = { ...tinyRun(), batching: { policy: "adloco", variant } };
    assert.deepEqual({ ...trialOf(name).config.batching, most: null }, parseRunConfig(JSON.stringify(given)).batching);
  });
}

for (
  const [name, change] of [
    ["without instances", ["lineages", 1]],
    ["without merging", ["mergeEvery", null]],
    ["without adaptation", ["test", "none"]],
    ["without a switch", ["mostBatch", 8]],
    ["with the paper's switch", ["switch", "threshold"]],
  ] as const
) {
  Deno.test(`'${name}' differs from the whole in one thing`, () => {
    const whole = new Map(fieldsOf("whole"));
    assert.deepEqual(fieldsOf(name).filter(([key, value]) => whole.get(key) !== value), [change]);
  });
}

Deno.test("plain DiLoCo has the batch of one lineage, or of all that the whole begins with", () => {
  const { training: { batch }, batching } = trialOf("whole").config;
  assert.ok(batching.policy === "adloco");
  for (const sequences of [batch, batching.lineages * batch]) {
    const { config } = trialOf(`plain DiLoCo, batch ${sequences}`);
    assert.deepEqual([config.batching.policy, config.training.batch], ["constant", sequences]);
  }
});

Deno.test("the fastest machine's part of the largest batch is more than twice what fits on it", () => {
  const { speeds, config: { batching } } = trialOf("whole"), [fastest] = speeds;
  const together = speeds.reduce((sum, { tokensPerSecond }) => sum + tokensPerSecond, 0);
  const part = batching.most! * fastest!.tokensPerSecond / together;
  assert.ok(part > 2 * fastest!.largestMicroBatch!, `${part} of ${fastest!.largestMicroBatch}`);
});
