import { strict as assert } from "node:assert";
import { openScene, turn, until, type VirtualClock } from "../../tests/training_scene.ts";
import { type Device, DeviceLostError, DeviceMemoryError, type Program } from "../device/device.ts";
import { openPlainDevice } from "../device/plain.ts";
import { workOf } from "../graph/plan.ts";
import type { LearnerEvent } from "./messages.ts";

/** A micro-batch takes so long on the slow device. */
const MICRO_BATCH_MS = 150;
/** Of a batch of 8 with micro-batches of 2. */
const STEP_MS = 4 * MICRO_BATCH_MS;

type Failure = DeviceLostError | DeviceMemoryError;

const lost = () => new DeviceLostError("Cannot run on the GPU: it was unplugged");
const short = () => new DeviceMemoryError("Cannot run: no memory is left");

/** A plain device on which programs of a micro-batch take time, by their work. */
function slowDevice(clock: VirtualClock, microBatchMs = MICRO_BATCH_MS): Device {
  const device = openPlainDevice(), works = new Map<Program, number>();
  let all = 0;
  return {
    ...device,
    async prepare(dispatches, label) {
      const program = await device.prepare(dispatches, label);
      if (label === "begin step") all = 0; // of another trainer
      if (!/^(forward|head|backward) /.test(label)) return program;
      const work = dispatches.reduce((sum, dispatch) => sum + workOf(dispatch), 0);
      works.set(program, work);
      all += work;
      return program;
    },
    run(program) {
      clock.work(Math.round(microBatchMs * (works.get(program) ?? 0) / all));
      device.run(program);
    },
  };
}

/** A device that fails in the given call of a method, counted from when it is armed, once or for good. */
function failingDevice(failure: () => Failure, { isForGood }: { readonly isForGood: boolean }) {
  const device = openPlainDevice();
  let callsLeft = Infinity, method: "run" | "read" | "write" = "run", isGone = false;
  const call = <T>(name: typeof method, act: () => T): T => {
    if (isGone) throw failure();
    if (name === method && --callsLeft <= 0) {
      callsLeft = Infinity;
      isGone = isForGood;
      throw failure();
    }
    return act();
  };
  const failing: Device = {
    ...device,
    run: (program) => call("run", () => device.run(program)),
    read: async (spans) => await call("read", () => device.read(spans)),
    write: (span, values) => call("write", () => device.write(span, values)),
    free: (buffer) => call("run", () => device.free(buffer)),
  };
  return {
    device: failing,
    failAt(call: number, of: typeof method): void {
      [callsLeft, method] = [call, of];
    },
  };
}

function warnings(events: readonly LearnerEvent[]): string[] {
  return events.flatMap((event) => event.kind === "warning" ? [event.message] : []);
}

Deno.test("on a slow device a throttle acts between the micro-batches of one step", async () => {
  const tokensIn = async (percent: number) => {
    await using peer = openScene({ microBatch: 2, devices: (clock) => [slowDevice(clock)] });
    peer.training.pace({ percent, paused: false });
    await peer.training.train(peer.order(1, { ranges: [{ start: 0, end: 1e6 }] }), peer.weights);
    await until("24 steps have had time", () => peer.clock.now() >= 24 * STEP_MS);
    const atMs = peer.clock.now(), { longestWorkMs } = peer.clock;
    return { rate: (await peer.training.contribute()).tokens / atMs, longestWorkMs };
  };
  const full = await tokensIn(100), half = await tokensIn(50);
  // The end falls anywhere in a step of 1.2 s, one in twelve.
  assert.ok(Math.abs(half.rate / full.rate - 0.5) < 0.05, `${half.rate} of ${full.rate} tokens a millisecond`);
  assert.ok(half.longestWorkMs <= 200, `${half.longestWorkMs} ms of work in one go`);
});

Deno.test("a throttle acts within 200 ms in the middle of a micro-batch that takes a second", async () => {
  const microBatchMs = 1000, tokensPerSecond = 8 * 16;
  await using peer = openScene({
    microBatch: 8,
    tokensPerSecond,
    devices: (clock) => [slowDevice(clock, microBatchMs)],
  });
  const { training, weights, clock } = peer, longest: number[] = [];
  await training.train(peer.order(1, { ranges: [{ start: 0, end: 1e6 }] }), weights);
  await until("two steps are made", () => clock.now() >= 2 * microBatchMs);
  for (const percent of [50, 20]) {
    training.pace({ percent, paused: false });
    await turn();
    clock.longestWorkMs = 0;
    const fromMs = clock.now();
    await until("another step has had time", () => clock.now() >= fromMs + 3 * microBatchMs);
    longest.push(clock.longestWorkMs);
  }
  assert.ok(Math.max(...longest) <= 200, `${longest} ms of work in one go`);
  assert.ok((await training.contribute()).steps > 2, "steps are made all the same");
});

