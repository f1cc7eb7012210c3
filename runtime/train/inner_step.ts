/**
 * Everything of an optimizer step that is not the model: clearing, the gradient's norm, AdamW, and copies of arenas.
 *
 * What changes from step to step is data in the `settings` buffer, never a constant of a program.
 * @module
 */
import { adamw, adamwStep } from "../../kernels/adamw.ts";
import { copy } from "../../kernels/copy.ts";
import { fill } from "../../kernels/fill.ts";
import { lossScale } from "../../kernels/loss_scale.ts";
import { nonFinite } from "../../kernels/non_finite.ts";
import { normFinal } from "../../kernels/norm_final.ts";
import { normSquaredPartial } from "../../kernels/norm_squared_partial.ts";
import { type DeviceBuffer, type Dispatch, type Span, whole } from "../device/device.ts";
import { f16Layout } from "../model/f16_parameters.ts";
import type { ParameterLayout } from "../model/parameters.ts";
import { RING_WORDS, ringPlace } from "./step_metrics.ts";
import type { Precision } from "./training_graph.ts";

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

/** Where each part of `settings` starts: 1 / tokens of the batch, the zero that arenas are cleared with, AdamW's numbers. */
const STARTS = { share: 0, zero: 64, step: 128 } as const;
const SETTINGS_WORDS = 192;

/** Workgroups of the gradient's norm: of a large model so many that a large GPU hides its memory's latency. */
const NORM_BLOCKS = { least: 256, most: 1024 } as const;
const VALUES_A_NORM_BLOCK = 4096;

/** Good steps after which the loss scale is doubled: PyTorch's, of some thousand steps of the paper. */
const GROWTH_STEPS = 2000;

/** Buffers of the optimizer, in words. */
export function innerWords({ words, parameters }: ParameterLayout) {
  return {
    first_moment: words,
    second_moment: words,
    loss_scale: 2,
    tensor_starts: parameters.length + 1,
    non_finite: parameters.length,
    norm_partials: 2 * normBlocks(words),
    settings: SETTINGS_WORDS,
    total: 1,
    ring: RING_WORDS,
  };
}

function normBlocks(words: number): number {
  const { least, most } = NORM_BLOCKS;
  return Math.max(least, Math.min(most, Math.ceil(words / VALUES_A_NORM_BLOCK)));
}

export type InnerBuffers = Readonly<
  Record<keyof ReturnType<typeof innerWords> | "parameters" | "gradients" | "f16_parameters", DeviceBuffer>
>;

/** The contents of `tensor_starts`. */
export function tensorStarts({ parameters, words }: ParameterLayout): Uint32Array<ArrayBuffer> {
  return Uint32Array.of(...parameters.map(({ start }) => start), words);
}

/**
 * The contents of `settings` for one step.
 * @param progress Predicted tokens of the batch, the number of the step, from 1, and the product of β₂ over all of them.
 */
export function settingValues(
  settings: StepSettings,
  progress: { readonly tokens: number; readonly t: number; readonly beta2Product: number },
): Float32Array<ArrayBuffer> {
  const values = new Float32Array(SETTINGS_WORDS);
  values[STARTS.share] = 1 / progress.tokens;
  values.set(adamwStep({ ...settings, ...progress }), STARTS.step);
  return values;
}

export function innerDispatches(
  buffers: InnerBuffers,
  { layout, precision }: { readonly layout: ParameterLayout; readonly precision: Precision },
) {
  const { parameters, gradients, first_moment, second_moment, norm_partials, settings, total, ring } = buffers;
  const COUNT = layout.words,
    BLOCKS = normBlocks(layout.words),
    partial = whole(norm_partials),
    TENSORS = layout.parameters.length;
  const share: Span = { buffer: settings, start: STARTS.share, words: 1 };
  const zero: Span = { buffer: settings, start: STARTS.zero, words: 1 };
  const step: Span = { buffer: settings, start: STARTS.step, words: 8 };

  const update = (place: number): Dispatch[] => {
    const { norm, lossSum } = ringPlace(ring, place);
    const moments = { m: whole(first_moment), v: whole(second_moment) };
    const broken = { starts: whole(buffers.tensor_starts), norm, counts: whole(buffers.non_finite) };
    const rescale = { share, state: whole(buffers.loss_scale), norm };
    return [
      { kernel: normSquaredPartial, shape: { COUNT, BLOCKS }, spans: { x: whole(gradients), partial } },
      { kernel: normFinal, shape: { BLOCKS }, spans: { partial, result: norm } },
      { kernel: nonFinite, shape: { COUNT, TENSORS }, spans: { x: whole(gradients), ...broken } },
      ...(precision === "f16" ? [{ kernel: lossScale, shape: { GROWTH_STEPS }, spans: rescale }] : []),
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
    /** Makes the copies in f16 of the parameters as they are. */
    narrow: precision === "f16" ? narrowDispatches(buffers, layout) : [],
    /** Measures the gradient, notes it at a place of the ring, and moves the parameters. */
    update,
    keepWeights: transfer(whole(parameters), whole(gradients)),
    restoreWeights: transfer(whole(gradients), whole(parameters)),
    shift: transfer(whole(gradients), whole(parameters), 1),
  };
}

/** Makes the copies in f16 that a graph of activations in f16 reads. */
export function narrowDispatches(
  { parameters, f16_parameters }: Readonly<Record<"parameters" | "f16_parameters", DeviceBuffer>>,
  layout: ParameterLayout,
): Dispatch[] {
  return f16Layout(layout).runs.map(({ from, to, count }) => {
    const x = { buffer: parameters, start: from, words: count };
    const y: Span = { buffer: f16_parameters, start: to, words: count / 2, type: "f16" };
    return { kernel: copy, shape: { COUNT: count, ACCUMULATE: 0 }, spans: { x, y } };
  });
}

function clear(buffer: DeviceBuffer, zero: Span): Dispatch {
  return { kernel: fill, shape: { COUNT: buffer.words }, spans: { value: zero, y: whole(buffer) } };
}

function transfer(x: Span, y: Span, ACCUMULATE = 0): Dispatch {
  return { kernel: copy, shape: { COUNT: x.words, ACCUMULATE }, spans: { x, y } };
}
