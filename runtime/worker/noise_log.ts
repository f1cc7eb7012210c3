/**
 * Which inner steps are measured, and what the measured ones of a box say of the noise in their gradients.
 *
 * It measures nothing itself (`train/gradient_measures.ts`) and decides nothing by the figures (`p2p/sync/batch`).
 *
 *  - Halves are compared in the first step of each box that can, and in every so many after it. A batch of one sequence
 *    has no halves: two steps, one after the other, stand for them, between which the weights move little.
 *  - A sketch is made of the first step after new weights came: nearest to where all peers begin, which is what makes
 *    sketches of several peers comparable. Its signs follow from the round.
 * @module
 */
import type { Measure, TrainOrder } from "../../p2p/learner.ts";
import type { GradientSketch, GradientStatistics } from "../../p2p/sync/types.ts";
import type { Measures } from "../train/gradient_measures.ts";
import { type NoiseFigures, noiseOf } from "../train/noise.ts";
import type { StepMetrics } from "../train/step_metrics.ts";

/** Means of some measured steps. */
export type MeanNoise = NoiseFigures & { readonly tests: number };

export class NoiseLog {
  #measure: Measure = { every: 0, sketch: false };
  /** Steps until the next comparison. */
  #left = 0;
  /** Whether the last step is the first of such two. */
  #isPairBegun = false;
  #round = 0;
  #isSketchDue = false;
  #isSketchUnderWay = false;
  #figures: NoiseFigures[] = [];
  #sketch: GradientSketch | null = null;

  /** @param isNewAnchor Whether the next step begins from weights that all peers have. */
  follow({ measure, round }: TrainOrder, isNewAnchor: boolean): void {
    this.#measure = measure;
    if (isNewAnchor) this.#isPairBegun = false;
    else if (round === this.#round) return;
    this.#round = round;
    this.#sketch = null; // its signs are those of another round
    this.#isSketchDue = measure.sketch && isNewAnchor;
  }

  /**
   * What the next step measures; it counts as made.
   * @param step Its sequences, and whether it could compare halves.
   */
  next({ sequences, canCompare }: { readonly sequences: number; readonly canCompare: boolean }): Measures {
    const { every } = this.#measure, halves = every > 0 && canCompare && this.#left <= 0;
    const sketchSeed = this.#isSketchDue ? this.#round : null;
    const isPairEnded = sequences === 1 && this.#isPairBegun;
    this.#isPairBegun = halves && sequences === 1 && !isPairEnded;
    this.#left = halves && !this.#isPairBegun ? every - (isPairEnded ? 2 : 1) : this.#left - 1;
    this.#isSketchUnderWay ||= this.#isSketchDue;
    this.#isSketchDue = false;
    return { halves, sketchSeed };
  }

  /** Takes what steps measured; gives the means of those among them that compared halves, or null. */
  add(steps: readonly StepMetrics[]): MeanNoise | null {
    const figures = steps.flatMap(({ halves }) => halves === null ? [] : [noiseOf(halves)]).filter(isFinite);
    this.#figures.push(...figures);
    for (const { sketch, sequences } of steps) {
      if (sketch === null) continue;
      this.#sketch = packSketch(sketch, sequences);
    }
    this.#isSketchUnderWay = false;
    return meanOf(figures);
  }

  /** Steps since the last `add` were not made to their end, or are lost: what they would have measured is due again. */
  giveUp(): void {
    this.#begin();
    this.#isSketchDue ||= this.#isSketchUnderWay;
    this.#isSketchUnderWay = false;
  }

  /** The whole box's steps are lost. */
  forget(): void {
    this.giveUp();
    this.#figures = [];
    this.#sketch = null;
  }

  /** Ends a box. */
  cut(): GradientStatistics | null {
    const mean = meanOf(this.#figures), sketch = this.#sketch;
    this.#figures = [];
    this.#sketch = null;
    this.#begin();
    return mean === null ? null : { ...mean, sketch };
  }

  #begin(): void {
    this.#left = 0;
    this.#isPairBegun = false;
  }
}

function isFinite({ variance, signal, along }: NoiseFigures): boolean {
  return [variance, signal, along].every(Number.isFinite);
}

function meanOf(figures: readonly NoiseFigures[]): MeanNoise | null {
  const tests = figures.length;
  if (tests === 0) return null;
  const mean = (of: (each: NoiseFigures) => number) => figures.reduce((sum, each) => sum + of(each), 0) / tests;
  return {
    tests,
    variance: mean(({ variance }) => variance),
    signal: mean(({ signal }) => signal),
    along: mean(({ along }) => along),
  };
}

const LARGEST_CODE = 127, SMALLEST_EXPONENT = -126;

/** Rounds to int8 with one power of two for all: an error of at most 1/254 of the largest value. */
export function packSketch(values: Float32Array, sequences: number): GradientSketch {
  const largest = values.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  let exponent = SMALLEST_EXPONENT;
  while (LARGEST_CODE * 2 ** exponent < largest) exponent++;
  const codes = Int8Array.from(values, (value) => Math.round(value / 2 ** exponent));
  return { codes: new Uint8Array(codes.buffer), exponent, sequences };
}
