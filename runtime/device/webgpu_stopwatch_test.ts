import { strict as assert } from "node:assert";
import { tickNanoseconds } from "./webgpu_stopwatch.ts";

/** What a GPU with ticks of some length counts in 100 ms, seen `lateMs` late. */
function measured(tickNs: number, lateMs = 0): number | null {
  const first = { ms: 7_000, ticks: 123_456_789_012n };
  const ticks = first.ticks + BigInt(Math.round((100 + lateMs) * 1e6 / tickNs));
  return tickNanoseconds(first, { ms: first.ms + 100, ticks });
}

Deno.test("tickNanoseconds() finds how long a driver's tick is", () => {
  for (const tickNs of [10, 38.46, 52.08, 83.33]) {
    assert.ok(Math.abs(measured(tickNs)! - tickNs) < tickNs * 1e-6, `${measured(tickNs)} ns for ${tickNs}`);
    assert.ok(Math.abs(measured(tickNs, 1)! - tickNs) < tickNs * 0.011, `${measured(tickNs, 1)} ns for ${tickNs}`);
  }
});

Deno.test("tickNanoseconds() takes what is about a nanosecond for one, however late the GPU began", () => {
  for (const lateMs of [0, 0.3, -0.3, 40, -40]) assert.equal(measured(1, lateMs), 1);
});

Deno.test("tickNanoseconds() is null for a count that stands still, goes back or was never written", () => {
  const first = { ms: 0, ticks: 500n };
  assert.equal(tickNanoseconds(first, { ms: 100, ticks: 500n }), null);
  assert.equal(tickNanoseconds(first, { ms: 100, ticks: 499n }), null);
  assert.equal(tickNanoseconds({ ms: 0, ticks: 0n }, { ms: 100, ticks: 100_000_000n }), null);
});
