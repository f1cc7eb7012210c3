import { strict as assert } from "node:assert";
import { windowAt } from "./order.ts";

const SEED = 20_241;

for (const windowCount of [1, 2, 3, 4, 5, 97, 1000, 4096, 65_537]) {
  Deno.test(`Every epoch of ${windowCount} windows has each window exactly once`, () => {
    for (const epoch of [0, 1, 5]) {
      const seen = new Uint8Array(windowCount);
      for (let i = 0; i < windowCount; i++) {
        seen[windowAt(epoch * windowCount + i, { seed: SEED, windowCount })]! += 1;
      }
      assert.ok(seen.every((count) => count === 1), `seed ${SEED}, epoch ${epoch}`);
    }
  });
}

Deno.test("The order is pinned: all peers of all versions must compute the same", () => {
  const first = (windowCount: number, seed: number, start = 0) =>
    Array.from({ length: 8 }, (_, i) => windowAt(start + i, { seed, windowCount }));
  assert.deepEqual(first(1000, 0), [673, 171, 893, 493, 494, 563, 923, 283]);
  assert.deepEqual(first(1000, 0, 1000), [49, 456, 764, 241, 888, 179, 299, 772]);
  assert.deepEqual(first(1000, 4_294_967_295), [39, 845, 237, 45, 68, 175, 669, 278]);
  assert.deepEqual(first(2 ** 45 + 1, 7), [
    3_129_385_695_210,
    2_310_739_968_537,
    822_341_561_754,
    33_608_689_287_353,
    28_014_940_851_657,
    11_967_030_757_976,
    19_908_519_707_497,
    20_818_845_232_235,
  ]);
});

Deno.test("Seed and epoch both change the order", () => {
  const windowCount = 1000;
  const order = (seed: number, epoch: number) =>
    Array.from({ length: windowCount }, (_, i) => windowAt(epoch * windowCount + i, { seed, windowCount }));
  const base = order(SEED, 0);
  for (const other of [order(SEED + 1, 0), order(SEED, 1)]) {
    const same = base.filter((window, i) => window === other[i]).length;
    assert.ok(same < 10, `${same} of ${windowCount} windows stayed where they were (seed ${SEED}); 1 is expected`);
  }
});

Deno.test("The order has no drift: neighbours in the run are strangers in the text", () => {
  // For a random permutation of n the mean distance of neighbours is n / 3, and its standard error here about 0.7 %;
  // the correlation of position and window has a standard error of 1 / √n = 1 %.
  const windowCount = 10_007;
  const order = Array.from({ length: windowCount }, (_, i) => windowAt(i, { seed: SEED, windowCount }));
  const distance = order.slice(1).reduce((sum, window, i) => sum + Math.abs(window - order[i]!), 0) / windowCount;
  assert.ok(Math.abs(distance / windowCount - 1 / 3) < 0.01, `mean distance ${distance} (seed ${SEED})`);
  const middle = (windowCount - 1) / 2;
  const covariance = order.reduce((sum, window, i) => sum + (window - middle) * (i - middle), 0) / windowCount;
  const correlation = covariance / ((windowCount ** 2 - 1) / 12);
  assert.ok(Math.abs(correlation) < 0.04, `correlation ${correlation} (seed ${SEED})`);
});

Deno.test("windowAt() refuses what is not a position or not a count", () => {
  for (const position of [-1, 0.5, NaN, 2 ** 53]) {
    assert.throws(() => windowAt(position, { seed: 1, windowCount: 3 }), /positions are 0, 1, 2/);
  }
  for (const windowCount of [0, -1, 1.5, NaN, 2 ** 51]) {
    assert.throws(() => windowAt(0, { seed: 1, windowCount }), /the count must be 1 to 2\^50/);
  }
});
