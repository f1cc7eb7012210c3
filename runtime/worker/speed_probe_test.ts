import { strict as assert } from "node:assert";
import { ONE_FORM } from "../../kernels/product_choice.ts";
import { limitedDevice, smallRun, VirtualClock } from "../../tests/training_scene.ts";
import { gpt2Small } from "../../tests/twelve_layers.ts";
import { DeviceMemoryError } from "../device/device.ts";
import { openPlainDevice } from "../device/plain.ts";
import { plansToTry } from "../train/fitting_trainer.ts";
import { probeSpeed, roughSpeed } from "./speed_probe.ts";

Deno.test("roughSpeed() knows nothing of a device without memory for some products, and goes by the model's size", async () => {
  const { model } = smallRun("int8");
  assert.equal(await roughSpeed(limitedDevice(50_000), model), undefined);
  const tokensPerSecond = await roughSpeed(openPlainDevice(), gpt2Small, () => Promise.resolve(744));
  assert.ok(Math.abs(tokensPerSecond! - 1000) < 5, `${tokensPerSecond}`); // 6 operations for each of 124 million
});

Deno.test("probeSpeed() measures a micro-batch with activations computed again where it does not fit otherwise", async () => {
  const { model } = smallRun("int8"), clock = new VirtualClock();
  const [roomy, narrow] = plansToTry({ model, microBatch: 8, outer: false });
  await using device = limitedDevice(roomy!.plannedBytes - 4);
  const { readings, plannedBytes } = await probeSpeed({
    device,
    model,
    precision: "f32",
    products: ONE_FORM,
    most: 8,
    clock,
  });
  assert.ok(readings.find(({ microBatch }) => microBatch === 8)!.tokensPerSecond !== null);
  assert.equal(plannedBytes, narrow!.plannedBytes);
});

Deno.test("probeSpeed() on a device without memory for one sequence says what that takes and what the device refused", async () => {
  const { model } = smallRun("int8"), clock = new VirtualClock();
  await using device = limitedDevice(50_000);
  await assert.rejects(probeSpeed({ device, model, precision: "f32", products: ONE_FORM, most: 8, clock }), (error) => {
    assert.ok(error instanceof DeviceMemoryError);
    const { plannedBytes } = plansToTry({ model, microBatch: 1 }).at(-1)!;
    assert.ok(
      error.message.includes(`one sequence of 16 tokens takes ${plannedBytes} bytes there in all. No memory for`),
    );
    assert.match(error.message, /Another device may have more/);
    return true;
  });
});
