import { strict as assert } from "node:assert";
import { Stability } from "./stability.ts";

/** What it says after each of some steps. */
function judge(steps: readonly { readonly skipped: boolean; readonly lossScale: number }[]): (string | null)[] {
  const stability = new Stability();
  return steps.map((step) => stability.add(step));
}

const good = { skipped: false, lossScale: 1 }, overflow = { skipped: true, lossScale: 1 };

Deno.test("five overflows in a row at the smallest loss scale end f16, four do not", () => {
  const [a, b, c, d, e, ...rest] = judge([overflow, overflow, overflow, overflow, good, ...Array(5).fill(overflow)]);
  assert.deepEqual([a, b, c, d, e, ...rest.slice(0, 4)], Array(9).fill(null));
  assert.equal(rest[4], "5 steps in a row overflowed without any loss scale");
});

Deno.test("overflows on the way down from a first loss scale do not end f16", () => {
  const falling = Array.from({ length: 11 }, (_, i) => ({ skipped: true, lossScale: 2 ** (11 - i) }));
  assert.deepEqual(new Set(judge([...falling, overflow, overflow, overflow, overflow, good])), new Set([null]));
});

Deno.test("sixteen overflows in a row end f16, however large the loss scale", () => {
  const found = judge(Array.from({ length: 16 }, (_, i) => ({ skipped: true, lossScale: 2 ** (24 - i) })));
  assert.deepEqual(found, [...Array(15).fill(null), "16 steps in a row overflowed"]);
});

Deno.test("one overflow after each 2,000 good steps, when the loss scale has doubled, never ends f16", () => {
  const cycle = [...Array(2000).fill({ skipped: false, lossScale: 1024 }), { skipped: true, lossScale: 2048 }];
  assert.deepEqual(new Set(judge(Array(20).fill(cycle).flat())), new Set([null]));
});

Deno.test("more than 32 overflows in a thousand steps end f16, however large the loss scale", () => {
  const steps = Array.from({ length: 1000 }, (_, i) => ({ skipped: i % 30 === 0, lossScale: 64 }));
  const found = judge(steps), first = found.findIndex((reason) => reason !== null);
  assert.equal(first, 32 * 30);
  assert.equal(found[first], "33 of the last 961 steps overflowed");
});
