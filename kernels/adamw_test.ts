import { strict as assert } from "node:assert";
import { whole } from "../runtime/device/device.ts";
import { checkKernel, gpuTest, noise, testDevice, U } from "../tests/kernels/check.ts";
import { evaluate, innerProduct } from "../tests/kernels/finite_differences.ts";
import { adamw, adamwStep } from "./adamw.ts";

const options = { rate: 0.1, beta1: 0.9, beta2: 0.95, epsilon: 1e-8, decay: 0.1, clip: 0 };
const outputs = ["p", "m", "v"] as const;

Deno.test("adamw gives PyTorch's parameters for three equal gradients", () => {
  let p: Float64Array = Float64Array.of(1), m: Float64Array = Float64Array.of(0), v: Float64Array = Float64Array.of(0);
  for (const [t, wanted] of [[1, 0.89], [2, 0.7811], [3, 0.673289]] as const) {
    const step = exactStep(t);
    [p, m, v] = evaluate(adamw, {
      shape: { COUNT: 1, DECAYED: 1 },
      inputs: { p, g: [2], m, v, norm: [2, 0, 1, 1], step },
      outputs,
    });
    assert.ok(Math.abs(p[0]! - wanted) < 1e-8, `step ${t}: ${p[0]}`);
  }
});

Deno.test("adamw scales gradients by clip / norm above the clip, and leaves them alone below or with clip 0", () => {
  for (const [norm, clip, wanted] of [[4, 1, 0.25 / (1 + 0.25e-6)], [0.5, 1, 1], [4, 0, 1]] as const) {
    const [, m] = evaluate(adamw, {
      shape: { COUNT: 1, DECAYED: 0 },
      inputs: { p: [1], g: [1], norm: [norm, 0, 1, 1], step: [0.1, 0.5, 0.5, 1e-8, 0, 0.5, 0.5, clip] },
      outputs,
    });
    assert.ok(Math.abs(m[0]! - wanted / 2) < 1e-12, `norm ${norm}, clip ${clip}: ${m[0]}`);
  }
});

Deno.test("adamw multiplies gradients with the factor that the norm's kernels give", () => {
  const [, m] = evaluate(adamw, {
    shape: { COUNT: 1, DECAYED: 0 },
    inputs: { p: [1], g: [96], norm: [4, 0, 1 / 32, 32], step: [0.1, 0.5, 0.5, 1e-8, 0, 0.5, 0.5, 2] },
    outputs,
  });
  assert.ok(Math.abs(m[0]! - 0.5 * 3 * 2 / (4 + 1e-6)) < 1e-12, `${m[0]}`);
});

Deno.test("adamw decays only the first DECAYED parameters", () => {
  const [p] = evaluate(adamw, {
    shape: { COUNT: 2, DECAYED: 1 },
    inputs: { p: [1, 1], g: [0, 0], norm: [0, 0, 1, 1], step: exactStep(1) },
    outputs,
  });
  assert.ok(Math.abs(p[0]! - 0.99) < 1e-12);
  assert.equal(p[1], 1);
});

const cases = [
  { COUNT: 1, DECAYED: 1, clip: 0, gradient: 0.3 },
  { COUNT: 3, DECAYED: 2, clip: 1e-5, gradient: 1e-5 }, // so small that the 1e-6 beside the norm counts
  { COUNT: 256, DECAYED: 100, clip: 1, gradient: 0.3 },
  { COUNT: 1031, DECAYED: 1031, clip: 0.01, gradient: 0.3 },
  { COUNT: 2052, DECAYED: 1028, clip: 1, gradient: 0.3 },
  { COUNT: 1031, DECAYED: 0, clip: 0, gradient: 0.3 },
];

