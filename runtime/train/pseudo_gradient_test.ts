import { strict as assert } from "node:assert";
import { openPlainDevice } from "../device/plain.ts";
import { initialWeights, parameterLayout } from "../model/parameters.ts";
import { countingWindows, roughWeights, tinyGpt2, tinyLlama } from "../../tests/tiny_models.ts";
import type { StepSettings } from "./inner_step.ts";
import { type Cut, QUANTISE_BLOCK } from "./pseudo_gradient.ts";
import { openTrainer, type Trainer } from "./trainer.ts";

const settings: StepSettings = { rate: 0.01, beta1: 0.9, beta2: 0.95, epsilon: 1e-8, decay: 0.1, clip: 1 };
const model = tinyGpt2, layout = parameterLayout(model), start = initialWeights(model, 1);

/** Two steps away from the anchor. */
async function trained(): Promise<Trainer> {
  const trainer = await openTrainer({ device: openPlainDevice(), model, microBatch: 3 });
  trainer.writeWeights(start);
  trainer.writeAnchor(start);
  for (let step = 0; step < 2; step++) trainer.step(countingWindows(3, model, step), settings);
  return trainer;
}

function decode({ codes, scales }: Cut): Float64Array {
  const bytes = new Int8Array(codes.buffer);
  return Float64Array.from(bytes, (code, i) => code * 2 ** (scales[Math.floor(i / QUANTISE_BLOCK)]! - 127));
}

/** Of f32 numbers, in f32: the kernel's own order. */
const difference = (a: ArrayLike<number>, b: ArrayLike<number>) =>
  Float32Array.from({ length: a.length }, (_, i) => a[i]! - b[i]!);

Deno.test("cut() gives what was learned since the anchor within half a step of each block's scale", async () => {
  await using trainer = await trained();
  const cut = await trainer.cut(), decoded = decode(cut);
  assert.deepEqual(cut.weights, await trainer.readWeights());
  difference(start, cut.weights).forEach((value, i) => {
    const scale = 2 ** (cut.scales[Math.floor(i / QUANTISE_BLOCK)]! - 127);
    assert.ok(Math.abs(value - decoded[i]!) <= scale / 2, `value ${i}: ${value}, decoded ${decoded[i]}`);
  });
});

Deno.test("what quantisation loses goes into the next cut if it was counted, and not if it was lost", async () => {
  for (const keep of [true, false]) {
    await using trainer = await trained();
    const first = await trainer.cut(), learned = difference(start, first.weights);
    const loss = difference(learned, decode(first));
    assert.ok(loss.some((value) => value !== 0));
    trainer.commitResidual(keep);
    const { residual } = await trainer.saveMoments();
    assert.deepEqual(residual, keep ? loss : new Float32Array(layout.words));
    const second = await trainer.cut();
    if (!keep) {
      assert.deepEqual(second, first); // the same mass again
      continue;
    }
    decode(second).forEach((value, i) => {
      const scale = 2 ** (second.scales[Math.floor(i / QUANTISE_BLOCK)]! - 127), wanted = learned[i]! + loss[i]!;
      assert.ok(Math.abs(value - wanted) <= scale / 2, `value ${i}: ${value}, wanted ${wanted}`);
    });
    assert.notDeepEqual(second.codes, first.codes);
  }
});

Deno.test("a verdict without a cut, or on one from before a checkpoint was loaded, changes nothing", async () => {
  await using trainer = await trained();
  const cut = await trainer.cut();
  trainer.commitResidual(true);
  const saved = await trainer.saveMoments();
  assert.ok(saved.residual!.some((value) => value !== 0));
  trainer.step(countingWindows(3, model), settings);
  await trainer.cut();
  trainer.loadMoments(saved);
  trainer.commitResidual(true);
  assert.deepEqual((await trainer.saveMoments()).residual, saved.residual);
  await using fresh = await openTrainer({ device: openPlainDevice(), model, microBatch: 3 });
  fresh.writeWeights(cut.weights);
  fresh.loadMoments(saved);
  fresh.commitResidual(true);
  assert.deepEqual((await fresh.saveMoments()).residual, saved.residual);
});

Deno.test("padding stays zero through training, cut and error feedback", async () => {
  await using trainer = await trained();
  const isPadding = new Uint8Array(layout.words).fill(1);
  for (const { start, words } of layout.parameters) isPadding.fill(0, start, start + words);
  assert.ok(isPadding.includes(1));
  const cut = await trainer.cut();
  trainer.commitResidual(true);
  const { first, second, residual } = await trainer.saveMoments();
  for (const arena of [cut.weights, decode(cut), first, second, residual!]) {
    assert.ok(arena.every((value, i) => isPadding[i] === 0 || value === 0));
  }
});

Deno.test("cut() is of the moment of its call, whatever is enqueued while it waits", async () => {
  await using one = await trained();
  await using other = await trained();
  const early = one.cut();
  one.step(countingWindows(3, model, 2), settings);
  assert.deepEqual(await early, await other.cut());
  other.step(countingWindows(3, model, 2), settings);
  assert.deepEqual(await one.readWeights(), await other.readWeights());
});

Deno.test("shift() rebases what was trained after a cut on a new anchor", async () => {
  await using trainer = await trained();
  const { weights: atCut } = await trainer.cut();
  trainer.step(countingWindows(3, model, 2), settings);
  const local = await trainer.readWeights(), anchor = initialWeights(model, 2);
  trainer.shift(difference(anchor, atCut));
  (await trainer.readWeights()).forEach((value, i) => {
    const wanted = anchor[i]! + (local[i]! - atCut[i]!);
    assert.ok(Math.abs(value - wanted) <= 2 ** -23 * (1 + Math.abs(wanted)), `value ${i}`);
  });
});

Deno.test("rounds that assign the local weights to the anchor are plain training, bit for bit", async () => {
  await using plain = await trained();
  await using rounds = await trained();
  for (let round = 0; round < 3; round++) {
    const { weights } = await rounds.cut();
    rounds.writeAnchor(weights);
    rounds.writeWeights(weights);
    for (const trainer of [plain, rounds]) trainer.step(countingWindows(3, model, 10 + round), settings);
  }
  assert.deepEqual(await rounds.readWeights(), await plain.readWeights());
});

Deno.test("an anchor minus an exact pseudo-gradient is the local weights within one rounding", async () => {
  await using trainer = await trained();
  const local = await trainer.readWeights();
  difference(start, difference(start, local)).forEach((value, i) => {
    const unit = 2 ** (Math.floor(Math.log2(Math.max(Math.abs(local[i]!), Math.abs(start[i]!), 2 ** -126))) - 23);
    assert.ok(Math.abs(value - local[i]!) <= unit, `value ${i}: ${value}, local ${local[i]}`);
  });
});

Deno.test("a trainer without outer steps says so, and refuses another model's anchor otherwise", async () => {
  await using inner = await openTrainer({ device: openPlainDevice(), model, microBatch: 1, outer: false });
  assert.throws(() => inner.cut(), /opened with 'outer: false'/);
  await using trainer = await trained();
  assert.throws(() => trainer.writeAnchor(roughWeights(tinyLlama)), /this anchor: it has \d+ values/);
});
