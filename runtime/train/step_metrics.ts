/**
 * What each step measured, kept on the device until somebody asks: a ring that is read back in one wait.
 *
 * Every step runs the program of its place in the ring, so nothing is copied by the host. The ring holds the last
 * `RING_LENGTH` steps; older ones that nobody asked for are lost. A sketch is too long for it: only the last one is kept.
 * @module
 */
import type { DeviceBuffer, Span } from "../device/device.ts";
import type { GradientHalves } from "./noise.ts";

/** One optimizer step, measured. */
export interface StepMetrics {
  /** Optimizer steps since the weights were new, this one included. */
  readonly step: number;
  /** Predicted tokens. */
  readonly tokens: number;
  /** Sequences. */
  readonly sequences: number;
  /** Mean, nats a token. */
  readonly loss: number;
  /** Euclidean, before clipping. */
  readonly gradientNorm: number;
  /** Whether the gradient had values that are not finite, so that the weights were left alone. */
  readonly skipped: boolean;
  /** Where they were, in the order of the arena; empty if it was not skipped, or a later step was. */
  readonly nonFinite: readonly NonFiniteTensor[];
  /** What the loss of a token was multiplied with; 1 in f32. */
  readonly lossScale: number;
  /** The halves of its batch against each other; null if they were not compared, or it was skipped. */
  readonly halves: GradientHalves | null;
  /** Of its gradient; null if none was made, or a later one took its place. */
  readonly sketch: Float32Array | null;
}

/** A tensor whose gradient has values that are not finite. */
export interface NonFiniteTensor {
  readonly name: string;
  readonly count: number;
}

export const RING_LENGTH = 64;
/** The gradient's norm and what goes with it (`norm_final`) are at word 0 of a place, these at others. */
const LOSS_SUM = 64, HALVES = 128, PLACE_WORDS = 192;
export const RING_WORDS = RING_LENGTH * PLACE_WORDS;

/** Where the step of one place puts its numbers. */
export function ringPlace(ring: DeviceBuffer, place: number) {
  const start = place * PLACE_WORDS;
  const span = (offset: number, words: number): Span => ({ buffer: ring, start: start + offset, words });
  return { norm: span(0, 4), lossSum: span(LOSS_SUM, 1), halves: span(HALVES, 3) };
}

/** Tensors that a message names. */
const MOST_NAMED = 3;

/** What the host knows of a step when it is enqueued. */
export interface StepNote {
  readonly step: number;
  readonly tokens: number;
  readonly sequences: number;
  /** Null if no halves are compared. */
  readonly comparison: Comparison | null;
  readonly isSketched: boolean;
}

/** Why a step was skipped, for people: where its gradient broke, and what loss scale it had in f16. */
export function whySkipped({ step, nonFinite, lossScale }: StepMetrics): string {
  const named = nonFinite.slice(0, MOST_NAMED).map(({ name, count }) => `${name} (${count} values)`);
  const others = nonFinite.length > MOST_NAMED ? [`${nonFinite.length - MOST_NAMED} other tensors`] : [];
  const where = nonFinite.length === 0 ? "" : ` in ${[...named, ...others].join(", ")}`;
  const scaled = lossScale > 1 ? `; its loss scale was ${lossScale}, the next one's is half of that` : "";
  return `Step ${step} was skipped: its gradient is not finite${where}${scaled}`;
}

/** Two halves, A and B, of which the step notes the sums of A², (X − A)² and A · (X − A). */
export interface Comparison {
  readonly sequences: readonly [number, number];
  /** What makes means of A and B. */
  readonly scales: readonly [number, number];
  /** Whether X is A + B; else it is B. */
  readonly isOfSum: boolean;
}

/** Steps to be read back. */
export interface StepReading {
  readonly hasSketch: boolean;
  /** Their numbers out of copies of what the device measured. */
  decode(copies: StepCopies): StepMetrics[];
}

export interface StepCopies {
  readonly ring: Float32Array;
  /** The last one, if there is one. */
  readonly sketch: Float32Array | null;
  /** Of the last step that was skipped. */
  readonly nonFinite: readonly NonFiniteTensor[];
}

export class StepLog {
  #steps: (StepNote & { readonly place: number })[] = [];
  #nextPlace = 0;
  /** The last step that was read back. */
  #before: { readonly skipped: boolean; readonly factor: number } | null = null;

  /** Notes a step and gives its place in the ring. */
  push(note: StepNote): number {
    const place = this.#nextPlace;
    this.#nextPlace = (place + 1) % RING_LENGTH;
    this.#steps.push({ ...note, place });
    if (this.#steps.length > RING_LENGTH) this.#steps.shift();
    return place;
  }

  /** Takes the steps noted since the last call. */
  take(): StepReading | undefined {
    const steps = this.#steps, lastSketched = steps.findLastIndex(({ isSketched }) => isSketched);
    this.#steps = [];
    if (steps.length === 0) return undefined;
    return {
      hasSketch: lastSketched >= 0,
      decode: ({ ring, sketch, nonFinite }) => {
        const read = steps.map((step) => ({ ...step, ...numbersAt(ring, step.place) }));
        const lastSkipped = read.findLastIndex(({ skipped }) => skipped);
        const metrics = read.map(({ step, tokens, sequences, comparison, lossSum, halves, ...numbers }, i) => {
          const { gradientNorm, skipped, factor, lossScale } = numbers;
          const ofA = comparison?.isOfSum ? numbers : read[i - 1] ?? this.#before;
          return {
            step,
            tokens,
            sequences,
            loss: lossSum / tokens,
            gradientNorm,
            skipped,
            nonFinite: i === lastSkipped ? nonFinite : [],
            lossScale,
            halves: comparison === null || skipped || ofA === null || ofA.skipped
              ? null
              : meanHalves(halves, { ...comparison, factors: [ofA.factor, factor] }),
            sketch: i === lastSketched && !skipped && sketch !== null ? sketch.map((value) => value * factor) : null,
          };
        });
        this.#before = read.at(-1)!;
        return metrics;
      },
    };
  }
}

/** What the device noted of one step. */
function numbersAt(ring: Float32Array, place: number) {
  const [norm, count, factor, lossScale] = ring.subarray(place * PLACE_WORDS);
  return {
    gradientNorm: norm!,
    skipped: count! > 0 || !Number.isFinite(norm),
    /** What makes the true gradient of the arena's. */
    factor: factor!,
    lossScale: lossScale!,
    lossSum: ring[place * PLACE_WORDS + LOSS_SUM]!,
    halves: ring.subarray(place * PLACE_WORDS + HALVES),
  };
}

/** @param comparison With what makes true gradients of A and B as they were in the arena. */
function meanHalves(
  [a, other, inner]: Float32Array,
  { sequences, scales, isOfSum, factors }: Comparison & { readonly factors: readonly [number, number] },
): GradientHalves {
  const one = scales[0] * factors[0], two = scales[1] * factors[1];
  const product = isOfSum ? inner! : inner! + a!, b = isOfSum ? other! : other! + 2 * inner! + a!;
  return { first: a! * one ** 2, second: b * two ** 2, inner: product * one * two, sequences };
}