for (const { COUNT, DECAYED, clip, gradient } of cases) {
  gpuTest(`adamw on a GPU equals its reference for ${COUNT} values, ${DECAYED} decayed, clip ${clip}`, async () => {
    const p = noise(COUNT, 1), g = noise(COUNT, 2, gradient), m = noise(COUNT, 3, 0.1);
    const v = noise(COUNT, 4, 0.1).map(Math.abs);
    if (COUNT > 3) {
      v.set([0, 0, 1e-20]);
      g.set([0, 1e-12, 1e10]); // no second moment yet, and a huge gradient
    }
    await checkKernel(adamw, {
      shape: { COUNT, DECAYED },
      inputs: {
        p,
        g,
        m,
        v,
        norm: [Math.sqrt(innerProduct(g, g)), 0, 0.7, 1],
        step: adamwStep({ ...options, clip, t: 3 }),
      },
      tolerances: {
        // A division and a root of 2.5 units each, a dozen roundings: 1e-6 of the largest of the parts.
        p: (wanted, i) => 1e-6 * (Math.abs(wanted) + Math.abs(p[i]!) + options.rate),
        m: (_, i) => 4 * U * (Math.abs(m[i]!) + Math.abs(g[i]!)),
        v: (wanted) => 8 * U * wanted + 2 ** -126, // a GPU may flush what is below
      },
    });
  });
}

for (const [title, norm] of Object.entries({ "a NaN": [1, 1, 1, 1], "a norm that overflowed": [Infinity, 0, 1, 1] })) {
  gpuTest(`adamw on a GPU changes nothing after ${title}`, async () => {
    const COUNT = 300, p = noise(COUNT, 1), m = noise(COUNT, 3), v = noise(COUNT, 4).map(Math.abs);
    const found = await checkKernel(adamw, {
      shape: { COUNT, DECAYED: COUNT },
      inputs: { p, g: noise(COUNT, 2).fill(NaN, 7, 8), m, v, norm, step: adamwStep({ ...options, clip: 1, t: 1 }) },
      tolerances: { p: () => 0, m: () => 0, v: () => 0 },
    });
    assert.deepEqual([found["p"], found["m"], found["v"]], [p, m, v]);
  });
}

gpuTest("adamw on a GPU drifts less than 1e-4 from its f64 reference in 1000 steps", async () => {
  const COUNT = 128, shape = { COUNT, DECAYED: 64 }, device = await testDevice();
  const buffer = { p: COUNT, g: COUNT, m: COUNT, v: COUNT, norm: 4, step: 8 };
  const spans = Object.fromEntries(
    Object.entries(buffer).map(([name, words]) => [name, whole(device.allocate(words, name))]),
  );
  const program = await device.prepare([{ kernel: adamw, shape, spans }], "adamw");
  let p: Float64Array = Float64Array.from(noise(COUNT, 1));
  let m: Float64Array = new Float64Array(COUNT), v: Float64Array = new Float64Array(COUNT);
  device.write(spans["p"]!, Float32Array.from(p));
  for (let t = 1; t <= 1000; t++) {
    const g = noise(COUNT, t), norm = Float32Array.of(Math.sqrt(innerProduct(g, g)), 0, 1, 1);
    const step = adamwStep({ ...options, rate: 1e-2, clip: 1, t });
    device.write(spans["g"]!, g);
    device.write(spans["norm"]!, norm);
    device.write(spans["step"]!, step);
    device.run(program);
    [p, m, v] = evaluate(adamw, { shape, inputs: { p, g, m, v, norm, step }, outputs });
  }
  const [found] = await device.read([spans["p"]!]);
  const difference = p.map((value, i) => value - found![i]!);
  const drift = Math.sqrt(innerProduct(difference, difference) / innerProduct(p, p));
  assert.ok(drift < 1e-4, `${drift}`);
  Object.values(spans).forEach((span) => device.free(span.buffer));
});

/** `adamwStep()` without its rounding to f32, for a reference in f64. */
function exactStep(t: number): number[] {
  const { rate, beta1, beta2, epsilon, decay, clip } = options;
  return [rate, beta1, beta2, epsilon, decay, 1 - beta1 ** t, 1 - beta2 ** t, clip];
}
