import { strict as assert } from "node:assert";
import { tinyRun } from "../tests/tiny_run.ts";
import { stateBytes } from "./config.ts";
import { planHost } from "./host_memory.ts";
import { parameterLayout } from "./model/parameters.ts";

const run = tinyRun(), A = 4 * parameterLayout(run.model).words;

Deno.test("the host's plan is seven states, an arena of the average, some seven of training, and its parts' sum", () => {
  const { bytes, parts } = planHost(run, 1);
  assert.equal(parts.states, 7 * stateBytes(run));
  assert.deepEqual([parts.average, parts.training], [A, (7 + 1 / 4 + 1 / 64) * A]);
  assert.equal(bytes, Object.values(parts).reduce((sum, part) => sum + part, 0));
});

Deno.test("the host's plan grows with momentum, threads and shards, and less is planned where no average is kept", () => {
  const plan = planHost(run, 1), { outer, training } = run;
  const withMomentum = planHost({ ...run, outer: { ...outer, momentum: 0.9 } }, 1);
  assert.equal(withMomentum.bytes - plan.bytes, 7 * A);
  assert.equal(planHost(run, 3).bytes - plan.bytes, 50e6);
  assert.equal(plan.bytes - planHost({ ...run, training: { ...training, ewaDecay: 0 } }, 1).bytes, A);
  const shards = Array.from({ length: 600 }, () => ({ blob: "ab".repeat(32), sizeBytes: 26, tokenCount: 1 }));
  assert.equal(planHost({ ...run, data: { kind: "shards", shards } }, 1).parts.corpus, 600 * 65_536);
});

Deno.test("a contribution to a fold takes its size, by its codec", () => {
  const sizeWith = (codec: "f32" | "int8" | "topk" | "auto") =>
    planHost({ ...run, outer: { ...run.outer, codec } }, 1).bytesPerContribution;
  assert.ok(sizeWith("f32") > A && sizeWith("f32") < A + 100);
  assert.ok(Math.abs(sizeWith("int8") - (A / 4) * (1 + 1 / 64)) < 100);
  assert.equal(sizeWith("auto"), sizeWith("int8"));
  assert.ok(sizeWith("topk") < sizeWith("int8") / 4);
});
