import { strict as assert } from "node:assert";
import { randomWords } from "./random.ts";
import { sampleToken } from "./sampling.ts";

const logits = Float32Array.of(0, Math.log(2), -Infinity, Math.log(5), NaN);

function shares(options: { temperature?: number; topK?: number }): number[] {
  const next = randomWords(11, 0), counts = [0, 0, 0, 0, 0], draws = 20_000;
  for (let i = 0; i < draws; i++) counts[sampleToken(logits, next(), options)]! += 1 / draws;
  return counts;
}

/** 20,000 draws: a share strays by at most √(¼ / 20,000) = 0.0035; five of those. */
function expectShares(found: number[], wanted: number[]): void {
  for (const [id, share] of wanted.entries()) assert.ok(Math.abs(found[id]! - share) < 0.018, `${found}`);
}

Deno.test("sampleToken() follows the model's distribution and never takes what is not finite", () => {
  expectShares(shares({}), [1 / 8, 2 / 8, 0, 5 / 8, 0]);
});

Deno.test("sampleToken() with a temperature of one half squares the odds", () => {
  expectShares(shares({ temperature: 0.5 }), [1 / 30, 4 / 30, 0, 25 / 30, 0]);
});

Deno.test("sampleToken() with topK only looks at the likeliest", () => {
  expectShares(shares({ topK: 2 }), [0, 2 / 7, 0, 5 / 7, 0]);
});

Deno.test("sampleToken() at temperature 0 takes the likeliest token, the lower id among equals", () => {
  assert.equal(sampleToken(Float32Array.of(1, 3, 3), 0xffff_ffff, { temperature: 0 }), 1);
});

Deno.test("sampleToken() refuses logits of which none is finite", () => {
  assert.throws(() => sampleToken(Float32Array.of(NaN, NaN), 0), /no logit is finite/);
});
