import { strict as assert } from "node:assert";
import { openScene, smallRun, turn } from "../../tests/training_scene.ts";
import { checkDispatch, type Device, DeviceLostError } from "../device/device.ts";
import { openPlainDevice } from "../device/plain.ts";
import { findParameter, parameterLayout, valuesOf } from "../model/parameters.ts";
import type { LearnerEvent } from "./messages.ts";

Deno.test("a peer that trains in f16 contributes what one in f32 does, but for rounding", async () => {
  const contribute = async (precision: "f32" | "f16") => {
    await using peer = openScene({ codec: "f32", precision });
    const { training, weights } = peer;
    await training.train(peer.order(1, { ranges: [{ start: 100, end: 140 }] }), weights);
    await peer.stepped(5);
    const contribution = await training.contribute(), folded = peer.foldInto(weights, [contribution]);
    return {
      contribution,
      change: folded.map((value, i) => value - weights[i]!),
      loss: await training.evaluate(folded),
    };
  };
  const f32 = await contribute("f32"), f16 = await contribute("f16");
  assert.deepEqual([f16.contribution.steps, f16.contribution.ranges], [
    f32.contribution.steps,
    f32.contribution.ranges,
  ]);
  assert.ok(Math.abs(f16.loss - f32.loss) < 0.002, `${f16.loss}, in f32 ${f32.loss}`);
  const product = (a: Float32Array, b: Float32Array) => a.reduce((sum, value, i) => sum + value * b[i]!, 0);
  const cosine = product(f16.change, f32.change) /
    Math.sqrt(product(f16.change, f16.change) * product(f32.change, f32.change));
  assert.ok(cosine > 0.999, `cosine ${cosine}`); // Adam makes whole steps of gradients that are all rounding
});

/** In f32 all is well with them; a product of theirs is more than f16 can hold. */
function tooLargeForF16(weights: Float32Array): Float32Array {
  const { model } = smallRun("int8"), changed = weights.slice();
  const name = model.family === "gpt2" ? "layer.0.mlp.up.weight" : "layer.0.mlp.gate_up.weight";
  const matrix = valuesOf(changed, findParameter(parameterLayout(model), name));
  matrix.forEach((_, i) => matrix[i] = i === 0 ? 65_000 : matrix[i]!);
  return changed;
}

Deno.test("a peer whose model is too much for f16 says so, goes on in f32 and is counted on", async () => {
  await using peer = openScene({ codec: "f32", precision: "f16" });
  const { training, weights, events } = peer;
  await training.train(peer.order(1, { ranges: [{ start: 0, end: 400 }] }), tooLargeForF16(weights));
  const isFallback = (event: LearnerEvent) => event.kind === "precision";
  while (!events.some((event) => isFallback(event) || event.kind === "failed" || event.kind === "waiting")) {
    await turn();
  }
  assert.deepEqual(events.find(isFallback), {
    kind: "precision",
    precision: "f32",
    reason: "5 steps in a row overflowed without any loss scale",
  });
  const fallenAt = events.findIndex(isFallback);
  const skipped = events.filter((event) => event.kind === "warning").map((event) => event.message);
  const withScale = skipped.slice(0, 15).map((message) => message.includes("its loss scale was"));
  assert.deepEqual(withScale, [...Array(10).fill(true), ...Array(5).fill(false)]); // 2¹⁰ to 1; the burst ends with or after them
  assert.match(skipped[0]!, /not finite in .*layer\.0.*; its loss scale was 1024, the next one's is half of that/);
  const steps = () => events.slice(fallenAt).filter((event) => event.kind === "steps");
  while (steps().length < 2) await turn();
  for (const { loss, gradientNorm } of steps()) assert.ok(Number.isFinite(loss) && Number.isFinite(gradientNorm));
  const { bytes, steps: counted } = await training.contribute();
  assert.ok(bytes !== null && counted > 0);
});

Deno.test("a device without f16 that takes the place of a lost one is trained on in f32", async () => {
  const lost = openPlainDevice(), plain = openPlainDevice();
  const spare: Device = {
    ...plain,
    storesF16: false,
    features: new Set(),
    prepare(dispatches, label) {
      for (const dispatch of dispatches) checkDispatch(dispatch, { storesF16: false });
      return plain.prepare(dispatches, label);
    },
  };
  await using peer = openScene({ precision: "f16", devices: () => [lost, spare] });
  const { training, weights, events } = peer;
  await training.train(peer.order(1), weights);
  await peer.stepped(1);
  lost.run = () => {
    throw new DeviceLostError("the GPU was lost");
  };
  await peer.stepped(3);
  assert.ok(events.some((event) => event.kind === "precision" && /took the place of the lost one/.test(event.reason)));
  assert.ok(events.some((event) => event.kind === "warning" && /Training goes on on/.test(event.message)));
  assert.ok((await training.contribute()).bytes !== null);
});
