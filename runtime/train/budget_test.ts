import { strict as assert } from "node:assert";
import type { Device } from "../device/device.ts";
import { countingWindows } from "../../tests/tiny_models.ts";
import { type ModelConfig, modelConfigSchema } from "../model/config.ts";
import { openTrainer } from "./trainer.ts";
import type { Precision } from "./training_graph.ts";

/** A device that has no memory and computes nothing, but counts. */
function countingDevice() {
  const counts = { allocations: 0, preparations: 0, submits: 0, dispatches: 0 };
  const device: Device = {
    kind: "plain",
    description: "counts",
    storesF16: true,
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

const sizes = { vocabularySize: 50_257, contextLength: 1024, layerCount: 12, headCount: 12, width: 768, tied: true };
const gpt2 = modelConfigSchema.parse({ ...sizes, family: "gpt2", keyValueHeadCount: 12, hiddenWidth: 3072 });
const llama = modelConfigSchema.parse({ ...sizes, family: "llama", keyValueHeadCount: 4, hiddenWidth: 2048 });

async function countStep(model: ModelConfig, microBatches: number, precision: Precision = "f32") {
  const { device, counts } = countingDevice();
  await using trainer = await openTrainer({ device, model, microBatch: 4, precision });
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

Deno.test("a step of a twelve-layer model has at most 350 dispatches and 10 submits, and allocates nothing", async () => {
  for (const [model, wanted] of [[gpt2, 345], [llama, 317]] as const) { // said in ARCHITECTURE.md
    const { allocations, preparations, submits, dispatches } = await countStep(model, 1);
    assert.equal(dispatches, wanted, model.family);
    assert.ok(dispatches <= 350, `${model.family}: ${dispatches} dispatches`);
    assert.ok(submits <= 10, `${model.family}: ${submits} submits`);
    assert.deepEqual({ allocations, preparations }, { allocations: 0, preparations: 0 });
  }
});

Deno.test("a step in f16 has two dispatches more: the copy of the matrices, and the loss scale", async () => {
  for (const model of [gpt2, llama]) {
    const f32 = await countStep(model, 1), f16 = await countStep(model, 1, "f16");
    assert.deepEqual(f16, { ...f32, dispatches: f32.dispatches + 2 });
  }
});

Deno.test("more micro-batches repeat the forward and backward programs and nothing else", async () => {
  const one = await countStep(gpt2, 1), two = await countStep(gpt2, 2), three = await countStep(gpt2, 3);
  assert.equal(three.dispatches - two.dispatches, two.dispatches - one.dispatches);
  assert.equal(one.dispatches - (two.dispatches - one.dispatches), 7); // clear two, norm two, what broke, note the loss, AdamW
  assert.deepEqual({ ...three, submits: 0, dispatches: 0 }, { ...one, submits: 0, dispatches: 0 });
});
