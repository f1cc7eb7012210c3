import { strict as assert } from "node:assert";
import { headSize, modelConfigSchema } from "../model/config.ts";
import { presets } from "../presets.ts";
import { scaledModel } from "./scaled_model.ts";

Deno.test("scaledModel() makes valid models of every preset, with heads of the same size", () => {
  for (const { model } of Object.values(presets)) {
    for (const factor of [0.01, 0.25, 1 / 3, 0.5, 1, 1.5, 2]) {
      const scaled = scaledModel(model, { width: factor, depth: factor });
      assert.ok(modelConfigSchema.safeParse(scaled).success, JSON.stringify(scaled));
      assert.equal(headSize(scaled), headSize(model));
      assert.deepEqual([scaled.vocabularySize, scaled.contextLength], [model.vocabularySize, model.contextLength]);
    }
    assert.deepEqual(scaledModel(model, { width: 1, depth: 1 }), model);
  }
});

Deno.test("scaledModel() halves width, heads and hidden width together, or depth alone", () => {
  const { model } = presets.small; // 6 heads of 48, 3 key heads, hidden 768
  const { headCount, keyValueHeadCount, width, hiddenWidth, layerCount } = scaledModel(model, { width: 0.5, depth: 1 });
  assert.deepEqual([headCount, keyValueHeadCount, width, hiddenWidth, layerCount], [3, 1, 144, 384, 6]);
  assert.deepEqual(scaledModel(model, { width: 1, depth: 0.5 }), { ...model, layerCount: 3 });
});
