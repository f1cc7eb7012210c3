/**
 * What the WebAssembly forms share (`kernels/simd.as`), where the tests of kernels do not look closely enough.
 * @module
 */
import assert from "node:assert/strict";
import { compileWasm } from "./wasm_module.ts";

/** A form that computes exponentials alone. */
const text = `
import { exp4 } from "./simd";
export function exponentials(x: usize, y: usize, count: i32): void {
  for (let i = 0; i < count; i += 4) v128.store(y + (i << 2), exp4(v128.load(x + (i << 2))));
}`;

const X = 65_536, Y = 2 * X, MOST = X / 4;

async function openExponentials(): Promise<(values: readonly number[]) => Float32Array> {
  const memory = new WebAssembly.Memory({ initial: 3, maximum: 65_536, shared: true });
  const { exports } = new WebAssembly.Instance(await compileWasm([{ name: "exponentials", text }]), {
    env: { memory },
  });
  return (values) => {
    assert.ok(values.length <= MOST);
    new Float32Array(memory.buffer, X, MOST).set(values);
    (exports["exponentials"] as (...args: number[]) => void)(X, Y, values.length);
    return new Float32Array(memory.buffer, Y, values.length).slice();
  };
}

/** |found − wanted| in units of the last place of `wanted`, a positive normal f32. */
function unitsOff(found: number, wanted: number): number {
  return Math.abs(found - wanted) / 2 ** (Math.floor(Math.log2(wanted)) - 23);
}

Deno.test("exponentials in WebAssembly are off by at most two units in the last place, from −87 to 88", async () => {
  const exponentials = await openExponentials(), parts = 64;
  let worst = 0;
  for (let part = 0; part < parts; part++) {
    const x = Array.from({ length: MOST }, (_, i) => Math.fround(-87 + 175 * (i * parts + part) / (MOST * parts)));
    exponentials(x).forEach((found, i) => worst = Math.max(worst, unitsOff(found, Math.exp(x[i]!))));
  }
  assert.ok(worst <= 2, `off by ${worst} units`);
});

Deno.test("exponentials in WebAssembly stay at their bounds outside of them, and NaN stays NaN", async () => {
  const found = (await openExponentials())([NaN, -Infinity, -1e9, -87.5, 88.5, 1e9, Infinity, 0]);
  assert.ok(Number.isNaN(found[0]));
  for (const value of found.subarray(1, 4)) assert.ok(unitsOff(value, Math.exp(-87)) <= 2);
  for (const value of found.subarray(4, 7)) assert.ok(unitsOff(value, Math.exp(88)) <= 2);
  assert.equal(found[7], 1);
});
