/**
 * What measuring costs: a step that compares the halves of its batch, and one that is sketched, against an ordinary one.
 *
 * The three take turns, so that whatever else the machine does falls on all alike. Each batch is of 8 windows of the
 * demo's model on the cpu device: in one micro-batch, which is then run as two, and in four.
 * @module
 */
import { openCpuDevice } from "../runtime/device/cpu.ts";
import { initialWeights } from "../runtime/model/parameters.ts";
import { exampleWindows } from "../runtime/profile/step_profile.ts";
import { presets } from "../runtime/presets.ts";
import { openTrainer } from "../runtime/train/trainer.ts";
import type { Bench } from "./line.ts";
import { SETTINGS } from "./training.ts";

const BATCH = 8, ROUNDS = 40;
const KINDS = { ordinary: {}, halves: { halves: true }, sketch: { sketchSeed: 1 } } as const;

export const noiseBench: Bench = {
  name: "noise",
  question: `What does it cost to measure the noise in the gradient of ${BATCH} windows of the demo's model?`,
  async *run() {
    const { model } = presets.demo, windows = exampleWindows(BATCH, model);
    await using device = await openCpuDevice();
    for (const accumulation of [1, 4]) {
      const shape = { model, microBatch: BATCH / accumulation, outer: false, measured: true };
      await using trainer = await openTrainer({ device, ...shape });
      trainer.writeWeights(initialWeights(model, 1));
      const times: Record<keyof typeof KINDS, number[]> = { ordinary: [], halves: [], sketch: [] };
      for (let round = -2; round < ROUNDS; round++) {
        for (const kind of ["ordinary", "halves", "sketch"] as const) {
          const startedAtMs = performance.now();
          trainer.step(windows, SETTINGS, KINDS[kind]);
          await device.idle();
          if (round >= 0) times[kind].push(performance.now() - startedAtMs);
        }
      }
      const median = (values: readonly number[]) => values.toSorted((a, b) => a - b)[ROUNDS >> 1]!;
      const msPerStep = median(times.ordinary);
      yield {
        name: `a step in ${accumulation} micro-batches`,
        device: device.description,
        msPerStep,
        halvesRatio: median(times.halves) / msPerStep,
        sketchRatio: median(times.sketch) / msPerStep,
      };
    }
  },
};
