import { strict as assert } from "node:assert";
import { smallModel, smallText } from "../../tests/experiment_scene.ts";
import { openPlainDevice } from "../device/plain.ts";
import { initialWeights } from "../model/parameters.ts";
import { nearlyNormal, randomWords } from "../model/random.ts";
import { openTrainer } from "../train/trainer.ts";
import { measureNoise, NOISE_PARTS, noiseOf, simpleNoiseScale } from "./noise_scale.ts";
import { Workbench } from "./workbench.ts";

Deno.test("the two-batch estimate of a noisy quadratic is right, and its ratio within a few hundredths", () => {
  // Gradients of n sequences are G + N(0, I/n) in 1,000 dimensions with |G|² = 10: trΣ = 1000, B_simple = 100.
  const n = 8, next = randomWords(3, 1), size = 1000, draws = 40, step = Math.sqrt(10 / size);
  let variance = 0, signal = 0;
  for (let draw = 0; draw < draws; draw++) {
    const mean = new Float64Array(size);
    let small = 0;
    for (let part = 0; part < NOISE_PARTS; part++) {
      for (let i = 0; i < size; i++) {
        const value = step + nearlyNormal(next) / Math.sqrt(n);
        small += value * value / NOISE_PARTS;
        mean[i]! += value / NOISE_PARTS;
      }
    }
    const found = noiseOf({ n, small, large: mean.reduce((sum, value) => sum + value * value, 0) });
    variance += found.variance / draws;
    signal += found.signal / draws;
  }
  assert.ok(Math.abs(variance - 1000) < 6, `seed 3: trΣ ${variance}`);
  assert.ok(Math.abs(signal - 10) < 0.4, `seed 3: |G|² ${signal}`);
});

Deno.test("without noise there is no variance, and a drowned signal gives no scale", () => {
  assert.deepEqual(noiseOf({ n: 2, small: 9, large: 9 }), { variance: 0, signal: 9 });
  assert.equal(simpleNoiseScale({ variance: 50, signal: 2 }), 25);
  assert.equal(simpleNoiseScale({ variance: 50, signal: -0.1 }), null);
});

Deno.test("measureNoise() leaves the weights alone, and finds hardly any noise in equal sequences", async () => {
  await using device = openPlainDevice();
  await using bench = new Workbench({ device, text: smallText, seed: 1, onWarning: () => {} });
  await using trainer = await openTrainer({ device, model: smallModel, microBatch: 8, outer: false });
  trainer.writeWeights(initialWeights(smallModel, 1));
  const before = await trainer.readWeights();
  const windows = bench.windows(smallModel, { seed: 1, first: 0, count: 2 * NOISE_PARTS });
  const { variance, signal } = await measureNoise(trainer, windows);
  assert.deepEqual(await trainer.readWeights(), before);
  assert.ok(variance > 0.01 && signal > 0, `${variance}, ${signal}`);
  const equal = await measureNoise(trainer, windows.map(() => windows[0]!));
  assert.ok(Math.abs(equal.variance) < 1e-3 * equal.signal, `${equal.variance} of ${equal.signal}`);
});
