import { strict as assert } from "node:assert";
import type { Axis } from "./chart.ts";
import { layAxis } from "./axis.ts";

const lay = (values: readonly number[], more: Partial<Axis> = {}) =>
  layAxis(values, { label: "", ...more }, { from: 0, to: 100, mostTicks: 6 });
const labels = (values: readonly number[], more: Partial<Axis> = {}) =>
  lay(values, more).ticks.map(({ label }) => label);

Deno.test("a linear axis has round ticks, with as many digits as tell them apart", () => {
  assert.deepEqual(labels([0.3, 9.7]), ["0", "2", "4", "6", "8", "10"]);
  assert.deepEqual(labels([2.201, 2.234]), ["2.20", "2.21", "2.22", "2.23"]);
  assert.deepEqual(labels([-3, 3]), ["−2", "0", "2"]);
});

Deno.test("large values have a letter, small ones an exponent", () => {
  assert.deepEqual(labels([0, 2_400_000]), ["0", "0.5M", "1M", "1.5M", "2M", "2.5M"]);
  assert.deepEqual(labels([0, 9000]), ["0", "2k", "4k", "6k", "8k", "10k"]);
  assert.deepEqual(labels([0, 0.0004]), ["0", "1e-4", "2e-4", "3e-4", "4e-4"]);
});

Deno.test("an axis from zero shows zero, and a single value has room on both sides", () => {
  assert.equal(lay([90, 100], { fromZero: true }).place(0), 0);
  assert.ok(lay([90, 100]).place(90) >= 0 && lay([90, 100]).place(0) < 0);
  for (const value of [0, 7, -7]) {
    assert.equal(lay([value]).place(value), 50);
    assert.equal(lay([value], { scale: "log" }).place(value), value > 0 ? 50 : NaN);
  }
});

Deno.test("an axis of logarithms labels 1, 2 and 5, or the powers of ten where there is less room", () => {
  assert.deepEqual(labels([64, 4096], { scale: "log" }), ["100", "200", "500", "1,000", "2,000"]);
  assert.deepEqual(labels([1, 1e6], { scale: "log" }), ["1", "100", "10k", "1M"]);
  assert.deepEqual(labels([1e-4, 3e-3], { scale: "log" }), ["1e-4", "2e-4", "5e-4", "0.001", "0.002"]);
  assert.deepEqual(labels([16, 1750], { scale: "log" }), ["30", "100", "300", "1,000"]);
});

Deno.test("an axis of logarithms within one decade has even ticks", () => {
  assert.deepEqual(labels([2.1, 2.9], { scale: "log" }), ["2.2", "2.4", "2.6", "2.8"]);
});

Deno.test("there are never more ticks than there is room for, nor two of one label", () => {
  for (let power = -12; power <= 15; power++) {
    for (const width of [1.001, 1.5, 3, 17, 450, 1e5, 1e9]) {
      for (const scale of ["linear", "log"] as const) {
        const found = labels([10 ** power, 10 ** power * width], { scale });
        assert.ok(found.length >= 1 && found.length <= 6, `1e${power} × ${width} ${scale}: ${found}`);
        assert.equal(new Set(found).size, found.length, `1e${power} × ${width} ${scale}: ${found}`);
      }
    }
  }
});
