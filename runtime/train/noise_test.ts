import { strict as assert } from "node:assert";
import { chance } from "../../tests/chance.ts";
import { normal } from "../../tests/normal.ts";
import { initialWeights, parameterLayout } from "../model/parameters.ts";
import { countingWindows, tinyGpt2 } from "../../tests/tiny_models.ts";
import { openCpuDevice } from "../device/cpu.ts";
import { inspect } from "./inspect.ts";
import { type NoiseFigures, noiseOf } from "./noise.ts";
import { openTrainer } from "./trainer.ts";

// Gradients of single sequences are G + N(0, I) in 1,000 dimensions with |G|² = 10: tr Σ = 1000, and the noise scale
// tr Σ / |G|² is 100. The mean gradient of m of them is drawn as G + N(0, I/m).
const DIMENSIONS = 1000, SIGNAL = 10, VARIANCE = 1000;
const G = Math.sqrt(SIGNAL / DIMENSIONS);

/** Mean gradients of so many micro-batches of m sequences. */
function draw(count: number, m: number, seed: number): Float32Array[] {
  const noise = normal(count * DIMENSIONS, seed).map((value) => G + value / Math.sqrt(m));
  return Array.from({ length: count }, (_, k) => noise.subarray(k * DIMENSIONS, (k + 1) * DIMENSIONS));
}

function dot(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!;
  return sum;
}

function meanOf(vectors: readonly ArrayLike<number>[]): Float64Array {
  return Float64Array.from(
    vectors[0]!,
    (_, i) => vectors.reduce((sum, vector) => sum + vector[i]!, 0) / vectors.length,
  );
}

const halvesOf = (first: ArrayLike<number>, second: ArrayLike<number>, m: number) =>
  noiseOf({ first: dot(first, first), second: dot(second, second), inner: dot(first, second), sequences: [m, m] });

/** The same two figures from K micro-batches of m, and from two batch sizes (McCandlish et al., equation A.3). */
function fromMicroBatches(gradients: readonly ArrayLike<number>[], m: number) {
  const K = gradients.length, mean = meanOf(gradients);
  const small = gradients.reduce((sum, g) => sum + dot(g, g), 0) / K, big = dot(mean, mean);
  return {
    byMicroBatches: { variance: m * K / (K - 1) * (small - big), signal: (K * big - small) / (K - 1) },
    byTwoSizes: {
      variance: (small - big) / (1 / m - 1 / (K * m)),
      signal: (K * m * big - m * small) / (K * m - m),
    },
  };
}

const average = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;
const deviation = (values: readonly number[]) => {
  const mean = average(values);
  return Math.sqrt(average(values.map((value) => (value - mean) ** 2)));
};
const near = (what: string, found: number, wanted: number, tolerance: number) =>
  assert.ok(Math.abs(found - wanted) <= tolerance, `${what} is ${found}, wanted ${wanted} ± ${tolerance}`);

Deno.test("halves, micro-batches and two batch sizes are one estimator, to 1e-6", () => {
  for (let seed = 1; seed <= 20; seed++) {
    const pair = draw(2, 32, seed), { variance, signal } = halvesOf(pair[0]!, pair[1]!, 32);
    const { byMicroBatches, byTwoSizes } = fromMicroBatches(pair, 32), many = fromMicroBatches(draw(8, 8, seed), 8);
    for (
      const [one, other] of [[{ variance, signal }, byMicroBatches], [byMicroBatches, byTwoSizes], [
        many.byMicroBatches,
        many.byTwoSizes,
      ]] as const
    ) {
      near(`variance of seed ${seed}`, one.variance, other.variance, 1e-6 * other.variance);
      near(`signal of seed ${seed}`, one.signal, other.signal, 1e-6 * (1 + Math.abs(other.signal)));
    }
  }
});

Deno.test("of a batch of 64 on a quadratic, halves give tr Σ and |G|² with the spread that theory gives", () => {
  const draws = Array.from({ length: 400 }, (_, i) => {
    const [first, second] = draw(2, 32, 100 + i);
    return halvesOf(first!, second!, 32);
  });
  const variances = draws.map(({ variance }) => variance), signals = draws.map(({ signal }) => signal);
  const spread = { variance: Math.sqrt(2 * DIMENSIONS), signal: Math.sqrt(2 * SIGNAL / 32 + DIMENSIONS / 32 ** 2) };
  near("mean variance", average(variances), VARIANCE, 3 * spread.variance / 20); // χ² of 1,000 degrees of freedom
  near("spread of the variance", deviation(variances), spread.variance, 0.12 * spread.variance);
  near("mean signal", average(signals), SIGNAL, 3 * spread.signal / 20);
  near("spread of the signal", deviation(signals), spread.signal, 0.12 * spread.signal);
  near("batch of the norm test with η = ½", average(variances) / (0.25 * average(signals)), 400, 0.05 * 400);
  const plugIn = average(signals) + average(variances) / 64; // |ḡ|² of 64, on average
  near("the same by the plug-in test", average(variances) / (0.25 * plugIn), 156, 5);
  // ⟨gᵢ, G⟩ varies by |G|²; noise adds tr Σ² / 2m.
  near("along", average(draws.map(({ along }) => along)), SIGNAL + DIMENSIONS / 64, 0.3 * (SIGNAL + DIMENSIONS / 64));
});

