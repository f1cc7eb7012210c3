import { strict as assert } from "node:assert";
import { limitedDevice, openScene, smallRun, turn } from "../../tests/training_scene.ts";
import type { Device } from "../device/device.ts";
import { planTrainer } from "../train/trainer_plan.ts";
import type { LearnerEvent } from "./messages.ts";

Deno.test("training runs its lease in order, contributes what it did, and lowers the loss of the fold", async () => {
  await using peer = openScene();
  const { training, weights } = peer;
  await training.train(peer.order(1), weights);
  await peer.stepped(5);
  const contribution = await training.contribute();
  assert.ok(contribution.steps >= 5);
  assert.deepEqual(contribution.ranges, [{ start: 100, end: 100 + 8 * contribution.steps }]);
  assert.equal(contribution.tokens, 8 * 16 * contribution.steps);
  assert.deepEqual([contribution.batch, contribution.microBatch, contribution.round], [8, 4, 1]);
  assert.ok(contribution.speed > 0 && contribution.computeMs > 0);
  const folded = peer.foldInto(weights, [contribution]);
  assert.ok(await training.evaluate(folded) < await training.evaluate(weights) - 0.02);
});

Deno.test("training goes on after a contribution, and the new anchor keeps that progress", async () => {
  await using peer = openScene({ codec: "f32" });
  const { training, weights } = peer;
  await training.train(peer.order(1), weights);
  await peer.stepped(3);
  const first = await training.contribute();
  await peer.stepped(3);
  const anchor = peer.foldInto(weights, [first]);
  training.pace({ percent: 100, paused: true });
  await training.train(peer.order(2, { ranges: peer.order(1).ranges }), anchor);
  const second = await training.contribute();
  assert.ok(second.steps >= 3, "steps made before the anchor came are contributed");
  assert.equal(second.ranges[0]!.start, first.ranges[0]!.end);

  // What one loop without an anchor in between would have made of the same steps: their sum.
  const both = peer.foldInto(anchor, [second]);
  const straight = await stepsAlone(first.steps + second.steps);
  both.forEach((value, i) => assert.ok(Math.abs(value - straight[i]!) < 1e-5, `value ${i}: ${value}, ${straight[i]}`));
});

/** Weights after so many steps on the lease of round 1, without any contribution. */
async function stepsAlone(count: number): Promise<Float32Array> {
  await using peer = openScene({ codec: "f32" });
  const { training, weights } = peer;
  await training.train(peer.order(1, { ranges: [{ start: 100, end: 100 + 8 * count }] }), weights);
  await peer.stepped(count);
  return peer.foldInto(weights, [await training.contribute()]);
}

Deno.test("a second cut before a new anchor does not contribute anything twice", async () => {
  await using peer = openScene({ codec: "f32" });
  const { training, weights } = peer;
  await training.train(peer.order(1), weights);
  await peer.stepped(2);
  const first = await training.contribute();
  await peer.stepped(2);
  const second = await training.contribute();
  const folded = peer.foldInto(peer.foldInto(weights, [first]), [second]);
  const straight = await stepsAlone(first.steps + second.steps);
  folded.forEach((value, i) => assert.ok(Math.abs(value - straight[i]!) < 1e-5, `value ${i}`));
});

Deno.test("a box without a step contributes nothing and uses nothing up", async () => {
  await using peer = openScene();
  const { training, weights } = peer;
  training.pace({ percent: 100, paused: true });
  await training.train(peer.order(1), weights);
  const contribution = await training.contribute();
  assert.equal(contribution.bytes, null);
  assert.deepEqual([contribution.tokens, contribution.steps, contribution.ranges, contribution.loss], [0, 0, [], 0]);
  training.pace({ percent: 100, paused: false });
  await peer.stepped(1);
  assert.equal((await training.contribute()).ranges[0]!.start, 100);
});

Deno.test("steps on windows that a new lease does not have are not claimed, but go into the next contribution", async () => {
  await using peer = openScene({ codec: "f32" });
  const { training, weights } = peer;
  await training.train(peer.order(1, { ranges: [{ start: 100, end: 116 }] }), weights);
  await peer.stepped(2);
  training.pace({ percent: 100, paused: true });
  await training.train(peer.order(2, { ranges: [{ start: 116, end: 124 }] }), weights);
  assert.deepEqual((await training.contribute()).bytes, null);
  training.pace({ percent: 100, paused: false });
  await peer.stepped(1);
  const contribution = await training.contribute();
  assert.equal(contribution.tokens, 8 * 16);
  const folded = peer.foldInto(weights, [contribution]), straight = await stepsAlone(3);
  folded.forEach((value, i) => assert.ok(Math.abs(value - straight[i]!) < 1e-5, `value ${i}`));
});

