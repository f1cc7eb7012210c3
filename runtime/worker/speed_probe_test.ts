import { strict as assert } from "node:assert";
import { ONE_FORM } from "../../kernels/product_choice.ts";
import { limitedDevice, smallRun, VirtualClock } from "../../tests/training_scene.ts";
import { DeviceMemoryError } from "../device/device.ts";
import { planTrainer } from "../train/trainer_plan.ts";
import { probeSpeed } from "./speed_probe.ts";

Deno.test("probeSpeed() on a device without memory for one sequence says what that takes and what the device refused", async () => {
  const { model } = smallRun("int8"), clock = new VirtualClock();
  await using device = limitedDevice(50_000);
  await assert.rejects(probeSpeed({ device, model, precision: "f32", products: ONE_FORM, most: 8, clock }), (error) => {
    assert.ok(error instanceof DeviceMemoryError);
    const { plannedBytes } = planTrainer({ model, microBatch: 1 });
    assert.ok(
      error.message.includes(`one sequence of 16 tokens takes ${plannedBytes} bytes there in all. No memory for`),
    );
    assert.match(error.message, /Another device may have more/);
    return true;
  });
});
