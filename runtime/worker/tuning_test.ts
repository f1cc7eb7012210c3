import { strict as assert } from "node:assert";
import { tinyGpt2 } from "../../tests/tiny_models.ts";
import { VirtualClock } from "../../tests/training_scene.ts";
import type { Device } from "../device/device.ts";
import { openPlainDevice } from "../device/plain.ts";
import type { TunedProducts } from "../tuning/tuned_products.ts";
import type { LearnerEvent } from "./messages.ts";
import { likelyMicroBatch, tuneForTraining } from "./tuning.ts";

/** Calls itself something, and computes with the references. */
function disguised(kind: Device["kind"], description: string): Device {
  return { ...openPlainDevice(), kind, description, timing: "timestamps" };
}

async function tune(device: Device, known: TunedProducts | null = null) {
  const events: LearnerEvent[] = [],
    clock = new VirtualClock(),
    tell = (event: LearnerEvent) => void events.push(event);
  const precisions = ["f32"] as const;
  const found = await tuneForTraining({ device, model: tinyGpt2, microBatch: 1, precisions, known, clock, tell });
  return { found, events };
}

Deno.test("a GPU is tuned once: progress is told, then what to keep, and with that nothing more is measured", async () => {
  const device = disguised("webgpu", "a GPU"), first = await tune(device);
  assert.deepEqual(first.events.map(({ kind }) => kind), ["tuning", "tuned"]); // the clock stands still: told once
  assert.ok(Object.keys(first.found![0]!.classes).length > 5);
  assert.deepEqual(first.events.at(-1), { kind: "tuned", products: first.found });
  assert.deepEqual(await tune(device, first.found), { found: first.found, events: [] });
});

Deno.test("a software driver and the cpu device are not tuned", async () => {
  const known = [{ subject: "a GPU", classes: {} }];
  for (const device of [disguised("webgpu", "llvmpipe, a software driver"), disguised("cpu", "cpu")]) {
    assert.deepEqual(await tune(device), { found: null, events: [] });
    assert.deepEqual(await tune(device, known), { found: known, events: [] });
  }
});

Deno.test("a GPU is tuned anew through Dawn, and what is known of it without is kept", async () => {
  const { found } = await tune(disguised("webgpu", "a GPU"));
  const { found: both, events } = await tune(disguised("dawn", "a GPU, through Dawn"), found);
  assert.deepEqual(events.map(({ kind }) => kind), ["tuning", "tuned"]);
  assert.deepEqual(both!.slice(1), found);
  assert.deepEqual(Object.keys(both![0]!.classes), Object.keys(found![0]!.classes));
  assert.deepEqual((await tune(disguised("webgpu", "a GPU"), both)).events, []);
});

Deno.test("a likely micro-batch is as many sequences as keep a device busy, and no more than the batch", () => {
  assert.deepEqual([1024, 512, 8192].map((contextLength) => likelyMicroBatch({ ...tinyGpt2, contextLength }, 6)), [
    4,
    6,
    1,
  ]);
});