Deno.test("training stops for good, offers nothing and says why when gradients are never finite", async () => {
  await using peer = openScene();
  const { training, weights, events } = peer;
  await training.train(peer.order(1, { ranges: [{ start: 0, end: 200 }] }), weights.map(tooLarge));
  const ended = (event: LearnerEvent) => event.kind === "failed" || (event.kind === "waiting" && event.round === 1);
  while (!events.some(ended)) await turn();
  const failed = events.find(ended)!;
  assert.ok(failed.kind === "failed" && /2\d steps in a row had gradients that are not finite/.test(failed.message));
  assert.ok(events.some((event) => event.kind === "warning" && /was skipped/.test(event.message)));
  assert.equal((await training.contribute()).bytes, null);
});

Deno.test("windows whose steps were all skipped are trained again from better weights", async () => {
  await using peer = openScene();
  const { training, weights } = peer;
  await training.train(peer.order(1, { ranges: [{ start: 0, end: 16 }] }), weights.map(tooLarge));
  await peer.stepped(2);
  assert.equal((await training.contribute()).bytes, null);
  await training.train(peer.order(2, { ranges: [{ start: 0, end: 16 }] }), weights);
  await peer.stepped(2);
  assert.deepEqual((await training.contribute()).ranges, [{ start: 0, end: 16 }]);
});

/** From such weights no loss is finite. */
const tooLarge = (value: number) => value * 1e30;

Deno.test("a device without the memory for a micro-batch trains on half of it, and says so", async () => {
  await using peer = openScene({
    microBatch: 8,
    devices: () => [limitedDevice(planTrainer({ model: smallRun("int8").model, microBatch: 4 }).plannedBytes)],
  });
  const { training, weights, events } = peer;
  await training.train(peer.order(1), weights);
  await peer.stepped(1);
  const { batch, microBatch } = await training.contribute();
  assert.deepEqual([batch, microBatch], [8, 4]);
  assert.ok(events.some((event) => event.kind === "warning" && event.message === "8 do not fit"));
});

