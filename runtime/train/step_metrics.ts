/**
 * What each step measured, kept on the device until somebody asks: a ring that is read back in one wait.
 *
 * Every step runs the program of its place in the ring, so nothing is copied by the host. The ring holds the last
 * `RING_LENGTH` steps; older ones that nobody asked for are lost. A sketch is too long for it: only the last one is kept.
 * @module
 */
import type { DeviceBuffer, Span } from "../device/device.ts";
import type { HalvedBatch } from "./halves.ts";
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
/** The gradient's norm and what goes with it (`norm_final`) at word 0, the sum of the losses at 64, halves at 128. */
const PLACE_WORDS = 192;
export const RING_WORDS = RING_LENGTH * PLACE_WORDS;

/** Where the step of one place puts its numbers. */
export function ringPlace(ring: DeviceBuffer, place: number) {
  const start = place * PLACE_WORDS;
  const span = (offset: number, words: number): Span => ({ buffer: ring, start: start + offset, words });
  return { norm: span(0, 4), lossSum: span(64, 1), halves: span(128, 3) };
}

/** Tensors that a message names. */
const MOST_NAMED = 3;

/** What the host knows of a step when it is enqueued. */
export interface StepNote {
  readonly step: number;
  readonly tokens: number;
  readonly sequences: number;
  /** How its batch was halved, if the halves are compared. */
  readonly halved: HalvedBatch | null;
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
        const isSkipped = ({ place }: { readonly place: number }) => {
          const [norm, count] = ring.subarray(place * PLACE_WORDS);
          return count! > 0 || !Number.isFinite(norm);
        };
        const lastSkipped = steps.findLastIndex(isSkipped);
        return steps.map((noted, i) => {
          const { step, tokens, sequences, halved, place } = noted;
          const start = place * PLACE_WORDS, skipped = isSkipped(noted), factor = ring[start + 2]!;
          return {
            step,
            tokens,
            sequences,
            loss: ring[start + 64]! / tokens,
            gradientNorm: ring[start]!,
            skipped,
            nonFinite: i === lastSkipped ? nonFinite : [],
            lossScale: ring[start + 3]!,
            halves: halved === null || skipped
              ? null
              : meanHalves(ring.subarray(start + 128, start + 131), { halved, factor: factor * tokens }),
            sketch: i === lastSketched && !skipped && sketch !== null ? sketch.map((value) => value * factor) : null,
          };
        });
      },
    };
  }
}

/** Gradients are sums over a half's tokens; `factor` makes sums of losses of them. */
function meanHalves(
  sums: Float32Array,
  { halved, factor }: { readonly halved: HalvedBatch; readonly factor: number },
): GradientHalves {
  const [one, other] = halved.tokens.map((share) => factor / share);
  return {
    first: sums[0]! * one! ** 2,
    second: sums[1]! * other! ** 2,
    inner: sums[2]! * one! * other!,
    sequences: halved.sequences,
  };
}
