import { strict as assert } from "node:assert";
import { checkKernel, gpuTest, noise, U } from "../tests/kernels/check.ts";
import { evaluate, expectGradient } from "../tests/kernels/finite_differences.ts";
import { crossEntropy, IGNORED_TARGET } from "./cross_entropy.ts";

Deno.test("crossEntropy's gradient agrees with finite differences of the scaled sum of losses", () => {
  const N = 4, V = 9, logits = noise(N * V, 1, 4), targets = [3, IGNORED_TARGET, 0, 8], scale = [0.37];
  const [gradient] = evaluate(crossEntropy, {
    shape: { N, V, GRADIENT: 1 },
    inputs: { logits, targets, scale },
    outputs: ["logits"],
  });
  const scalar = (logits: Float64Array) => {
    const inputs = { logits, targets, scale };
    const [losses] = evaluate(crossEntropy, { shape: { N, V, GRADIENT: 0 }, inputs, outputs: ["losses"] });
    return losses.reduce((sum, loss) => sum + scale[0]! * loss, 0);
  };
  expectGradient({ name: "logits", at: logits, scalar, gradient });
});

Deno.test("crossEntropy of equal logits is the logarithm of the vocabulary, whatever their size", () => {
  const V = 50, inputs = { logits: new Float64Array(V).fill(-700), targets: [7], scale: [1] };
  const [losses] = evaluate(crossEntropy, { shape: { N: 1, V, GRADIENT: 0 }, inputs, outputs: ["losses"] });
  assert.ok(Math.abs(losses[0]! - Math.log(V)) < 1e-12);
});

Deno.test("crossEntropy leaves the logits alone without GRADIENT, and ignores ignored rows with it", () => {
  const logits = noise(6, 1), inputs = { logits, targets: [1, IGNORED_TARGET], scale: [1] };
  const [same, losses] = evaluate(crossEntropy, {
    shape: { N: 2, V: 3, GRADIENT: 0 },
    inputs,
    outputs: ["logits", "losses"],
  });
  assert.deepEqual(same, Float64Array.from(logits));
  assert.equal(losses[1], 0);
  const [gradient] = evaluate(crossEntropy, { shape: { N: 2, V: 3, GRADIENT: 1 }, inputs, outputs: ["logits"] });
  assert.deepEqual(gradient.subarray(3), new Float64Array(3));
});

// A row is read by 256 invocations.
for (
  const { N, V, GRADIENT, logitScale } of [
    { N: 1, V: 1, GRADIENT: 1, logitScale: 1 },
    { N: 5, V: 255, GRADIENT: 1, logitScale: 4 },
    { N: 3, V: 257, GRADIENT: 0, logitScale: 4 },
    { N: 5, V: 1028, GRADIENT: 1, logitScale: 4 },
    { N: 4, V: 1009, GRADIENT: 1, logitScale: 80 },
  ]
) {
  gpuTest(
    `crossEntropy on a GPU equals its reference for ${N} × ${V} logits up to ±${logitScale}, GRADIENT ${GRADIENT}`,
    async () => {
      const scale = 0.25, targets = [V - 1, 0, IGNORED_TARGET, V >> 1, 3].slice(0, N);
      const logits = noise(N * V, 1, logitScale);
      const { logits: gradient } = await checkKernel(crossEntropy, {
        shape: { N, V, GRADIENT },
        inputs: { logits, targets, scale: [scale] },
        tolerances: tolerances(scale),
      });
      if (GRADIENT === 0) return;
      for (let n = 0; n < N; n++) {
        const sum = gradient!.subarray(n * V, (n + 1) * V).reduce((sum, value) => sum + value, 0);
        assert.ok(Math.abs(sum) <= 1e-6 * scale, `row ${n} of the gradient sums to ${sum}`);
      }
    },
  );
}

gpuTest("crossEntropy on a GPU divides a row's probability between ties at 80", async () => {
  const V = 300, logits = Float32Array.from({ length: 2 * V }, (_, i) => i < V ? 80 : i % 2 === 0 ? 80 : -80);
  await checkKernel(crossEntropy, {
    shape: { N: 2, V, GRADIENT: 1 },
    inputs: { logits, targets: [299, 1], scale: [1] },
    tolerances: tolerances(1),
  });
});

/**
 * A probability is at most 1 and its exponential good to 3 ULP near 0, where it is large: 2e-7 absolute. A loss is a
 * difference of logits, rounded once, plus the logarithm of a sum: 2⁻²¹ for the one and some 20 roundings for the other.
 */
function tolerances(scale: number) {
  return {
    logits: () => 2e-7 * scale,
    losses: (wanted: number) => 2e-6 + U * Math.abs(wanted),
  };
}
