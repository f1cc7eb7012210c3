import { strict as assert } from "node:assert";
import { judgeGrowth } from "./growth_judge.ts";

const sizes = [1, 2, 4, 8, 16];
const close = (found: number, wanted: number) => assert.ok(Math.abs(found - wanted) < 1e-9, `${found}, not ${wanted}`);

Deno.test("a step whose operations all cost the same grows as its work does, without a cliff", () => {
  const growth = judgeGrowth(sizes.map((size) => ({ size, ms: 3 * size ** 1.5, flops: 1e6 * size ** 1.5 })))!;
  close(growth.exponent, 1.5);
  close(growth.exponentOfWork, 1.5);
  close(growth.mostSlowdown, 1);
});

Deno.test("a cliff is found where it is, however cheap operations were at first", () => {
  const costs = [5, 2, 1, 1.7, 1.6];
  const growth = judgeGrowth(sizes.map((size, i) => ({ size, ms: costs[i]! * size, flops: size })))!;
  close(growth.mostSlowdown, 1.7);
});

Deno.test("one size says nothing of growth", () => {
  assert.equal(judgeGrowth([{ size: 4, ms: 1, flops: 1 }]), null);
});
