import { strict as assert } from "node:assert";
import { tinyGpt2 } from "../../tests/tiny_models.ts";
import type { StepProfile } from "./step_profile.ts";
import { type TraceEvent, traceOf } from "./trace.ts";

const dispatch = (kernel: string, flops: number) => {
  return { kernel, shape: { COUNT: 8 }, f16: [], work: { flops, bytes: 4e6 } };
};
const profile: StepProfile = {
  device: "made up",
  timing: "timestamps",
  model: tinyGpt2,
  parameterCount: 1000,
  precision: "f32",
  batch: 4,
  stepMs: 12,
  programs: [
    { label: "forward 1", dispatches: [dispatch("a", 8e6), dispatch("b", 0)] },
    { label: "backward 1", dispatches: [dispatch("c", 1e6)] },
  ],
  times: [[1, 0.25, 0.3333333], [0.5, 0, 2]],
  peakBytes: 5000,
};
const { traceEvents } = traceOf(profile);
const slices = (cat: string) =>
  traceEvents.filter((event): event is Extract<TraceEvent, { ph: "X" }> => event.ph === "X" && event.cat === cat);

Deno.test("traceOf() draws steps, programs and dispatches on a track each, named for people", () => {
  const names = traceEvents.flatMap((event) => event.ph === "M" && event.name !== "thread_sort_index" ? [event] : []);
  assert.deepEqual(names.map(({ tid, args }) => [tid, args["name"]]), [
    [0, "made up"],
    [1, "steps"],
    [2, "programs"],
    [3, "dispatches"],
  ]);
  const drawn = ["steps", "programs", "dispatches"].map((cat) => slices(cat).map(({ name, tid }) => `${tid} ${name}`));
  assert.deepEqual(drawn, [
    ["1 step 1", "1 step 2"],
    ["2 forward 1", "2 backward 1", "2 forward 1", "2 backward 1"],
    ["3 a", "3 b", "3 c", "3 a", "3 b", "3 c"],
  ]);
});

Deno.test("traceOf() lays slices of a track one after another, in microseconds, programs around their dispatches", () => {
  assert.deepEqual(slices("dispatches").map(({ ts, dur }) => [ts, dur]), [
    [0, 1000],
    [1000, 250],
    [1250, 333.333],
    [1583.333, 500],
    [2083.333, 0],
    [2083.333, 2000],
  ]);
  assert.deepEqual(slices("programs").map(({ ts, dur }) => [ts, dur]), [
    [0, 1250],
    [1250, 333.333],
    [1583.333, 500],
    [2083.333, 2000],
  ]);
  assert.deepEqual(slices("steps").map(({ ts, dur }) => [ts, dur]), [[0, 1583.333], [1583.333, 2500]]);
});

Deno.test("traceOf() says of each dispatch its shape and rates, and survives JSON: no rate of what took no time", () => {
  const events = JSON.parse(JSON.stringify(traceOf(profile))).traceEvents as TraceEvent[];
  assert.deepEqual(events, traceEvents);
  assert.deepEqual(slices("dispatches")[0]!.args, { shape: "COUNT 8", gflops: 8, gbps: 4 });
  assert.deepEqual(slices("dispatches")[4]!.args, { shape: "COUNT 8" });
});
