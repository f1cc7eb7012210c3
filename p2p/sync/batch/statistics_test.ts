import { strict as assert } from "node:assert";
import type { GradientStatistics, Offer, PeerId } from "../types.ts";
import { averaged, statisticOf, stepsOf } from "./statistics.ts";
import { measured, offerWith, sketched } from "../../../tests/noisy_gradients.ts";

const exact: GradientStatistics = { tests: 1, variance: 1000, signal: 10, along: 20, sketch: null };

/** What eight peers offer; the others say what `others` does. */
function eight(say: (i: number) => Partial<GradientStatistics>, tokens = (_: number) => 640): readonly Offer[] {
  return Array.from(
    { length: 8 },
    (_, i) => offerWith({ ...exact, ...say(i) }, { peer: `peer${i}` as PeerId, steps: 20, tokens: tokens(i) }),
  );
}

Deno.test("the statistic of a record is that of its offers' middle, and null if none of them measured", () => {
  assert.equal(statisticOf([], "halves"), null);
  assert.equal(statisticOf([offerWith(null, { steps: 20 })], "halves"), null);
  const figures = { variance: 1000, signal: 10, along: 20 };
  assert.deepEqual(statisticOf([offerWith(exact, { steps: 20 })], "halves"), figures);
  const two = [offerWith(exact, { steps: 20 }), offerWith({ ...exact, signal: 20, variance: 500 }, { steps: 20 })];
  assert.deepEqual(statisticOf(two, "halves"), { variance: 750, signal: 15, along: 20 }, "the mean of two alike");
});

Deno.test("three liars of eight, with any figures and any number of tests and tokens, move it no further than others are", () => {
  const spread = (i: number) => ({ variance: 1000 + i, signal: 10 + i / 100 });
  for (
    const lie of [{ variance: 1e18, signal: -1e18 }, { variance: 0, signal: 1e18 }, { variance: 1e18, signal: 1e18 }]
  ) {
    const offers = eight((i) => i < 3 ? { ...lie, along: 1e18, tests: 1e9 } : spread(i), (i) => i < 3 ? 1e9 : 640);
    const { variance, signal } = statisticOf(offers, "halves")!;
    assert.ok(variance >= 1000 && variance <= 1010, `${JSON.stringify(lie)}: variance ${variance}`);
    assert.ok(signal >= 10 && signal <= 10.1, `${JSON.stringify(lie)}: signal ${signal}`);
  }
});

Deno.test("whoever measured less than usual counts less, and nobody counts more", () => {
  const signalOf = (...tests: readonly number[]) =>
    statisticOf(tests.map((count, i) => offerWith({ ...exact, tests: count, signal: i }, { steps: 80 })), "halves")!
      .signal;
  assert.equal(signalOf(1, 4, 4, 4), 2);
  assert.equal(signalOf(4, 4, 4, 80), 1.5);
});

Deno.test("across eight peers of eight sequences each, sketches give tr Σ and |G|²", () => {
  // tr Σ is χ² of 7 · 256 degrees here: its deviation is 1000 √(2 / 1792) = 33.4 a draw. That of |ḡ|² − tr Σ / 64 is
  // √(4 · 10 · (1000/256) / 64 + 2 · 256 · (1000/256/64)²) = 2.1. Of 400 draws, three deviations of the mean.
  const draws = 400, found = { variance: 0, signal: 0 };
  for (let draw = 0; draw < draws; draw++) {
    const offers = Array.from({ length: 8 }, (_, j) => {
      const sketch = sketched({ size: 256, variance: 1000, signal: 10 }, { sequences: 8, seed: 8 * draw + j });
      return offerWith({ ...exact, sketch }, { steps: 20 });
    });
    const { variance, signal } = statisticOf(offers, "peers")!;
    found.variance += variance / draws;
    found.signal += signal / draws;
  }
  assert.ok(Math.abs(found.variance - 1000) < 3 * 33.4 / 20 + 1, `variance ${found.variance}`); // 1: codes of 8 bits
  assert.ok(Math.abs(found.signal - 10) < 3 * 2.1 / 20, `signal ${found.signal}`);
});

