import { strict as assert } from "node:assert";
import { nameOf, tinyModels } from "../../tests/tiny_models.ts";
import { presets } from "../presets.ts";
import { f16Layout } from "./f16_parameters.ts";
import { parameterLayout } from "./parameters.ts";

for (const model of tinyModels) {
  Deno.test(`the copies in f16 of ${nameOf(model)} are where its runs put them, aligned, and none overlaps`, () => {
    const layout = parameterLayout(model), { words, starts, runs } = f16Layout(layout);
    const factors = layout.parameters.filter(({ isFactor }) => isFactor);
    assert.deepEqual([...starts.keys()], factors.map(({ name }) => name));

    /** Which value of the f32 arena each value of the other one is. */
    const origin = new Map<number, number>();
    for (const { from, to, count } of runs) {
      assert.ok(from % 64 === 0 && to % 64 === 0, "spans start at multiples of 64 words");
      for (let i = 0; i < count; i++) {
        assert.ok(!origin.has(2 * to + i), "a run overlaps another");
        origin.set(2 * to + i, from + i);
      }
    }
    assert.ok(Math.max(...origin.keys()) < 2 * words);
    for (const { name, start, words } of factors) {
      const place = starts.get(name)!;
      assert.equal(place % 64, 0, name);
      for (let i = 0; i < words; i++) assert.equal(origin.get(2 * place + i), start + i, `${name} at ${i}`);
    }
  });
}

Deno.test("the copies in f16 of a model whose widths are multiples of 128 are one run", () => {
  for (const { model } of Object.values(presets)) {
    if (model.width % 128 !== 0) continue;
    assert.equal(f16Layout(parameterLayout(model)).runs.length, 1);
  }
});
