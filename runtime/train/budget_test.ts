import { strict as assert } from "node:assert";
import type { Device, DeviceKind } from "../device/device.ts";
import { countingWindows } from "../../tests/tiny_models.ts";
import { gpt2Small as gpt2, llamaSmall as llama } from "../../tests/twelve_layers.ts";
import type { ModelConfig } from "../model/config.ts";
import { openTrainer } from "./trainer.ts";
import type { Precision } from "./training_graph.ts";

/** A device that has no memory and computes nothing, but counts. */
function countingDevice(kind: DeviceKind) {
  const counts = { allocations: 0, preparations: 0, submits: 0, dispatches: 0 };
  const device: Device = {
    kind,
    description: "counts",
    storesF16: true,
    features: new Set(),
    allocate(words, label) {
      counts.allocations++;
      return { words, label };
    },
    free() {},
    write() {},
    read: (spans) => Promise.resolve(spans.map(() => new Float32Array())),
    prepare(dispatches, label) {
      counts.preparations++;
      return Promise.resolve({ label, dispatchCount: dispatches.length });
    },
    run({ dispatchCount }) {
      counts.submits++;
      counts.dispatches += dispatchCount;
    },
    timing: "clock",
    profile: ({ dispatchCount }) => Promise.resolve(Array<number>(dispatchCount).fill(0)),
    idle: () => Promise.resolve(),
    memory: () => ({ bytes: 0, peakBytes: 0 }),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
  return { device, counts };
}

interface StepOptions {
  /** Default webgpu. */
  readonly kind?: DeviceKind;
  readonly precision?: Precision;
  readonly logitsBytes?: number;
  readonly tokensPerSecond?: number;
}

async function countStep(model: ModelConfig, microBatches: number, { kind = "webgpu", ...options }: StepOptions = {}) {
  const { device, counts } = countingDevice(kind);
  await using trainer = await openTrainer({ device, model, microBatch: 4, ...options });
  const opened = { ...counts };
  trainer.step(countingWindows(4 * microBatches, model), {
    rate: 1e-3,
    beta1: 0.9,
    beta2: 0.95,
    epsilon: 1e-8,
    decay: 0.1,
    clip: 1,
  });
  return {
    allocations: counts.allocations - opened.allocations,
    preparations: counts.preparations - opened.preparations,
    submits: counts.submits,
    dispatches: counts.dispatches,
  };
}

Deno.test("a step of a twelve-layer model has at most 350 dispatches on a GPU and 10 submits, and allocates nothing", async () => {
  const wanted = [[gpt2, "webgpu", 345], [llama, "webgpu", 317], [gpt2, "cpu", 357], [llama, "cpu", 329]] as const;
  for (const [model, kind, count] of wanted) { // said in ARCHITECTURE.md
    const { allocations, preparations, submits, dispatches } = await countStep(model, 1, { kind });
    assert.equal(dispatches, count, `${model.family} on ${kind}`);
    assert.ok(kind === "cpu" || dispatches <= 350, `${model.family}: ${dispatches} dispatches`);
    assert.ok(submits <= 10, `${model.family}: ${submits} submits`);
    assert.deepEqual({ allocations, preparations }, { allocations: 0, preparations: 0 });
  }
});

Deno.test("programs go by the measured speed: at most 10 submits where a step takes half a second, over 100 where it takes ten", async () => {
  for (const model of [gpt2, llama]) {
    const { submits: ordinary } = await countStep(model, 1, { tokensPerSecond: 2 * 4096 });
    assert.ok(ordinary <= 10, `${model.family}: ${ordinary} submits in half a second`);
    const { submits: slow } = await countStep(model, 1, { tokensPerSecond: 4096 / 10 });
    assert.ok(slow > 100 && slow < 160, `${model.family}: ${slow} submits in ten seconds`);
  }
});

Deno.test("a step in f16 has two dispatches more: the copy of the matrices, and the loss scale", async () => {
  for (const model of [gpt2, llama]) {
    const f32 = await countStep(model, 1), f16 = await countStep(model, 1, { precision: "f16" });
    assert.deepEqual(f16, { ...f32, dispatches: f32.dispatches + 2 });
  }
});

Deno.test("more micro-batches repeat the forward and backward programs and nothing else", async () => {
  const one = await countStep(gpt2, 1), two = await countStep(gpt2, 2), three = await countStep(gpt2, 3);
  assert.equal(three.dispatches - two.dispatches, two.dispatches - one.dispatches);
  assert.equal(one.dispatches - (two.dispatches - one.dispatches), 7); // clear two, norm two, what broke, note the loss, AdamW
  assert.deepEqual({ ...three, submits: 0, dispatches: 0 }, { ...one, submits: 0, dispatches: 0 });
});
