import { strict as assert } from "node:assert";
import { tinyRun } from "../tests/tiny_run.ts";
import { ConfigError, parseRunConfig } from "./config.ts";

const outerOf = (outer: Record<string, unknown>) => parseRunConfig(JSON.stringify({ ...tinyRun(), outer })).outer;

Deno.test("a run without a codec lets measured links choose", () => {
  assert.equal(outerOf({}).codec, "auto");
});

Deno.test("a codec that may be sparse goes with plain averaging alone, and the message says what to choose", () => {
  for (const codec of ["auto", "topk"]) {
    assert.equal(outerOf({ codec }).codec, codec);
    for (const wrong of [{ momentum: 0.9 }, { learningRate: 0.7 }]) {
      assert.throws(() => outerOf({ codec, ...wrong }), (error: unknown) => {
        assert.ok(error instanceof ConfigError);
        assert.match(error.message, /'outer': must have learningRate 1 and momentum 0.*choose int8/);
        return true;
      });
    }
  }
  assert.throws(() => outerOf({ codec: "topk", robust: "trimmed-mean" }), /must not trim.*choose int8/);
  assert.equal(outerOf({ codec: "int8", robust: "trimmed-mean" }).robust, "trimmed-mean");
  for (const codec of ["int8", "f32"]) assert.equal(outerOf({ codec, momentum: 0.9, learningRate: 0.7 }).codec, codec);
});
