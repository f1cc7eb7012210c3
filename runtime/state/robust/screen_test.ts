import { strict as assert } from "node:assert";
import { chance } from "../../../tests/chance.ts";
import { screenOfPulls as screenOf } from "../../../tests/pulls.ts";
import { codecs } from "../codec/codecs.ts";
import type { Pull } from "./rule.ts";

function pullsOf(deltas: readonly (readonly number[] | Float32Array)[]): Pull[] {
  return deltas.map((delta) => {
    const opened = codecs.f32.open(codecs.f32.encode(Float32Array.from(delta)).bytes, delta.length);
    assert.ok(opened.ok);
    return { vector: opened.vector, norm: Math.sqrt(opened.vector.normSquared()), weight: 1 };
  });
}

/** How many screens of noise alone name somebody. */
function namedByChance(length: number, screens: number): number {
  const random = chance(9).next;
  const noise = () => Float32Array.from({ length }, () => random() - 0.5);
  let named = 0;
  for (let i = 0; i < screens; i++) {
    const { cosines, threshold } = screenOf(pullsOf(Array.from({ length: 4 }, noise)))!;
    if (cosines.some((cosine) => cosine < threshold)) named++;
  }
  return named;
}

Deno.test("the screen gives each contribution's cosine to the sum of the others", () => {
  const { cosines, opposed } = screenOf(pullsOf([[1, 0], [1, 0], [0, 1], [0.6, 0.8]]))!;
  // To (1.6, 1.8) twice, (2.6, 0.8) and (2, 1); 0.6 is rounded to f32: 1e-7.
  const wanted = [1.6 / Math.sqrt(5.8), 1.6 / Math.sqrt(5.8), 0.8 / Math.sqrt(7.4), 2 / Math.sqrt(5)];
  cosines.forEach((cosine, i) => assert.ok(Math.abs(cosine - wanted[i]!) < 1e-7, `${cosines}`));
  assert.deepEqual(opposed, []);
});

/** Contributions along axes, long enough that no cosine here is chance. */
function along(...axes: readonly (readonly [axis: number, length: number][])[]): Pull[] {
  return pullsOf(axes.map((parts) => {
    const values = new Float32Array(1000);
    for (const [axis, length] of parts) values[axis] = length;
    return values;
  }));
}

Deno.test("the screen compares with those that are not opposed, so that hostile peers bend nobody else's cosine", () => {
  // Two of seven undo axis 0. With both in the sum, the fifth, which is honest, has −0.37, far below the threshold.
  const honest = (own: number): [number, number][] => [[0, 0.3], [own, 1]];
  const pulls = along(honest(1), honest(2), honest(3), honest(4), [[0, 1]], [[0, -1]], [[0, -1]]);
  const { cosines, threshold, opposed } = screenOf(pulls)!;
  assert.deepEqual(opposed.toSorted(), [5, 6]);
  assert.ok(cosines.slice(0, 5).every((cosine) => cosine > 0), `${cosines}`);
  assert.ok(cosines.slice(5).every((cosine) => cosine < threshold), `${cosines}`);
});

Deno.test("the screen takes less than a third for opposed, the lowest first", () => {
  const up: [number, number][] = [[0, 1]],
    down: [number, number][] = [[0, -1]],
    half: [number, number][] = [[0, -1], [1, 1]];
  assert.deepEqual(screenOf(along(up, up, up, down))!.opposed, [3]);
  assert.deepEqual(screenOf(along(up, up, up, up, half, down))!.opposed, [5]);
  assert.deepEqual(screenOf(along(up, up, up, up, up, half, down))!.opposed, [6, 5]);
});

Deno.test("the screen clips first, so that one long contribution does not make the others look hostile", () => {
  const { cosines, threshold } = screenOf(pullsOf([[1, 0.1], [1, -0.1], [1, 0.2], [1, -0.2], [-1000, 0]]))!;
  assert.ok(cosines.slice(0, 4).every((cosine) => cosine > 0.9), `${cosines}`);
  assert.ok(cosines[4]! < -0.99 && threshold < 0);
});

Deno.test("the screen compares no fewer than four", () => {
  assert.equal(screenOf(pullsOf([[1], [1], [-1]])), null);
  assert.equal(screenOf([]), null);
});

Deno.test("the screen's threshold is what chance does not reach: near −0.03 for large models", () => {
  assert.equal(screenOf(pullsOf(Array(4).fill(new Float32Array(10_000).fill(1))))!.threshold, -0.06);
  const large = screenOf(pullsOf(Array(4).fill(new Float32Array(200_000).fill(1))))!;
  assert.ok(large.threshold < -0.03 && large.threshold > -0.035);
  assert.equal(namedByChance(1000, 300), 0);
});

Deno.test("the screen of a large model looks at all parts of it, not at its beginning alone", () => {
  const flipped = new Float32Array(300_000).fill(1);
  flipped.fill(-1, 150_000);
  const { cosines } = screenOf(pullsOf([...Array(5).fill(new Float32Array(300_000).fill(1)), flipped]))!;
  assert.ok(Math.abs(cosines[5]!) < 0.05, `half of it agrees: ${cosines[5]}`);
});
