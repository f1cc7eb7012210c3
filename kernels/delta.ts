/**
 * The pseudo-gradient of a round: how far the parameters went from the anchor, plus what the last round's codec left
 * over. delta = anchor − p + DECAY · residual.
 *
 * Douillard et al. 2023 (DiLoCo), arXiv 2311.08105, algorithm 1, line 11, with error feedback, which forgets where DECAY
 * is below 1 (Sarfi et al. 2025, arXiv 2508.15706).
 * @module
 */
import { defineKernel, reads, spread, writes } from "./kernel.ts";
import { variantsOf, WIDE_COUNT } from "./kernel_text.ts";
import source from "./delta.wgsl" with { type: "text" };
import wasmSource from "./delta.as" with { type: "text" };

export type DeltaShape = {
  readonly COUNT: number;
  /** Share of the residual that is still believed. */
  readonly DECAY: number;
};

export const delta = defineKernel<DeltaShape>()({
  name: "delta",
  source,
  bindings: {
    anchor: reads(({ COUNT }) => COUNT),
    p: reads(({ COUNT }) => COUNT),
    residual: reads(({ COUNT }) => COUNT),
    delta: writes(({ COUNT }) => COUNT),
  },
  grid: ({ COUNT }) => spread(Math.ceil(COUNT / 256)),
  variants: variantsOf(source, { wide: WIDE_COUNT }),
  flops: ({ COUNT }) => 3 * COUNT,
  reference({ anchor, p, residual, delta }, { COUNT, DECAY }) {
    for (let i = 0; i < COUNT; i++) delta[i] = anchor[i]! - p[i]! + DECAY * residual[i]!;
  },
  wasm: {
    source: wasmSource,
    entry: "delta",
    args: ({ COUNT, DECAY }) => [COUNT, DECAY],
    items: ({ COUNT }) => Math.ceil(COUNT / 64),
  },
});
