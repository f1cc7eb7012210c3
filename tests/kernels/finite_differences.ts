/**
 * Checks the backward references against their forward references, in f64, by central differences.
 *
 * A kernel is always differentiated mid-graph: the scalar is ⟨upstream, output⟩ with an upstream gradient that is not
 * one, since a backward kernel that forgets to multiply by it is right wherever the loss comes last.
 *
 * The error of a central difference is h²·f‴/6 + ε·|f|/h; with h = 1e-5 and f64 both parts are below 1e-9 for the
 * functions here, so a relative error of 1e-7 leaves room for nothing but the truth.
 * @module
 */
import { strict as assert } from "node:assert";
import type { Kernel, Numbers, Shape, Words } from "../../kernels/kernel.ts";
import { noise } from "./check.ts";

const RELATIVE_ERROR = 1e-7;

export interface Evaluation<S extends Shape, O extends readonly string[]> {
  readonly shape: S;
  /** Contents of bindings before the run; the others start as zeros. */
  readonly inputs: Readonly<Record<string, ArrayLike<number>>>;
  /** The bindings to give back, in this order. */
  readonly outputs: O;
}

/** Runs a reference in f64. */
export function evaluate<S extends Shape, const O extends readonly string[]>(
  kernel: Kernel<S>,
  { shape, inputs, outputs }: Evaluation<S, O>,
): { readonly [K in keyof O]: Float64Array } {
  for (const name of [...Object.keys(inputs), ...outputs]) {
    assert.ok(name in kernel.bindings, `${kernel.name} has no binding '${name}'`);
  }
  const arrays: Parameters<typeof kernel.reference>[0] = Object.fromEntries(
    Object.entries(kernel.bindings).map(([name, { type, length }]) => {
      const values = inputs[name] ?? new Float64Array(length(shape));
      assert.equal(values.length, length(shape), `${kernel.name}: length of '${name}'`);
      const array = type === "u32" ? Uint32Array.from(values) : Float64Array.from(values);
      return [name, array as Numbers as Numbers & Words]; // u32 where the kernel declares u32
    }),
  );
  kernel.reference(arrays, shape);
  return outputs.map((name) => Float64Array.from(arrays[name]!)) as { readonly [K in keyof O]: Float64Array };
}

/** `evaluate` for a kernel that writes gradients; asserts on the way that with ACCUMULATE 1 it adds the same. */
export function evaluateGradient<S extends Shape & { readonly ACCUMULATE: number }, const O extends readonly string[]>(
  kernel: Kernel<S>,
  { shape, inputs, outputs }: Evaluation<S, O>,
): { readonly [K in keyof O]: Float64Array } {
  const gradients = evaluate(kernel, { shape: { ...shape, ACCUMULATE: 0 }, inputs, outputs });
  const before = Object.fromEntries(
    outputs.map((name, k) => [name, Float64Array.from(noise(gradients[k]!.length, 90 + k))]),
  );
  const sums = evaluate(kernel, { shape: { ...shape, ACCUMULATE: 1 }, inputs: { ...inputs, ...before }, outputs });
  for (const [k, name] of outputs.entries()) {
    sums[k]!.forEach((sum, i) => {
      const wanted = before[name]![i]! + gradients[k]![i]!;
      assert.ok(Math.abs(sum - wanted) <= 1e-12 * (1 + Math.abs(wanted)), `${kernel.name} adds to '${name}' at ${i}`);
    });
  }
  return gradients;
}

export interface GradientClaim {
  /** For messages. */
  readonly name: string;
  /** The scalar as a function of one input. */
  readonly scalar: (x: Float64Array) => number;
  readonly at: ArrayLike<number>;
  /** What the backward kernel says the scalar's gradient is. */
  readonly gradient: Float64Array;
}

/** Fails if the slope of `scalar` in three random directions is not the claimed one. */
export function expectGradient({ name, scalar, at, gradient }: GradientClaim): void {
  assert.equal(gradient.length, at.length, `length of the gradient to '${name}'`);
  for (const seed of [1, 2, 3]) {
    const direction = noise(at.length, 70 + seed);
    const steps = Float64Array.from(direction, (d, i) => d * Math.max(1, Math.abs(at[i]!)));
    const moved = (h: number) => Float64Array.from(at, (value, i) => value + h * steps[i]!);
    const h = 1e-5;
    const found = innerProduct(gradient, steps);
    const wanted = (scalar(moved(h)) - scalar(moved(-h))) / (2 * h);
    assert.ok(
      Math.abs(found - wanted) <= RELATIVE_ERROR * Math.abs(wanted),
      `gradient to '${name}' in direction ${seed}: found ${found}, finite differences say ${wanted}`,
    );
  }
}

/** Σ a·b: with an upstream gradient, the scalar that stands for the rest of a graph. */
export function innerProduct(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!;
  return sum;
}
