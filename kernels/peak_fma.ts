/**
 * Multiply-adds in registers and nothing else: how many of them a device can do is the peak that others are measured by.
 *
 * Every value becomes value · a + b, 4 · ROUNDS times. GROUPS of 3,072 values: 64 lanes or turns of 12 vectors of four,
 * which are independent, so that no multiply-add waits for another. No model uses it.
 * @module
 */
import { defineKernel, reads, spread, writes } from "./kernel.ts";
import source from "./peak_fma.wgsl" with { type: "text" };
import wasmSource from "./peak_fma.as" with { type: "text" };

export type PeakFmaShape = {
  readonly GROUPS: number;
  /** Of four multiply-adds a value. */
  readonly ROUNDS: number;
};

const GROUP = 64 * 12 * 4, UNROLLED = 4;

export const peakFma = defineKernel<PeakFmaShape>()({
  name: "peak_fma",
  source,
  bindings: {
    factors: reads(() => 2),
    values: writes(({ GROUPS }) => GROUP * GROUPS),
  },
  grid: ({ GROUPS }) => spread(GROUPS),
  flops: ({ GROUPS, ROUNDS }) => 2 * UNROLLED * ROUNDS * GROUP * GROUPS,
  reference({ factors, values }, { ROUNDS }) {
    for (let step = 0; step < UNROLLED * ROUNDS; step++) {
      for (let i = 0; i < values.length; i++) values[i] = values[i]! * factors[0]! + factors[1]!;
    }
  },
  wasm: {
    source: wasmSource,
    entry: "peak_fma",
    args: ({ ROUNDS }) => [ROUNDS],
    items: ({ GROUPS }) => GROUPS,
  },
});
