/**
 * Everything of an optimizer step that is not the model: clearing, the gradient's norm, AdamW, and copies of arenas.
 *
 * What changes from step to step is data in the `settings` buffer, never a constant of a program.
 * @module
 */
import { adamw, adamwStep } from "../../kernels/adamw.ts";
import { copy } from "../../kernels/copy.ts";
import { fill } from "../../kernels/fill.ts";
import { normFinal } from "../../kernels/norm_final.ts";
import { normSquaredPartial } from "../../kernels/norm_squared_partial.ts";
import { type DeviceBuffer, type Dispatch, type Span, whole } from "../device/device.ts";
import type { ParameterLayout } from "../model/parameters.ts";
import { RING_WORDS, ringPlace } from "./step_metrics.ts";

/** Numbers of one AdamW step. */
export interface StepSettings {
  readonly rate: number;
  readonly beta1: number;
  readonly beta2: number;
  readonly epsilon: number;
  /** Weight decay, on matrices and embeddings only. */
  readonly decay: number;
  /** Largest norm of the gradient; 0: no limit. */
  readonly clip: number;
}

/** Where each part of `settings` starts: the gradient's scale, the zero that arenas are cleared with, AdamW's numbers. */
const STARTS = { scale: 0, zero: 64, step: 128 } as const;
const SETTINGS_WORDS = 192;

/** Workgroups of the gradient's norm. */
const NORM_BLOCKS = 256;

/** Buffers of the optimizer, in words. */
export function innerWords(arenaWords: number) {
  return {
    first_moment: arenaWords,
    second_moment: arenaWords,
    norm_partials: 2 * NORM_BLOCKS,
    settings: SETTINGS_WORDS,
    total: 1,
    ring: RING_WORDS,
  };
}

export type InnerBuffers = Readonly<
  Record<keyof ReturnType<typeof innerWords> | "parameters" | "gradients", DeviceBuffer>
>;

/**
 * The contents of `settings` for one step.
 * @param progress Predicted tokens of the batch, the number of the step, from 1, and the product of β₂ over all of them.
 */
export function settingValues(
  settings: StepSettings,
  progress: { readonly tokens: number; readonly t: number; readonly beta2Product: number },
): Float32Array<ArrayBuffer> {
  const values = new Float32Array(SETTINGS_WORDS);
  values[STARTS.scale] = 1 / progress.tokens;
  values.set(adamwStep({ ...settings, ...progress }), STARTS.step);
  return values;
}

export function innerDispatches(buffers: InnerBuffers, layout: ParameterLayout) {
  const { parameters, gradients, first_moment, second_moment, norm_partials, settings, total, ring } = buffers;
  const COUNT = layout.words, BLOCKS = NORM_BLOCKS, partial = whole(norm_partials);
  const zero: Span = { buffer: settings, start: STARTS.zero, words: 1 };
  const step: Span = { buffer: settings, start: STARTS.step, words: 8 };

  const update = (place: number): Dispatch[] => {
    const { norm, lossSum } = ringPlace(ring, place);
    const moments = { m: whole(first_moment), v: whole(second_moment) };
    return [
      { kernel: normSquaredPartial, shape: { COUNT, BLOCKS }, spans: { x: whole(gradients), partial } },
      { kernel: normFinal, shape: { BLOCKS }, spans: { partial, result: norm } },
      transfer(whole(total), lossSum),
      {
        kernel: adamw,
        shape: { COUNT, DECAYED: layout.decayedWords },
        spans: { p: whole(parameters), g: whole(gradients), ...moments, norm, step },
      },
    ];
  };
  return {
    clearGradients: clear(gradients, zero),
    clearTotal: clear(total, zero),
    /** Measures the gradient, notes it at a place of the ring, and moves the parameters. */
    update,
    keepWeights: transfer(whole(parameters), whole(gradients)),
    restoreWeights: transfer(whole(gradients), whole(parameters)),
    shift: transfer(whole(gradients), whole(parameters), 1),
  };
}

function clear(buffer: DeviceBuffer, zero: Span): Dispatch {
  return { kernel: fill, shape: { COUNT: buffer.words }, spans: { value: zero, y: whole(buffer) } };
}

function transfer(x: Span, y: Span, ACCUMULATE = 0): Dispatch {
  return { kernel: copy, shape: { COUNT: x.words, ACCUMULATE }, spans: { x, y } };
}
