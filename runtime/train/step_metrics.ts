/**
 * What each step measured, kept on the device until somebody asks: a ring that is read back in one wait.
 *
 * Every step runs the program of its place in the ring, so nothing is copied by the host. The ring holds the last
 * `RING_LENGTH` steps; older ones that nobody asked for are lost.
 * @module
 */
import type { DeviceBuffer, Span } from "../device/device.ts";

/** One optimizer step, measured. */
export interface StepMetrics {
  /** Optimizer steps since the weights were new, this one included. */
  readonly step: number;
  /** Predicted tokens. */
  readonly tokens: number;
  /** Mean, nats a token. */
  readonly loss: number;
  /** Euclidean, before clipping. */
  readonly gradientNorm: number;
  /** Whether the gradient had values that are not finite, so that the weights were left alone. */
  readonly skipped: boolean;
}

export const RING_LENGTH = 64;
/** The gradient's norm and its count of non-finite values at word 0, the sum of the losses at 64. */
const PLACE_WORDS = 128;
export const RING_WORDS = RING_LENGTH * PLACE_WORDS;

/** Where the step of one place puts its numbers. */
export function ringPlace(ring: DeviceBuffer, place: number): { readonly norm: Span; readonly lossSum: Span } {
  const start = place * PLACE_WORDS;
  return { norm: { buffer: ring, start, words: 2 }, lossSum: { buffer: ring, start: start + 64, words: 1 } };
}

export class StepLog {
  #steps: { readonly step: number; readonly tokens: number; readonly place: number }[] = [];
  #nextPlace = 0;

  /** Notes a step and gives its place in the ring. */
  push(step: number, tokens: number): number {
    const place = this.#nextPlace;
    this.#nextPlace = (place + 1) % RING_LENGTH;
    this.#steps.push({ step, tokens, place });
    if (this.#steps.length > RING_LENGTH) this.#steps.shift();
    return place;
  }

  /** Takes the steps noted since the last call; the result reads their numbers from a copy of the ring. */
  take(): ((ring: Float32Array) => StepMetrics[]) | undefined {
    const steps = this.#steps;
    this.#steps = [];
    if (steps.length === 0) return undefined;
    return (ring) =>
      steps.map(({ step, tokens, place }) => {
        const start = place * PLACE_WORDS;
        const loss = ring[start + 64]! / tokens;
        return { step, tokens, loss, gradientNorm: ring[start]!, skipped: ring[start + 1]! > 0 };
      });
  }
}