Deno.test("a pause begins in the middle of a step, lets a contribution be made, and the step is done again", async () => {
  const devices = (clock: VirtualClock) => [slowDevice(clock)];
  await using peer = openScene({ codec: "f32", microBatch: 2, devices });
  const { training, weights, clock, events } = peer;
  await training.train(peer.order(1, { ranges: [{ start: 0, end: 16 }] }), weights);
  await until("a step has begun", () => clock.now() >= MICRO_BATCH_MS);
  training.pace({ percent: 100, paused: true });
  await until(
    "it pauses",
    () => events.some((event) => event.kind === "waiting" && event.reason === "paused by the user"),
  );
  const atMs = clock.now();
  assert.ok(atMs < STEP_MS, `${atMs} ms: the step was not run to its end`);
  const nothing = await training.contribute();
  assert.deepEqual([nothing.bytes, nothing.tokens], [null, 0]);
  assert.equal(clock.now(), atMs, "nothing was computed while it was paused");
  training.pace({ percent: 100, paused: false });
  await peer.stepped(2);
  const { bytes, ranges } = await training.contribute();
  assert.deepEqual(ranges, [{ start: 0, end: 16 }]);
  assert.deepEqual(bytes, await undisturbed());
});

/** What two steps on windows 0–15 contribute when nothing goes wrong. */
async function undisturbed(): Promise<Uint8Array | null> {
  await using peer = openScene({ codec: "f32", microBatch: 2 });
  await peer.training.train(peer.order(1, { ranges: [{ start: 0, end: 16 }] }), peer.weights);
  await peer.stepped(2);
  return (await peer.training.contribute()).bytes;
}

for (const method of ["run", "read", "write"] as const) {
  Deno.test(`a device that is lost in a ${method} is replaced, and what was not contributed is trained again`, async () => {
    const first = failingDevice(lost, { isForGood: true });
    await using peer = openScene({ codec: "f32", microBatch: 2, devices: () => [first.device, openPlainDevice()] });
    const { training, weights, events } = peer;
    first.failAt(method === "run" ? 20 : 7, method);
    await training.train(peer.order(1, { ranges: [{ start: 0, end: 16 }] }), weights);
    if (method === "read") first.failAt(1, "read");
    await until("it warns", () => warnings(events).length > 0);
    assert.match(
      warnings(events)[0]!,
      /unplugged\. Training goes on on .*, from the last contribution with new moments/,
    );
    await until("its lease is used up", () => events.some(({ kind }) => kind === "waiting"));
    const contribution = await training.contribute();
    assert.deepEqual([contribution.tokens, contribution.steps], [16 * 16, 2]);
    assert.deepEqual(contribution.bytes, await undisturbed());
    assert.ok(!events.some((event) => event.kind === "failed"));
  });
}

Deno.test("a device that is lost in a contribution offers nothing, and the next contribution has it all", async () => {
  const first = failingDevice(lost, { isForGood: true });
  await using peer = openScene({ codec: "f32", microBatch: 2, devices: () => [first.device, openPlainDevice()] });
  const { training, weights } = peer;
  await training.train(peer.order(1, { ranges: [{ start: 0, end: 16 }] }), weights);
  await peer.stepped(2);
  first.failAt(1, "run");
  assert.deepEqual((await training.contribute()).bytes, null);
  await peer.stepped(2);
  assert.deepEqual((await training.contribute()).bytes, await undisturbed());
});

