/**
 * Both model families against PyTorch and `transformers`, on every device: logits, loss, every gradient, and ten losses
 * of training.
 *
 * Logits, loss and gradients of the fixtures are f64 rounded to f32, so the differences are ours. Tolerances: the sums
 * here have at most some hundred terms of size 1, so f32 keeps about five digits of them.
 * @module
 */
import { strict as assert } from "node:assert";
import { openCpuDevice } from "../../runtime/device/cpu.ts";
import type { Device, Span } from "../../runtime/device/device.ts";
import { openPlainDevice } from "../../runtime/device/plain.ts";
import { describeWebGpu, openWebGpuDevice } from "../../runtime/device/webgpu.ts";
import { inspect } from "../../runtime/train/inspect.ts";
import { openTrainer } from "../../runtime/train/trainer.ts";
import { FAMILIES, loadFixture } from "./fixture.ts";

const LOGIT_TOLERANCE = 1e-4, LOSS_TOLERANCE = 1e-5, GRADIENT_TOLERANCE = 1e-4, COSINE_TOLERANCE = 1e-8;

const adapter = await describeWebGpu();
const DEVICES: Record<string, { readonly open: () => Promise<Device>; readonly missing?: string }> = {
  plain: { open: () => Promise.resolve(openPlainDevice({ precision: "f32" })) },
  cpu: { open: () => openCpuDevice({ threads: 2 }) },
  webgpu: { open: () => openWebGpuDevice(), ...(adapter === undefined && { missing: "no WebGPU adapter" }) },
};

for (const family of FAMILIES) {
  for (const [kind, { open, missing }] of Object.entries(DEVICES)) {
    const test = (what: string, fn: () => Promise<void>) => {
      const name = `${what} of ${family} on ${kind} are those of transformers`;
      Deno.test({ name: missing === undefined ? name : `${name} (${missing})`, ignore: missing !== undefined, fn });
    };

    test("Logits, loss and every gradient", async () => {
      const { config: model, weights, batches, ...wanted } = await loadFixture(family);
      await using device = await open();
      const found = await inspect({ device, model, weights, windows: batches[0]! });

      assert.equal(found.logits.length, wanted.logits.length);
      const worst = Math.max(...Array.from(found.logits, (value, i) => Math.abs(value - wanted.logits[i]!)));
      assert.ok(worst <= LOGIT_TOLERANCE, `a logit differs by ${worst}`);
      assert.ok(Math.abs(found.loss - wanted.loss) <= LOSS_TOLERANCE, `loss ${found.loss}, wanted ${wanted.loss}`);
      assert.deepEqual([...found.gradients.keys()].toSorted(), [...wanted.gradients.keys()].toSorted());
      for (const [name, gradient] of found.gradients) {
        const { distance, cosine } = compare(gradient, wanted.gradients.get(name)!);
        assert.ok(distance <= GRADIENT_TOLERANCE, `gradient of ${name}: relative distance ${distance}`);
        assert.ok(cosine >= 1 - COSINE_TOLERANCE, `gradient of ${name}: 1 - cosine = ${1 - cosine}`);
      }
    });

    test("Ten losses of training with AdamW, weight decay and clipping", async () => {
      const { config: model, weights, batches, settings, losses } = await loadFixture(family);
      await using device = await open();
      await using trainer = await openTrainer({ device, model, microBatch: batches[0]!.length, outer: false });
      trainer.writeWeights(weights);
      for (let step = 0; step < losses.length; step++) trainer.step(batches[step % batches.length]!, settings);
      const found = (await trainer.readMetrics()).map(({ loss }) => loss);
      assert.equal(found.length, losses.length);
      found.forEach((loss, step) => {
        assert.ok(Math.abs(loss - losses[step]!) <= LOSS_TOLERANCE, `step ${step}: ${loss}, wanted ${losses[step]}`);
      });
    });
  }
}

/**
 * Relative distances in f64. GPT-2 differs by the rounding of the fixture to f32, 3e-8; the RMSNorm of transformers
 * computes in f32 whatever the type of its model, which leaves some 3e-7.
 */
const F64_TOLERANCE = { gpt2: 1e-7, llama: 1e-6 } as const;

for (const family of FAMILIES) {
  Deno.test(`Logits, loss and every gradient of ${family} in f64 are those of transformers to the digits of f32`, async () => {
    const { config: model, weights, batches, ...wanted } = await loadFixture(family);
    await using device = openPlainDevice({ precision: "f64" });
    const read = (span: Span) => Promise.resolve(device.readExactly(span));
    const found = await inspect({ device, model, weights, windows: batches[0]!, read });

    const tolerance = F64_TOLERANCE[family];
    assert.ok(compare(found.logits, wanted.logits).distance <= tolerance);
    assert.ok(Math.abs(found.loss - wanted.loss) <= tolerance);
    for (const [name, gradient] of found.gradients) {
      const { distance } = compare(gradient, wanted.gradients.get(name)!);
      assert.ok(distance <= tolerance, `gradient of ${name}: relative distance ${distance}`);
    }
  });
}

type Numbers = Float32Array | Float64Array;

/** ‖a − b‖ / ‖b‖, and the cosine of the angle between them. */
function compare(a: Numbers, b: Numbers): { readonly distance: number; readonly cosine: number } {
  let ab = 0, aa = 0, bb = 0, difference = 0;
  for (let i = 0; i < b.length; i++) {
    ab += a[i]! * b[i]!;
    aa += a[i]! ** 2;
    bb += b[i]! ** 2;
    difference += (a[i]! - b[i]!) ** 2;
  }
  return { distance: Math.sqrt(difference / bb), cosine: ab / Math.sqrt(aa * bb) };
}
