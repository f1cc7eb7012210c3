import { strict as assert } from "node:assert";
import { modelConfigSchema } from "../model/config.ts";
import { parameterLayout } from "../model/parameters.ts";
import {
  allocateWeights,
  readWeights,
  setsIn,
  viewWeights,
  WeightsError,
  weightsLayout,
  weightsSizeBytes,
} from "./weights.ts";

const layout = { parameterWords: 5, hasMomentum: true, padding: [] };

/** Bytes of weights 1 … 5 with momentum −1 … −5. */
function example(): Uint8Array<ArrayBuffer> {
  const weights = allocateWeights(layout);
  const { parameters, momentum } = weights.sets[0]!;
  parameters.forEach((_, i) => parameters[i] = i + 1);
  momentum!.forEach((_, i) => momentum![i] = -i - 1);
  return weights.bytes.slice();
}

Deno.test("weights come back from their bytes, momentum included", () => {
  const weights = readWeights(example(), layout);
  assert.deepEqual([...weights.sets[0]!.parameters], [1, 2, 3, 4, 5]);
  assert.deepEqual([...weights.sets[0]!.momentum!], [-1, -2, -3, -4, -5]);
  assert.deepEqual(weights.bytes.slice(), example());
});

Deno.test("weights are a header of 16 bytes and little-endian f32", () => {
  const bytes = example(), view = new DataView(bytes.buffer);
  assert.equal(bytes.length, weightsSizeBytes(layout));
  assert.equal(bytes.length, 16 + 2 * 20);
  assert.equal(new TextDecoder().decode(bytes.subarray(0, 4)), "SWT1");
  assert.deepEqual([4, 8, 12].map((at) => view.getUint32(at, true)), [5, 1, 0]);
  assert.equal(view.getFloat32(16 + 20, true), -1);
});

Deno.test("weights of several lineages lie one after the other, and their number is in the header", () => {
  const weights = allocateWeights(layout, 3), bytes = weights.bytes.slice();
  assert.equal(bytes.length, weightsSizeBytes(layout, 3));
  assert.equal(bytes.length, 16 + 3 * 2 * 20);
  assert.equal(new DataView(bytes.buffer).getUint32(12, true), 2);
  weights.sets.forEach(({ parameters, momentum }, i) => {
    parameters[4] = i + 1;
    momentum![0] = -i - 1;
  });
  const again = readWeights(weights.bytes.slice(), layout);
  assert.deepEqual(again.sets.map(({ parameters, momentum }) => [parameters[4], momentum![0]]), [
    [1, -1],
    [2, -2],
    [3, -3],
  ]);
  assert.deepEqual([setsIn(bytes.length, layout), setsIn(bytes.length - 4, layout), setsIn(16, layout)], [
    3,
    null,
    null,
  ]);
  assert.throws(() => readWeights(bytes.slice(0, weightsSizeBytes(layout, 2)), layout), /found 96 bytes, wanted 136/);
});

Deno.test("viewWeights() sees the same memory", () => {
  const weights = allocateWeights(layout);
  viewWeights(weights.bytes, layout).sets[0]!.parameters[2] = 7;
  assert.equal(weights.sets[0]!.parameters[2], 7);
});

for (
  const { what, bytes, message } of [
    { what: "too few bytes", bytes: example().slice(0, 10), message: /not of version 1/ },
    { what: "another magic", bytes: changed(0, 0), message: /not of version 1/ },
    { what: "another model's size", bytes: changed(4, 6), message: /6 parameters.*needs 5/ },
    { what: "no momentum where the run has it", bytes: changed(8, 0), message: /without outer momentum/ },
    { what: "a cut end", bytes: example().slice(0, -4), message: /found 52 bytes, wanted 56/ },
    {
      what: "a value that is not a number",
      bytes: changed(16 + 4 * 3 + 3, 0x7f, 16 + 4 * 3 + 2, 0xc0),
      message: /value 3 /,
    },
  ]
) {
  Deno.test(`readWeights() refuses ${what} and says so`, () => {
    assert.throws(
      () => readWeights(bytes, layout),
      (error) => error instanceof WeightsError && message.test(error.message),
    );
  });
}

Deno.test("readWeights() refuses values in the model's padding, of parameters and of momentum", () => {
  const padded = { ...layout, padding: [{ start: 3, end: 5 }] };
  assert.throws(() => readWeights(example(), padded), /values from 3 on/);
  const bytes = example();
  bytes.fill(0, 16 + 4 * 3, 16 + 4 * 5);
  assert.throws(() => readWeights(bytes, padded), /values from 3 on/);
  bytes.fill(0, 16 + 4 * 8, 16 + 4 * 10);
  assert.deepEqual([...readWeights(bytes, padded).sets[0]!.parameters], [1, 2, 3, 0, 0]);
});

Deno.test("weightsLayout() knows every word that belongs to no tensor", () => {
  const model = modelConfigSchema.parse({
    family: "gpt2",
    vocabularySize: 11,
    contextLength: 8,
    layerCount: 1,
    headCount: 2,
    keyValueHeadCount: 2,
    width: 6,
    hiddenWidth: 24,
    tied: true,
  });
  const outer = {
    codec: "int8",
    robust: "median-clip",
    screen: "drop",
    learningRate: 1,
    momentum: 0.9,
    ageDiscount: 0.3,
    lateRounds: 3,
  } as const;
  const { parameterWords, hasMomentum, padding } = weightsLayout({ model, outer });
  const { words, parameterCount } = parameterLayout(model);
  assert.equal(hasMomentum, true);
  assert.equal(parameterWords, words);
  assert.equal(padding.reduce((sum, { start, end }) => sum + end - start, 0), words - parameterCount);
});

/** The example with some bytes replaced: place, value, place, value … */
function changed(...edits: number[]): Uint8Array<ArrayBuffer> {
  const bytes = example();
  for (let i = 0; i < edits.length; i += 2) bytes[edits[i]!] = edits[i + 1]!;
  return bytes;
}
