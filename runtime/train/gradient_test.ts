import { strict as assert } from "node:assert";
import { openPlainDevice } from "../device/plain.ts";
import type { ModelConfig } from "../model/config.ts";
import { parameterLayout, valuesOf } from "../model/parameters.ts";
import { nameOf, roughWeights, smallNumbers, tinyGpt2, tinyModels } from "../../tests/tiny_models.ts";
import { inspect, type Inspection } from "./inspect.ts";

/** Three sequences of odd and different lengths, tokens repeated. */
const windows = [
  Uint32Array.of(3, 1, 4, 1, 5, 9, 2, 6),
  Uint32Array.of(5, 3, 5, 8),
  Uint32Array.of(9, 7, 9, 3, 2, 3, 8, 4),
];

/**
 * Central differences err by the third derivative: 3e-4 of the slope at steps of 2⁻¹² here, and four times less at half
 * the step, so 5e-9 at 2⁻²⁰. Losses of about 3 in f64 add 1e-16 / 2⁻²⁰ = 1e-10 in slopes of 1e-3 and more.
 */
const STEP = 2 ** -20;
const TOLERANCE = 1e-7;

for (const model of tinyModels) {
  Deno.test(`the gradient of every tensor of a ${nameOf(model)} equals finite differences of the loss`, async () => {
    const layout = parameterLayout(model), weights = roughWeights(model);
    const { gradients } = await look(model, weights);
    for (const [stream, parameter] of layout.parameters.entries()) {
      const direction = smallNumbers(parameter.words, stream);
      const ahead = weights.slice(), behind = weights.slice();
      valuesOf(ahead, parameter).forEach((value, i, values) => values[i] = value + STEP * direction[i]!);
      valuesOf(behind, parameter).forEach((value, i, values) => values[i] = value - STEP * direction[i]!);
      const difference = (await look(model, ahead)).loss - (await look(model, behind)).loss;

      // The slope along the step that was really made: weights are f32, losses and gradients are f64.
      let slope = 0, size = 0;
      const from = valuesOf(behind, parameter), to = valuesOf(ahead, parameter);
      gradients.get(parameter.name)!.forEach((gradient, i) => {
        slope += gradient * (to[i]! - from[i]!);
        size += Math.abs(gradient * (to[i]! - from[i]!));
      });
      assert.ok(size > 0, `${parameter.name} has no gradient`);
      const error = Math.abs(difference - slope) / size;
      assert.ok(error <= TOLERANCE, `${parameter.name}: ${difference} and ${slope} differ by ${error} of the terms`);
    }
  });
}

Deno.test("a window that is not full changes neither loss nor gradient of the others", async () => {
  const model = tinyGpt2, weights = roughWeights(model);
  const short = await look(model, weights, [windows[1]!]);
  const padded = await look(model, weights, [windows[0]!, windows[1]!]);
  const long = await look(model, weights, [windows[0]!]);
  assert.ok(Math.abs(padded.loss * 10 - short.loss * 3 - long.loss * 7) < 1e-12);
  assert.deepEqual([...padded.losses.subarray(7 + 3)], [0, 0, 0, 0]);
});

function look(model: ModelConfig, weights: Float32Array, batch = windows): Promise<Inspection> {
  const device = openPlainDevice({ precision: "f64" });
  return inspect({
    device,
    model,
    weights,
    windows: batch,
    read: (span) => Promise.resolve(device.readExactly(span)),
  });
}
