import { strict as assert } from "node:assert";
import { tinyGpt2 } from "../../tests/tiny_models.ts";
import { flopsOfToken, reportProfile, shapeText } from "./report.ts";
import type { ProfiledDispatch, StepProfile } from "./step_profile.ts";

/** 100 GFLOP/s and 10 GB/s: a million operations take 0.01 ms, a million bytes 0.1 ms. */
const PEAK = { gflops: 100, gbps: 10 };

const product = (M: number, flops: number): ProfiledDispatch => {
  return { kernel: "matmul", shape: { M, N: 8, BIAS: 0, ACCUMULATE: 1 }, f16: [], work: { flops, bytes: 1e3 } };
};
const added: ProfiledDispatch = { kernel: "add", shape: { COUNT: 9 }, f16: [], work: { flops: 1e3, bytes: 2e6 } };

const profile: StepProfile = {
  device: "made up",
  timing: "clock",
  model: tinyGpt2,
  parameterCount: 1000,
  precision: "f32",
  batch: 4,
  stepMs: 12,
  programs: [
    { label: "forward 1", dispatches: [product(64, 100e6), added] },
    { label: "forward 2", dispatches: [product(32, 50e6)] },
    { label: "backward 1", dispatches: [product(64, 100e6)] },
  ],
  times: [[2, 0.5, 1, 6], [4, 0.3, 1, 4], [2, 0.4, 1, 4]],
  peakBytes: 5000,
};

const report = reportProfile(profile, PEAK);
const near = (found: number, wanted: number) => assert.ok(Math.abs(found - wanted) < 1e-9 * wanted, `${found}`);

Deno.test("reportProfile() takes the median of each dispatch, and leaves the rest of the step to what is between", () => {
  near(report.dispatchMs, 2 + 0.4 + 1 + 4);
  near(report.betweenMs, 12 - 7.4);
  assert.deepEqual([report.dispatches, report.submits], [4, 3]);
  assert.deepEqual(report.parts.map(({ part }) => part), ["forward", "backward"]);
  near(report.parts[0]!.ms, 3.4);
  near(report.parts[1]!.share, 4 / 7.4);
});

Deno.test("reportProfile() puts dispatches of one kernel and shape together, the longest first", () => {
  assert.deepEqual(
    report.kernels.map((
      { kernel, count, shapes },
    ) => [kernel, count, shapes.map(({ shape, count }) => [shape, count])]),
    [
      ["matmul", 3, [["M 64 N 8 ACCUMULATE", 2], ["M 32 N 8 ACCUMULATE", 1]]],
      ["add", 1, [["COUNT 9", 1]]],
    ],
  );
  near(report.kernels[0]!.ms, 7);
  near(report.kernels[0]!.share, 7 / 7.4);
});

Deno.test("reportProfile() says what bounds a kernel, its rate, and the fraction of the least time that it could take", () => {
  const [matmul, add] = report.kernels;
  assert.equal(matmul!.boundBy, "arithmetic");
  near(matmul!.gflops, 250e6 / 7e6);
  near(matmul!.fractionOfPeak, 2.5 / 7);
  near(matmul!.shapes[1]!.fractionOfPeak, 0.5);
  assert.equal(add!.boundBy, "memory");
  near(add!.gbps, 2e6 / 0.4e6);
  near(add!.fractionOfPeak, 0.5);
});

Deno.test("reportProfile() counts 6N + 6LCT operations a token, and what of the peak that is", () => {
  assert.equal(flopsOfToken(tinyGpt2, 1000), 6 * 1000 + 6 * 2 * 12 * 9);
  near(report.tokensPerSecond, 4 * 9 / 0.012);
  near(report.mfu, 7296 * 3000 / 100e9);
});

Deno.test("reportProfile() gives no rate to what took no measurable time", () => {
  const instant = reportProfile({ ...profile, times: [[0, 1, 1, 0]] }, PEAK);
  const found = instant.kernels[0]!.shapes.find(({ shape }) => shape.startsWith("M 64"))!;
  assert.deepEqual([found.ms, found.gflops, found.gbps, found.fractionOfPeak], [0, 0, 0, 0]);
});

Deno.test("shapeText() leaves out switches that are off, keeps sizes of one, and names what is in f16", () => {
  const shape = { M: 1, N: 0, TRANSPOSE_A: 0, TRANSPOSE_B: 1, EPSILON: 1e-5 };
  assert.equal(shapeText({ shape, f16: ["a", "y"] }), "M 1 N 0 EPSILON 0.00001 TRANSPOSE_B f16: a y");
  assert.equal(shapeText({ shape: { COUNT: 1, ACCUMULATE: 0 }, f16: [] }), "COUNT 1");
});