Deno.test("moments of an earlier session outlive a lost device", async () => {
  const first = failingDevice(lost, { isForGood: true });
  await using peer = openScene({ microBatch: 2, devices: () => [first.device, openPlainDevice()] });
  const { training, weights, events } = peer, { local } = peer, words = weights.length, arena = new Float32Array(words);
  const moments = { first: arena, second: arena, residual: arena, stepCount: 7, beta2Product: 0.5 };
  local.restore([{ from: [0], moments }]);
  await training.train(peer.order(1, { ranges: [{ start: 0, end: 8 }] }), weights);
  await peer.stepped(1);
  assert.equal((await peer.checkpoint())[0]!.moments.stepCount, 8);
  first.failAt(1, "run");
  await training.contribute();
  assert.match(warnings(events)[0]!, /with moments of step 7$/);
  await peer.stepped(1);
  assert.equal((await peer.checkpoint())[0]!.moments.stepCount, 8);
});

Deno.test("training stands still while its optimizer is lent, and goes on when that is given back, taken or not", async () => {
  await using peer = openScene({ microBatch: 2 });
  const { training, weights } = peer, lent = Promise.withResolvers<void>();
  await training.train(peer.order(1, { ranges: [{ start: 0, end: 80 }] }), weights);
  await peer.stepped(1);
  let stepsAtBegin = -1;
  const lending = training.lendOptimizers(() => {
    stepsAtBegin = peer.steps;
    return lent.promise;
  });
  await until("it is lent", () => stepsAtBegin >= 0);
  for (let i = 0; i < 20; i++) await turn();
  assert.equal(peer.steps, stepsAtBegin);
  lent.reject(new Error("alas"));
  await assert.rejects(lending, /alas/);
  await peer.stepped(1);
});

Deno.test("training ends and says why when no device is left, and its peer goes on without contributing", async () => {
  const only = failingDevice(lost, { isForGood: true });
  await using peer = openScene({ microBatch: 2, devices: () => [only.device] });
  const { training, weights, events } = peer;
  only.failAt(20, "run");
  await training.train(peer.order(1), weights);
  await until("training has failed", () => events.some(({ kind }) => kind === "failed"));
  assert.deepEqual(events.findLast((event) => event.kind === "failed"), {
    kind: "failed",
    message: "no device is left",
  });
  assert.equal((await training.contribute()).bytes, null);
  await assert.rejects(training.evaluate(weights));
});

Deno.test("memory that runs out in the middle is saved by computing again, then by half the micro-batch; no window is lost", async () => {
  const device = failingDevice(short, { isForGood: false });
  await using peer = openScene({ codec: "f32", microBatch: 4, devices: () => [device.device] });
  const { training, weights, events } = peer;
  await training.train(peer.order(1, { ranges: [{ start: 0, end: 96 }] }), weights);
  // With one layer, all that is inside layers is no more.
  const wanted = [
    /no memory is left\. Training goes on in micro-batches of 4, with the outputs of norms and .* computed again; batches/,
    /no memory is left\. Training goes on in micro-batches of 2; batches stay as they are/,
  ];
  for (const [i, message] of wanted.entries()) {
    await peer.stepped(1);
    device.failAt(1, "read");
    await until("it warns", () => warnings(events).length > i);
    assert.match(warnings(events)[i]!, message);
  }
  const plans = events.flatMap((event) => event.kind === "memory" ? [`${event.microBatch}, ${event.recompute}`] : []);
  assert.deepEqual(plans, ["4, 0", "4, 1", "2, 0"]);
  await until("its lease is used up", () => events.some(({ kind }) => kind === "waiting"));
  const contribution = await training.contribute();
  assert.deepEqual([contribution.batch, contribution.microBatch], [8, 2]);
  assert.deepEqual(contribution.ranges, [{ start: 0, end: 96 }]);
});

Deno.test("memory that runs out again and again with one sequence at a time ends training with the device's own words", async () => {
  const plain = openPlainDevice();
  let isShort = false;
  const device: Device = {
    ...plain,
    run(program) {
      if (isShort && program.label === "update") throw short();
      plain.run(program);
    },
  };
  await using peer = openScene({ microBatch: 1, devices: () => [device] });
  const { training, weights, events } = peer;
  await training.train(peer.order(1), weights);
  isShort = true;
  await until("training has failed", () => events.some(({ kind }) => kind === "failed"));
  assert.ok(events.some((event) => event.kind === "failed" && /no memory is left/.test(event.message)));
});

