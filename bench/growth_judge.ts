/**
 * How the time of a step grows with a size, from measured points: the exponent that fits, and the worst place.
 *
 * A cliff is where an operation suddenly costs more than it did at the size before: so not times are compared from one
 * size to the next, but times for each operation.
 * @module
 */
import { fitPowerLaw } from "../runtime/experiment/critical_batch.ts";

export interface GrowthPoint {
  readonly size: number;
  readonly ms: number;
  /** Operations of the step. */
  readonly flops: number;
}

export interface Growth {
  /** Of the size, in the time that fits best. */
  readonly exponent: number;
  /** Of the size, in the operations: what the time would have if each cost the same. */
  readonly exponentOfWork: number;
  /** How much more an operation costs than at the next smaller size, at most; below 1 if it costs less everywhere. */
  readonly mostSlowdown: number;
}

/** Judges points of growing size, two or more; null if they are fewer. */
export function judgeGrowth(points: readonly GrowthPoint[]): Growth | null {
  const time = fitPowerLaw(points.map(({ size, ms }) => ({ x: size, y: ms })));
  const work = fitPowerLaw(points.map(({ size, flops }) => ({ x: size, y: flops })));
  if (time === null || work === null) return null;
  const costs = points.map(({ ms, flops }) => ms / flops);
  return {
    exponent: time.exponent,
    exponentOfWork: work.exponent,
    mostSlowdown: Math.max(...costs.slice(1).map((cost, i) => cost / costs[i]!)),
  };
}
