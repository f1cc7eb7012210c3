/**
 * Dynamic loss scaling: says what scaled gradients are to be multiplied with, and sets the scale of the next step.
 *
 * Gradients that would vanish in f16 are computed as multiples: the gradient of the loss of a token is multiplied by
 * the scale, and the sum over a batch, which is kept in f32, divided by it and by the batch's tokens afterwards. An
 * overflow halves the scale, down to 1, and the step is skipped (`adamw` does); GROWTH_STEPS steps without one double it.
 *
 * The scale is that of a *token*, not of the batch's mean as usual: so it need not follow a batch that grows.
 *
 * Micikevicius et al. 2018, arXiv 1710.03740, §3.2; the rule of change is that of PyTorch's `GradScaler`.
 * @module
 */
import { defineKernel, reads, writes } from "./kernel.ts";
import source from "./loss_scale.wgsl" with { type: "text" };

export type LossScaleShape = {
  /** Steps without an overflow after which the scale is doubled. */
  readonly GROWTH_STEPS: number;
};

/** More would only move overflows from f16 to f32. */
const LARGEST = 2 ** 24;

export const lossScale = defineKernel<LossScaleShape>()({
  name: "loss_scale",
  source,
  bindings: {
    /** 1 / tokens of the batch. */
    share: reads(() => 1),
    /** The scale of this step, and how many steps went well with it; then those of the next. */
    state: writes(() => 2),
    /** As `norm_final` left it; then the norm of the true gradient, its factor, and the scale that this step had. */
    norm: writes(() => 4),
  },
  grid: () => [1, 1, 1],
  reference({ share, state, norm }, { GROWTH_STEPS }) {
    const scale = state[0]!, factor = share[0]! / scale;
    const isOverflow = !Number.isFinite(norm[0]!) || norm[1]! > 0;
    norm[0] = norm[0]! * factor;
    norm[2] = factor;
    norm[3] = scale;
    state[1] = isOverflow ? 0 : state[1]! + 1;
    if (isOverflow) {
      state[0] = Math.max(1, scale / 2);
    } else if (state[1]! >= GROWTH_STEPS) {
      state[0] = Math.min(LARGEST, scale * 2);
      state[1] = 0;
    }
  },
});