Deno.test("a device without memory for a single sequence is asked again, and training goes on with nothing lost", async () => {
  const plain = openPlainDevice();
  let isFull = false;
  const device: Device = {
    ...plain,
    allocate(words, label) {
      if (isFull) throw new DeviceMemoryError("No memory is left");
      return plain.allocate(words, label);
    },
  };
  await using peer = openScene({ codec: "f32", microBatch: 2, devices: () => [device] });
  const { training, weights, events, clock } = peer;
  await training.train(peer.order(1, { ranges: [{ start: 0, end: 64 }] }), weights);
  await peer.stepped(2);

  isFull = true; // for everything new: a larger batch wants another trainer
  await training.train(peer.order(2, { ranges: [{ start: 16, end: 64 }], batch: 1 }), weights);
  assert.ok(warnings(events).some((message) => /No memory is left/.test(message)));
  await until("it says why it waits", () => events.some(({ kind }) => kind === "waiting"));
  assert.equal((await training.contribute()).bytes, null, "nothing can be cut without a trainer");
  assert.equal(events.some(({ kind }) => kind === "failed"), false);

  isFull = false;
  const startMs = clock.now();
  await training.train(peer.order(3, { ranges: [{ start: 16, end: 64 }], batch: 1 }), weights);
  await peer.stepped(3);
  assert.ok(clock.now() - startMs < 60_000);
  const { bytes, steps } = await training.contribute();
  assert.ok(bytes !== null && steps > 0);
});

Deno.test("whenever a device refuses memory once, the whole lease is trained in the batch that was asked for", async () => {
  for (const call of ["allocate", "run", "read", "write"] as const) {
    let refusals = 0;
    for (let at = 1; at < 400; at += call === "run" ? 29 : 3) {
      const plain = openPlainDevice();
      let callsLeft = at;
      const refuseOnce = () => {
        if (--callsLeft !== 0) return;
        refusals++;
        throw short();
      };
      const device: Device = {
        ...plain,
        allocate: (words, label) => (call === "allocate" && refuseOnce(), plain.allocate(words, label)),
        run: (program) => (call === "run" && refuseOnce(), plain.run(program)),
        read: async (spans) => (call === "read" && refuseOnce(), await plain.read(spans)),
        write: (span, values) => (call === "write" && refuseOnce(), plain.write(span, values)),
      };
      await using peer = openScene({ codec: "f32", microBatch: 4, devices: () => [device] });
      const { training, weights, events } = peer, where = `${call} ${at}`;
      await training.train(peer.order(1, { ranges: [{ start: 0, end: 16 }] }), weights);
      await until("its lease is used up", () => events.some(({ kind }) => kind === "waiting"));
      const { bytes, batch, ranges } = await training.contribute();
      assert.ok(bytes !== null, where);
      assert.equal(batch, 8, where);
      assert.deepEqual(ranges, [{ start: 0, end: 16 }], where);
      assert.equal(events.some(({ kind }) => kind === "failed"), false, where);
      if (callsLeft > 0) break; // it does not make so many calls
    }
    assert.ok(refusals > 0, `no ${call} was refused`);
  }
});

Deno.test("time in which weights are cut and rebased counts as waiting, and opening the trainer does not", async () => {
  const CUT_MS = 300, WRITE_MS = 40;
  const devices = (clock: VirtualClock) => {
    const device = openPlainDevice();
    return [
      {
        ...device,
        run(program) {
          if (program.label === "cut") clock.work(CUT_MS);
          device.run(program);
        },
        write(span, values) {
          if (span.buffer.label === "anchor") clock.work(WRITE_MS);
          device.write(span, values);
        },
      } satisfies Device,
    ];
  };
  await using peer = openScene({ devices });
  const { training, weights } = peer;
  await training.train(peer.order(1), weights);
  await peer.stepped(1);
  assert.equal((await training.contribute()).idleMs, 0);
  await training.train(peer.order(2), weights);
  await peer.stepped(1);
  assert.equal((await training.contribute()).idleMs, CUT_MS + 2 * WRITE_MS);
});

Deno.test("only waiting that a person can do something about is told, and it is counted from the first order", async () => {
  await using peer = openScene();
  const { training, weights, events, clock } = peer;
  for (let turns = 0; turns < 5; turns++) await turn();
  clock.work(5000);
  await training.train(peer.order(1, { ranges: [] }), weights);
  for (let turns = 0; turns < 5; turns++) await turn();
  assert.ok((await training.contribute()).idleMs < 1000);
  assert.deepEqual(events.filter(({ kind }) => kind === "waiting"), []);
});
