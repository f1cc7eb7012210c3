import { strict as assert } from "node:assert";
import { gpt2Small } from "../../tests/twelve_layers.ts";
import { tinyGpt2 } from "../../tests/tiny_models.ts";
import { limitedDevice } from "../../tests/training_scene.ts";
import { DeviceMemoryError } from "../device/device.ts";
import { openFittingTrainer, plansToTry } from "./fitting_trainer.ts";
import type { TrainerShape } from "./trainer_plan.ts";

/** Levels in the order in which they are tried. */
function levels(shape: Partial<TrainerShape>): number[] {
  const plans = plansToTry({ model: gpt2Small, microBatch: 4, ...shape });
  for (const [i, plan] of plans.slice(1).entries()) assert.ok(plan.plannedBytes < plans[i]!.plannedBytes);
  return plans.map(({ recompute }) => recompute);
}

Deno.test("whole layers are computed again only where half the micro-batch would leave the device idle", () => {
  assert.deepEqual(levels({ microBatch: 4 }), [0, 1]);
  assert.deepEqual(levels({ microBatch: 2 }), [0, 1]);
  assert.deepEqual(levels({ microBatch: 1 }), [0, 1, 2]);
  const short = { ...gpt2Small, contextLength: 64 };
  assert.deepEqual(levels({ model: short, microBatch: 15 }), [0, 1, 2]);
  assert.deepEqual(levels({ model: short, microBatch: 16 }), [0, 1]);
});

Deno.test("plans begin with the least that is asked for, and leave out what saves nothing", () => {
  assert.deepEqual(levels({ microBatch: 1, recompute: 1 }), [1, 2]);
  assert.deepEqual(levels({ microBatch: 4, recompute: 2 }), [2]);
  assert.deepEqual(levels({ model: { ...tinyGpt2, layerCount: 1 }, microBatch: 3 }), [0, 1]);
});

Deno.test("openFittingTrainer() takes the first plan that fits, and tells what the device said to those before it", async () => {
  const shape = { model: { ...tinyGpt2, layerCount: 4 }, microBatch: 3 }, plans = plansToTry(shape);
  assert.equal(plans.length, 3);
  for (const { recompute, plannedBytes } of plans) {
    const device = limitedDevice(plannedBytes), { trainer, refusal } = await openFittingTrainer({ device, ...shape });
    assert.deepEqual([trainer.recompute, trainer.plannedBytes], [recompute, plannedBytes]);
    assert.equal(refusal instanceof DeviceMemoryError, recompute > 0);
    assert.equal(device.memory().bytes, plannedBytes, "what was refused has left nothing");
    await trainer[Symbol.asyncDispose]();
  }
  const device = limitedDevice(plans[2]!.plannedBytes - 4);
  await assert.rejects(openFittingTrainer({ device, ...shape }), DeviceMemoryError);
  assert.equal(device.memory().bytes, 0);
});
