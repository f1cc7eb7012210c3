import { strict as assert } from "node:assert";
import { tinyRun } from "../../tests/tiny_run.ts";
import { AS_PRODUCT, type Trial } from "./trial.ts";
import { readTrials, runTrials } from "./trials.ts";

/** A run of a few rounds. */
function tinyTrial(name: string, seed: number): Trial {
  const { model, training } = tinyRun(), boxMs = 5000;
  return {
    ...AS_PRODUCT,
    name,
    config: tinyRun({
      seed,
      model: { ...model, vocabularySize: 16, contextLength: 16, layerCount: 1, width: 16, hiddenWidth: 64 },
      data: { kind: "markov", seed: 3, symbolCount: 16, tokenCount: 50_000 },
      training: { ...training, batch: 4, targetTokens: 10_000 },
      rounds: { firstMs: boxMs, leastMs: boxMs, longestMs: boxMs },
    }),
    speeds: [{ tokensPerSecond: 400, stepMs: 0 }, { tokensPerSecond: 200, stepMs: 0 }],
  };
}

Deno.test("a trial is kept and not run again, and another process gives the same figures", async () => {
  const folder = await Deno.makeTempDir({ prefix: "starling-trials-" }), run: string[] = [];
  const options = {
    bench: "tiny",
    folder,
    jobs: 1,
    onFinished: ({ name }: { name: string }) => void run.push(name),
  };
  try {
    const trials = [tinyTrial("a", 1), tinyTrial("b", 2)], finished = await runTrials(trials, options);
    assert.deepEqual(finished.map(({ name, seed }) => [name, seed]), [["a", 1], ["b", 2]]);
    for (const { loss, course, effort } of finished) {
      assert.ok(loss < 2.8, `${loss}: less than the ${Math.log(16)} of guessing`);
      assert.ok(course.tokens.at(-1)! >= 10_000);
      assert.equal(course.heldOut.at(-1), Number(loss.toPrecision(6)));
      assert.equal(effort.idleShare, 0);
    }
    assert.deepEqual(await runTrials(trials, options), finished);
    assert.deepEqual(run, ["a", "b"]);
    assert.deepEqual(readTrials("tiny", folder), finished);

    await Deno.remove(`${folder}/tiny.jsonl`);
    assert.deepEqual(await runTrials([trials[1]!], options), [finished[1]]);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