Deno.test("a statistic across peers needs two of them", () => {
  const sketch = sketched({ size: 256, variance: 1000, signal: 10 }, { sequences: 8, seed: 1 });
  const [with1, without] = [offerWith({ ...exact, sketch }, { steps: 20 }), offerWith(exact, { steps: 20 })];
  assert.equal(statisticOf([with1, without], "peers"), null);
  assert.notEqual(statisticOf([with1, with1, without], "peers"), null);
});

Deno.test("a sketch of absurd length is shortened, and whatever is sent the figures stay finite", () => {
  const of = (seed: number) => sketched({ size: 256, variance: 1000, signal: 10 }, { sequences: 8, seed });
  const offer = (sketch: ReturnType<typeof of>) => offerWith({ ...exact, sketch }, { steps: 20 });
  const honest = [1, 2, 3, 4, 5, 6, 7].map((seed) => offer(of(seed)));
  const { variance } = statisticOf([...honest, offer({ ...of(8), exponent: 100 })], "peers")!;
  assert.ok(variance < 2_500, `${variance}`);
  const zeros = { codes: new Uint8Array(256), exponent: 0, sequences: 8 };
  assert.deepEqual(
    statisticOf([...honest, offer(zeros)], "peers"),
    statisticOf(honest, "peers"),
    "one of zeros shortens nobody's",
  );
  const huge = { codes: new Uint8Array(256).fill(0x7f), exponent: 126, sequences: 1 };
  const opposite = { codes: new Uint8Array(256).fill(0x80), exponent: 126, sequences: 1 };
  const { variance: most, signal: least } = statisticOf([offer(huge), offer(opposite)], "peers")!;
  assert.deepEqual([most, Math.abs(least) <= 1e18], [1e18, true]);
});

Deno.test("the noise is the mean of the first tests, then forgets one tenth a test", () => {
  const first = averaged(null, { variance: 900, signal: 9, along: 9 }, 20);
  assert.deepEqual(first, { tests: 1, variance: 900, signal: 9, along: 9 });
  const second = averaged(first, { variance: 1100, signal: 11, along: 11 }, 39);
  assert.deepEqual(second, { tests: 2, variance: 1000, signal: 10, along: 10 });
  const late = averaged({ ...second, tests: 1000 }, { variance: 2000, signal: 0, along: 10 }, 40);
  assert.equal(late.tests, 1002);
  assert.ok(Math.abs(late.variance - (0.81 * 1000 + 0.19 * 2000)) < 1e-9);
  assert.ok(Math.abs(late.signal - 8.1) < 1e-9);
});

Deno.test("the ratio of means is the noise scale, the mean of ratios is above it", () => {
  // Halves of 32: ⟨g_A, g_B⟩ deviates by √(2 · 10 / 32 + 1000 / 32²) = 1.27 a draw, its mean of 2000 by 0.28 %.
  const draws = Array.from(
    { length: 2000 },
    (_, seed) => measured({ size: 1000, variance: 1000, signal: 10 }, { batch: 64, tests: 1, seed }),
  );
  const mean = (of: (found: GradientStatistics) => number) =>
    draws.reduce((sum, found) => sum + of(found), 0) / draws.length;
  const scale = mean(({ variance }) => variance) / mean(({ signal }) => signal);
  const ratios = mean(({ variance, signal }) => variance / signal);
  assert.ok(scale > 97 && scale < 103, `${scale}`);
  assert.ok(ratios > scale + 1, `${ratios} against ${scale}`);
  // Along G, the variance is that of the step's own mean gradient: 10 + tr Σ² / 64.
  assert.ok(Math.abs(mean(({ along }) => along) - (10 + 1000 / 64)) < 3, "of 2000 draws that deviate by 36");
});

Deno.test("a record's steps are those of a member in the middle; who brought nothing made none", () => {
  const of = (steps: readonly number[]) => stepsOf(steps.map((count) => offerWith(null, { steps: count })));
  assert.equal(of([30, 10, 1e15]), 30);
  assert.equal(of([30, 10]), 10);
  assert.equal(stepsOf([offerWith(null, { steps: 0, tokens: 0 }), offerWith(null, { steps: 9 })]), 9);
  assert.equal(stepsOf([]), 0);
});
