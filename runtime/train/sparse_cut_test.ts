import { strict as assert } from "node:assert";
import { chance } from "../../tests/chance.ts";
import { gpuTest, testDevice } from "../../tests/kernels/check.ts";
import { normal, sumOfSquares } from "../../tests/normal.ts";
import { tinyGpt2 as model } from "../../tests/tiny_models.ts";
import { openCpuDevice } from "../device/cpu.ts";
import type { Device } from "../device/device.ts";
import { openPlainDevice } from "../device/plain.ts";
import { parameterLayout } from "../model/parameters.ts";
import { anyCodec } from "../state/codec/codecs.ts";
import { DENSITIES, type Density, packTopK } from "../state/codec/topk.ts";
import { openTrainer, type Trainer } from "./trainer.ts";

const layout = parameterLayout(model);
const zeros = () => new Float32Array(layout.words);

/** Values of a step on each parameter; padding stays zero. */
function learned(round: number): Float32Array {
  const values = zeros(), step = normal(layout.words, round);
  for (const { start, words } of layout.parameters) values.set(step.subarray(start, start + words), start);
  return values;
}

/** Makes the next pseudo-gradient `values` and cuts it. */
async function cut(trainer: Trainer, values: Float32Array, { kept, decay }: { kept: Density; decay: number }) {
  trainer.writeAnchor(values);
  trainer.writeWeights(zeros());
  const found = await trainer.cutSparse({ kept, decay });
  const { bytes, sent } = packTopK({ ...found, length: layout.words, kept });
  trainer.takeOut(sent);
  return bytes;
}

function decode(bytes: Uint8Array): Float64Array {
  const opened = anyCodec.open(bytes, layout.words), values = new Float64Array(layout.words);
  assert.ok(opened.ok, opened.ok ? "" : opened.reason);
  opened.vector.addTo(values, { start: 0, share: 1 });
  return values;
}

/** Every byte of three contributions at each density, and what they leave. */
async function contributionsOf(device: Device) {
  await using trainer = await openTrainer({ device, model, microBatch: 1 });
  const all: (Uint8Array | Float32Array)[] = [];
  for (const [i, kept] of [...DENSITIES, ...DENSITIES].entries()) {
    trainer.clearResidual(); // whose sum with what was learned devices may round once or twice
    const bytes = await cut(trainer, learned(i), { kept, decay: 1 });
    assert.ok(decode(bytes).some((value) => value !== 0));
    all.push(bytes, (await trainer.saveMoments()).residual!);
  }
  return all;
}

Deno.test("the cpu device cuts the same sparse contributions as the plain one, byte for byte", async () => {
  await using cpu = await openCpuDevice({ threads: 2, sharedWork: 1 });
  assert.deepEqual(await contributionsOf(cpu), await contributionsOf(openPlainDevice()));
});

gpuTest("a GPU cuts the same sparse contributions as the plain device, byte for byte", async () => {
  assert.deepEqual(await contributionsOf(await testDevice()), await contributionsOf(openPlainDevice()));
});

Deno.test("what a sparse cut sends and what it leaves are what was learned, within one rounding", async () => {
  await using trainer = await openTrainer({ device: openPlainDevice(), model, microBatch: 1 });
  const values = learned(1), sent = decode(await cut(trainer, values, { kept: 64, decay: 0.95 }));
  const { residual } = await trainer.saveMoments();
  values.forEach((value, i) => {
    assert.ok(Math.abs(sent[i]! + residual![i]! - value) <= 2 ** -24 * Math.abs(value), `value ${i}`);
  });
  assert.ok(sent.some((value) => value !== 0) && sumOfSquares(residual!) > 0.5 * sumOfSquares(values));
});

Deno.test("a sparse cut believes its decay of what was left over before", async () => {
  await using trainer = await openTrainer({ device: openPlainDevice(), model, microBatch: 1 });
  await cut(trainer, learned(1), { kept: 64, decay: 0.5 });
  const before = (await trainer.saveMoments()).residual!;
  const sent = decode(await cut(trainer, zeros(), { kept: 64, decay: 0.5 }));
  (await trainer.saveMoments()).residual!.forEach((rest, i) => {
    assert.ok(Math.abs(sent[i]! + rest - 0.5 * before[i]!) <= 2 ** -23 * Math.abs(before[i]!), `value ${i}`);
  });
});

Deno.test("no mass is lost over fifty rounds in which a third of the contributions are, each known late (seed 2)", async () => {
  await using trainer = await openTrainer({ device: openPlainDevice(), model, microBatch: 1 });
  const random = chance(2), given = new Float64Array(layout.words), counted = new Float64Array(layout.words);
  const undecided: Uint8Array[] = [];
  for (let round = 0; round < 50; round++) {
    const values = learned(round);
    values.forEach((value, i) => given[i]! += value);
    undecided.push(await cut(trainer, values, { kept: random.pick(DENSITIES), decay: 1 }));
    if (undecided.length < 3 && round < 49) continue; // fates come two rounds later
    for (const bytes of undecided.splice(0, round === 49 ? 3 : 1)) {
      if (random.happens(1 / 3)) trainer.giveBack(Float32Array.from(decode(bytes)));
      else decode(bytes).forEach((value, i) => counted[i]! += value);
    }
  }
  const { residual } = await trainer.saveMoments();
  const off = given.map((value, i) => counted[i]! + residual![i]! - value);
  const relative = Math.sqrt(sumOfSquares(off) / sumOfSquares(given));
  assert.ok(relative < 1e-5, `${relative}`);
  assert.ok(sumOfSquares(counted) > 0.1 * sumOfSquares(given));
});

Deno.test("dense and sparse cuts share one residual, and a dense one that is open is taken for counted", async () => {
  await using trainer = await openTrainer({ device: openPlainDevice(), model, microBatch: 1 });
  await cut(trainer, learned(1), { kept: 64, decay: 1 });
  const left = (await trainer.saveMoments()).residual!;
  trainer.writeAnchor(zeros());
  trainer.writeWeights(zeros());
  await trainer.cut(); // sends what was left, but for its rounding
  await cut(trainer, zeros(), { kept: 512, decay: 1 });
  const after = (await trainer.saveMoments()).residual!;
  assert.ok(sumOfSquares(after) < 1e-3 * sumOfSquares(left), `${sumOfSquares(after)}`);
});

Deno.test("padding is never sent", async () => {
  await using trainer = await openTrainer({ device: openPlainDevice(), model, microBatch: 1 });
  const sent = decode(await cut(trainer, learned(3), { kept: 512, decay: 1 }));
  for (const { start, words } of layout.parameters) sent.fill(0, start, start + words);
  assert.ok(sent.every((value) => value === 0));
});