Deno.test("a device without the memory for all activations computes some again, says so, and contributes the same bits", async () => {
  const { model } = smallRun("f32"), ranges = [{ start: 0, end: 16 }];
  const contributionOn = async (device: Device | null) => {
    const devices = device === null ? {} : { devices: () => [device] };
    await using peer = openScene({ codec: "f32", microBatch: 8, ...devices });
    await peer.training.train(peer.order(1, { ranges }), peer.weights);
    await peer.stepped(2);
    const told = peer.events.flatMap((event) => event.kind === "warning" ? [event.message] : []);
    return { told, events: peer.events, ...await peer.training.contribute() };
  };
  const wanted = await contributionOn(null);
  const { plannedBytes } = planTrainer({ model, microBatch: 8, recompute: 1 });
  const { told, events, microBatch, bytes } = await contributionOn(limitedDevice(plannedBytes));
  assert.deepEqual([wanted.told.length, told.length, microBatch], [0, 1, 8]);
  assert.match(
    told[0]!,
    /A micro-batch of 8 fits with .* computed again, in \d+ bytes, and not without \(No memory for/,
  );
  assert.ok(events.some((event) => event.kind === "memory" && event.recompute === 1));
  assert.deepEqual(bytes, wanted.bytes);
});

Deno.test("training waits when its lease is used up, says so, and takes a last batch that is smaller", async () => {
  await using peer = openScene();
  const { training, weights } = peer;
  await training.train(peer.order(1, { ranges: [{ start: 0, end: 11 }] }), weights);
  await peer.stepped(2);
  await turn();
  const contribution = await training.contribute();
  assert.deepEqual(contribution.ranges, [{ start: 0, end: 11 }]);
  assert.equal(contribution.tokens, 11 * 16);
  assert.ok(peer.events.some((event) => event.kind === "waiting" && /is trained/.test(event.reason)));
});

Deno.test("a throttle of 50 % halves the steps in the same time, and 25 % quarters them", async () => {
  const speedAt = async (percent: number) => {
    await using peer = openScene();
    peer.training.pace({ percent, paused: false });
    await peer.training.train(peer.order(1, { ranges: [{ start: 0, end: 1e6 }] }), peer.weights);
    while (peer.clock.now() < 4000) await turn();
    const atMs = peer.clock.now();
    return (await peer.training.contribute()).tokens / atMs;
  };
  const [full, half, quarter] = [await speedAt(100), await speedAt(50), await speedAt(25)];
  // The end falls anywhere in a burst of 80 ms and its rest of up to 240 ms: 8 % of the 4 s.
  assert.ok(Math.abs(half / full - 0.5) < 0.04, `${half} of ${full} tokens a millisecond`);
  assert.ok(Math.abs(quarter / full - 0.25) < 0.02, `${quarter} of ${full} tokens a millisecond`);
});

Deno.test("a throttle is lifted, a pause begun and a contribution made in the middle of a rest", async () => {
  await using peer = openScene();
  const { training, clock, events } = peer;
  clock.isFrozen = true;
  training.pace({ percent: 1, paused: false });
  await training.train(peer.order(1), peer.weights);
  await peer.stepped(1); // and now it rests for ever
  assert.equal((await training.contribute()).steps, 1);
  training.pace({ percent: 100, paused: false });
  await peer.stepped(1);
  training.pace({ percent: 100, paused: true });
  while (!events.some((event) => event.kind === "waiting" && event.reason === "paused by the user")) await turn();
});

Deno.test("the residual goes into the next contribution if the last one was counted, and not if it was lost", async () => {
  const secondOf = async (fate: "counted" | "lost") => {
    await using peer = openScene();
    const { training, weights } = peer;
    await training.train(peer.order(1, { ranges: [{ start: 0, end: 16 }] }), weights);
    await peer.stepped(2);
    await training.contribute();
    await training.settle(1, fate);
    const residual = (await peer.checkpoint())[0]!.moments.residual;
    return residual.some((value) => value !== 0);
  };
  assert.equal(await secondOf("counted"), true);
  assert.equal(await secondOf("lost"), false);
});

Deno.test("windows of a lost offer are trained again if the lease still has them", async () => {
  await using peer = openScene();
  const { training, weights } = peer;
  await training.train(peer.order(1, { ranges: [{ start: 0, end: 16 }] }), weights);
  await peer.stepped(2);
  await training.contribute();
  await training.settle(1, "lost");
  await training.train(peer.order(2, { ranges: [{ start: 0, end: 16 }] }), weights);
  await peer.stepped(2);
  assert.deepEqual((await training.contribute()).ranges, [{ start: 0, end: 16 }]);
});

Deno.test("another micro-batch is opened in the same state: weights, moments and progress", async () => {
  const run = async (batches: readonly [number, number]) => {
    await using peer = openScene({ codec: "f32", microBatch: 8 });
    const { training, weights } = peer;
    await training.train(peer.order(1, { batch: batches[0], ranges: [{ start: 0, end: 8 }] }), weights);
    await peer.stepped(1);
    await training.train(peer.order(1, { batch: batches[1], ranges: [{ start: 0, end: 11 }] }), weights);
    await peer.stepped(1);
    const opened = peer.events.filter(({ kind }) => kind === "memory").length;
    return { opened, folded: peer.foldInto(weights, [await training.contribute()]) };
  };
  // Both train windows 0–7 and then 8–10; the second has to open a trainer of 3 sequences for that.
  const one = await run([8, 8]), two = await run([8, 3]);
  assert.deepEqual([one.opened, two.opened], [1, 2]);
  two.folded.forEach((value, i) => assert.ok(Math.abs(value - one.folded[i]!) < 1e-5, `value ${i}`));
});

Deno.test("evaluating weights in the middle of a box does not disturb training", async () => {
  const run = async (evaluates: boolean) => {
    await using peer = openScene({ codec: "f32" });
    const { training, weights } = peer;
    await training.train(peer.order(1, { ranges: [{ start: 0, end: 16 }] }), weights);
    if (evaluates) await training.evaluate(weights.map((value) => value * 3));
    await peer.stepped(evaluates ? 0 : 2);
    while (!peer.events.some((event) => event.kind === "waiting" && /is trained/.test(event.reason))) {
      await turn();
    }
    return (await training.contribute()).bytes;
  };
  assert.deepEqual(await run(true), await run(false));
});

Deno.test("a box measures its first step and every so many after it, and reports and contributes their means", async () => {
  await using peer = openScene();
  const { training, weights, events } = peer;
  await training.train(peer.order(1, { measure: { every: 4, sketch: false } }), weights);
  await peer.stepped(9);
  const { steps, noise } = await training.contribute();
  assert.equal(noise!.tests, Math.ceil(steps / 4));
  assert.ok(noise!.variance > 0 && noise!.along > 0 && noise!.sketch === null);
  const reported = events.flatMap((event) => event.kind === "steps" && event.noise !== null ? [event.noise] : []);
  assert.equal(reported.reduce((sum, { tests }) => sum + tests, 0), noise!.tests);
  const signal = reported.reduce((sum, { tests, signal }) => sum + tests * signal, 0) / noise!.tests;
  assert.ok(Math.abs(signal - noise!.signal) < 1e-9 * Math.abs(signal));
});

Deno.test("measuring steps does not change what they learn", async () => {
  const run = async (every: number) => {
    await using peer = openScene({ codec: "f32" });
    const { training, weights } = peer, measure = { every, sketch: every > 0 };
    await training.train(peer.order(1, { measure, ranges: [{ start: 0, end: 40 }] }), weights);
    await peer.stepped(5);
    return await training.contribute();
  };
  const plain = await run(0), measured = await run(2);
  assert.deepEqual(measured.bytes, plain.bytes);
  assert.deepEqual([plain.noise, measured.noise!.tests], [null, 3]);
});

Deno.test("a box measures nothing while the fate of the last contribution is open, and goes on when it is known", async () => {
  await using peer = openScene({ codec: "int8" });
  const { training, weights } = peer, ranges = [{ start: 0, end: 1e6 }];
  await training.train(peer.order(1, { measure: { every: 1000, sketch: false }, ranges }), weights);
  await peer.stepped(2);
  assert.ok((await training.contribute()).noise !== null);
  await peer.stepped(4);
  assert.equal((await training.contribute()).noise, null);
  await peer.stepped(2);
  await training.settle(1, "counted");
  await peer.stepped(2);
  assert.ok((await training.contribute()).noise !== null);
});

Deno.test("peers that begin a round on the same weights and windows contribute the same sketch, of their first step", async () => {
  const sketchOf = async (round: number, steps: number) => {
    await using peer = openScene();
    const { training, weights } = peer, measure = { every: 20, sketch: true };
    await training.train(peer.order(round, { measure, ranges: [{ start: 0, end: 96 }] }), weights);
    await peer.stepped(steps);
    return (await training.contribute()).noise!.sketch!;
  };
  const one = await sketchOf(4, 1), other = await sketchOf(4, 7), later = await sketchOf(5, 1);
  assert.deepEqual(one, other);
  assert.deepEqual([one.codes.length, one.sequences], [256, 8]);
  assert.notDeepEqual(one.codes, later.codes, "the signs follow from the round");
});

Deno.test("the rate goes by the global batch that is asked for, whatever share of it this peer has", async () => {
  const rateAt = async (globalBatch: number) => {
    await using peer = openScene();
    await peer.training.train(peer.order(1, { globalBatch }), peer.weights);
    await peer.stepped(1);
    const event = peer.events.find((event) => event.kind === "steps")!;
    assert.ok(event.kind === "steps" && event.batch === 8);
    return event.rate;
  };
  const { learningRate } = smallRun("int8").training;
  assert.deepEqual([await rateAt(8), await rateAt(32)], [learningRate, 2 * learningRate]);
});

Deno.test("a step executes the batch that is asked for, whatever micro-batch the trainer was opened with", async () => {
  await using peer = openScene({ microBatch: 8 });
  const { training, weights, events } = peer, made: string[] = [];
  for (const [i, batch] of [8, 7, 13, 12, 5].entries()) {
    await training.train(peer.order(i + 1, { batch, ranges: [{ start: 0, end: 2_000 }] }), weights);
    events.length = 0;
    await peer.stepped(2);
    for (const event of events) {
      if (event.kind !== "steps") continue;
      assert.deepEqual([event.batch, event.tokens], [batch, event.steps * batch * 16]);
      made[i] = `${event.batch} as ${event.accumulation} × ${event.microBatch}`;
    }
  }
  assert.deepEqual(made, ["8 as 1 × 8", "7 as 1 × 8", "13 as 2 × 8", "12 as 2 × 8", "5 as 1 × 5"]);
});

Deno.test("a peer of one sequence a step measures too, by two steps", async () => {
  await using peer = openScene({ microBatch: 1 });
  const { training, weights } = peer, measure = { every: 4, sketch: false };
  await training.train(peer.order(1, { measure, batch: 1 }), weights);
  await peer.stepped(7);
  const { steps, batch, noise } = await training.contribute();
  assert.equal(batch, 1);
  assert.equal(noise!.tests, Math.floor((steps + 2) / 4));
  assert.ok(noise!.variance > 0);
});
