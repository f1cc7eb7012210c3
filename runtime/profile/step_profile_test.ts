import { strict as assert } from "node:assert";
import { copy } from "../../kernels/copy.ts";
import { tinyGpt2 } from "../../tests/tiny_models.ts";
import { type Device, DeviceMemoryError, whole } from "../device/device.ts";
import type { ModelConfig } from "../model/config.ts";
import { openPlainDevice } from "../device/plain.ts";
import { planTrainer } from "../train/trainer_plan.ts";
import { profileStep } from "./step_profile.ts";
import { watch } from "./watched.ts";

const settings = { rate: 1e-3, beta1: 0.9, beta2: 0.95, epsilon: 1e-8, decay: 0.1, clip: 1 };

const plannedBytes = (model: ModelConfig, microBatch: number) => planTrainer({ model, microBatch }).plannedBytes;

/** Seconds that pass between looks at the clock. */
function clock(seconds: number) {
  let ms = 0;
  return () => ms += seconds * 1000;
}

/** A device that has no memory for a large batch, and remembers what it was asked to run. */
function plainDevice(mostBytes = Infinity) {
  const plain = openPlainDevice(), ran: string[] = [];
  const device: Device = {
    ...plain,
    allocate(words, label) {
      if (plain.memory().bytes + 4 * words > mostBytes) throw new DeviceMemoryError(`no room for '${label}'`);
      return plain.allocate(words, label);
    },
    run(program) {
      ran.push(program.label);
      plain.run(program);
    },
    profile(program) {
      ran.push(`profiled ${program.label}`);
      return plain.profile(program);
    },
  };
  return { device, ran };
}

Deno.test("profileStep() times ordinary steps, then every dispatch of a step, and frees what it took", async () => {
  const { device, ran } = plainDevice();
  const profile = await profileStep({ device, model: tinyGpt2, settings, batch: 3, steps: 2, now: clock(1) });
  const labels = ["begin step", "forward 1", "backward 1", "update"];
  assert.deepEqual(profile.programs.map(({ label }) => label), labels);
  assert.deepEqual(ran.slice(-8), [...labels, ...labels].map((label) => `profiled ${label}`));
  assert.equal(profile.stepMs, 1000, "one step a round, if it lasts longer than a round should");
  const count = profile.programs.flatMap(({ dispatches }) => dispatches).length;
  assert.deepEqual(profile.times.map((times) => times.length), [count, count]);
  assert.deepEqual([profile.batch, profile.timing, profile.precision], [3, "clock", "f32"]);
  assert.ok(profile.peakBytes > 4 * 4 * profile.parameterCount);
  assert.equal(device.memory().bytes, 0);
});

Deno.test("profileStep() counts the work of the step that a peer makes", async () => {
  const { device } = plainDevice(), { layerCount, width: C, hiddenWidth: F, vocabularySize: V } = tinyGpt2;
  const { programs } = await profileStep({ device, model: tinyGpt2, settings, batch: 2, steps: 1, now: clock(1) });
  const dispatches = programs.flatMap(({ dispatches }) => dispatches), N = 2 * tinyGpt2.contextLength;
  const products = dispatches.filter(({ kernel }) => kernel.startsWith("matmul"));
  const matrices = layerCount * (3 * C * C + C * C + 2 * C * F) + V * C;
  assert.equal(products.reduce((sum, { work }) => sum + work.flops, 0), 6 * N * matrices);
  assert.equal(dispatches.filter(({ kernel }) => kernel === "adamw").length, 1);
});

Deno.test("profileStep() takes half of its usual batch as often as there is no memory for it, but not of one asked for", async () => {
  const model = { ...tinyGpt2, contextLength: 256 }, { device } = plainDevice(plannedBytes(model, 2));
  assert.equal((await profileStep({ device, model, settings, steps: 1, now: clock(1) })).batch, 2);
  await assert.rejects(profileStep({ device, model, settings, batch: 3 }), { name: "DeviceMemoryError" });
  const { device: lacking } = plainDevice(plannedBytes(model, 1) - 1);
  await assert.rejects(profileStep({ device: lacking, model, settings }), { name: "DeviceMemoryError" });
});

Deno.test("a watched device tells which programs some work ran, in order, and of what they are made", async () => {
  const device = watch(openPlainDevice()), x = device.allocate(4, "x"), y = device.allocate(4, "y");
  const dispatch = { kernel: copy, shape: { COUNT: 4, ACCUMULATE: 1 }, spans: { x: whole(x), y: whole(y) } };
  const one = await device.prepare([dispatch], "one"), two = await device.prepare([dispatch, dispatch], "two");
  device.write(whole(x), new Float32Array(4).fill(1));
  device.run(one);
  const ran = device.programsOf(() => [two, one, two].forEach((program) => device.run(program)));
  device.run(two);
  assert.deepEqual(ran.map(({ label }) => label), ["two", "one", "two"]);
  assert.deepEqual(device.dispatchesOf(two), [dispatch, dispatch]);
  assert.deepEqual(await device.read([whole(y)]), [new Float32Array(4).fill(8)]);
  assert.throws(() => device.programsOf(() => assert.fail("work that fails")), /work that fails/);
  assert.deepEqual(device.programsOf(() => {}), []);
});
