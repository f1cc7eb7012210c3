/**
 * Reading a curve of held-out losses between its points. Pure.
 *
 * Losses fall about linearly in the logarithm of the steps, so that is how they are interpolated; a curve has points
 * every few hundredths of its length, and what lies between two of them matters little.
 * @module
 */
import type { Curve } from "./trial.ts";

/** When a curve first reaches a loss, in steps with a fraction; null if it never does. */
export function stepsTo(curve: Curve, loss: number): number | null {
  const at = curve.findIndex(([, found]) => found <= loss);
  if (at < 0) return null;
  const [steps, below] = curve[at]!, before = curve[at - 1];
  if (before === undefined || before[0] === 0) return steps; // no logarithm of 0 steps: the point itself
  const share = (before[1] - loss) / (before[1] - below);
  return before[0] * (steps / before[0]) ** share;
}

/** The loss after so many steps; null if the curve does not go that far, or begins later. */
export function lossAt(curve: Curve, steps: number): number | null {
  const at = curve.findIndex(([found]) => found >= steps);
  if (at < 0) return null;
  const [after, loss] = curve[at]!, before = curve[at - 1];
  if (after === steps) return loss;
  if (before === undefined || before[0] === 0) return null;
  const share = Math.log(steps / before[0]) / Math.log(after / before[0]);
  return before[1] + share * (loss - before[1]);
}