Deno.test("single sequences of a batch of 64 give tr Σ within 18 and |G|² within 1.1 a draw", () => {
  const draws = Array.from({ length: 150 }, (_, i) => fromMicroBatches(draw(64, 1, 900 + i), 1).byMicroBatches);
  near("mean variance", average(draws.map(({ variance }) => variance)), VARIANCE, 1.5);
  near("its spread", deviation(draws.map(({ variance }) => variance)), Math.sqrt(2 * DIMENSIONS / 63), 1);
  near("mean signal", average(draws.map(({ signal }) => signal)), SIGNAL, 0.3);
  near("its spread", deviation(draws.map(({ signal }) => signal)), 1.1, 0.2);
});

Deno.test("the noise scale is the quotient of means; the mean of quotients is biased high", () => {
  const draws = Array.from({ length: 1000 }, (_, i) => fromMicroBatches(draw(8, 8, 3000 + i), 8).byTwoSizes);
  const variance = average(draws.map(({ variance }) => variance)), signal = average(draws.map(({ signal }) => signal));
  near("tr Σ", variance, VARIANCE, 2);
  near("|G|²", signal, SIGNAL, 0.1);
  near("noise scale", variance / signal, 100, 3);
  const ofQuotients = average(draws.map(({ variance, signal }) => variance / signal));
  assert.ok(ofQuotients > variance / signal + 0.5, `${ofQuotients} against ${variance / signal}`);
});

Deno.test("halves of 5 and 11 sequences give the same in the mean as equal ones", () => {
  const variances: number[] = [], signals: number[] = [];
  for (let seed = 0; seed < 400; seed++) {
    const [first] = draw(1, 5, 7000 + seed), [second] = draw(1, 11, 8000 + seed);
    const inner = dot(first!, second!);
    const figures = noiseOf({ first: dot(first!, first!), second: dot(second!, second!), inner, sequences: [5, 11] });
    variances.push(figures.variance);
    signals.push(figures.signal);
  }
  near("mean variance", average(variances), VARIANCE, 8);
  near("mean signal", average(signals), SIGNAL, 0.8);
});

Deno.test("noiseOf() never gives a variance below 0, whatever rounding did", () => {
  assert.equal(noiseOf({ first: 1, second: 1, inner: 1 + 1e-7, sequences: [4, 4] }).variance, 0);
});

Deno.test("measured steps of a real model agree with the gradients of its sequences, one by one", async () => {
  await using device = await openCpuDevice({ threads: 1 });
  const model = tinyGpt2, weights = initialWeights(model, 1), population = countingWindows(24, model), m = 4;
  const gradients: Float64Array[] = [];
  for (const window of population) {
    const look = await inspect({ device, model, weights, windows: [window] }), arena: number[] = [];
    for (const { name } of parameterLayout(model).parameters) arena.push(...look.gradients.get(name)!);
    gradients.push(Float64Array.from(arena));
  }
  const mean = meanOf(gradients), signal = dot(mean, mean), inner = gradients.map((g) => dot(g, mean));
  const variance = average(gradients.map((g) => dot(g, g))) - signal, along = deviation(inner) ** 2;

  await using trainer = await openTrainer({ device, model, microBatch: m, outer: false, measured: true });
  trainer.writeWeights(weights);
  const seed = 11, random = chance(seed), draws: NoiseFigures[] = [], still = { ...settings, rate: 0 };
  for (let step = 0; step < 400; step++) {
    trainer.step(Array.from({ length: 2 * m }, () => random.pick(population)), still, { halves: true });
    if (step % 50 === 49) draws.push(...(await trainer.readMetrics()).map(({ halves }) => noiseOf(halves!)));
  }
  assert.equal(draws.length, 400);
  for (const [name, wanted] of [["variance", variance], ["signal", signal]] as const) {
    const values = draws.map((draw) => draw[name]),
      standardError: number = deviation(values) / Math.sqrt(values.length);
    assert.ok(standardError < 0.05 * wanted, `seed ${seed}: ${name} is known to ${standardError / wanted} only`);
    near(`seed ${seed}: ${name}`, average(values), wanted, 3 * standardError);
  }
  // The bias of `along`, exactly: for other than normal distributions tr Σ² / 2m is the largest part of three.
  const centred = gradients.map((g) => g.map((value, i) => value - mean[i]!)), sizes = centred.map((d) => dot(d, d));
  const squared = average(centred.map((d) => average(centred.map((other) => dot(d, other) ** 2)))); // tr Σ²
  const skew = average(centred.map((d, i) => dot(d, mean) * sizes[i]!));
  const wanted = along + (m - 1) / (2 * m * m) * squared + deviation(sizes) ** 2 / (4 * m * m) + skew / m;
  const values = draws.map((draw) => draw.along), standardError: number = deviation(values) / Math.sqrt(values.length);
  assert.ok(standardError < 0.08 * wanted, `seed ${seed}: along is known to ${standardError / wanted} only`);
  near(`seed ${seed}: along with its bias`, average(values), wanted, 3 * standardError);
});

const settings = { rate: 0.01, beta1: 0.9, beta2: 0.95, epsilon: 1e-8, decay: 0.1, clip: 1 };
