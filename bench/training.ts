/**
 * What the benchmarks that train have in common: models, settings of a step, and a count of what was run.
 * @module
 */
import { reasonOf } from "../p2p/reason.ts";
import type { Device } from "../runtime/device/device.ts";
import type { ModelConfig } from "../runtime/model/config.ts";
import { presets } from "../runtime/presets.ts";
import type { StepSettings } from "../runtime/train/inner_step.ts";

const { beta1, beta2, epsilon, clip, weightDecay: decay, learningRate: rate } = presets.demo.training;

/** AdamW as the demo trains. */
export const SETTINGS: StepSettings = { rate, beta1, beta2, epsilon, decay, clip };

/** The demo's model made small enough for software drivers. */
export const TINY_MODEL: ModelConfig = {
  ...presets.demo.model,
  contextLength: 32,
  layerCount: 2,
  headCount: 2,
  keyValueHeadCount: 2,
  width: 32,
  hiddenWidth: 128,
};

/** GPT-2's smallest, as it was published. */
export const GPT2_124M: ModelConfig = { ...presets.gpt2.model, vocabularySize: 50_257 };

/** What a device is asked to run meanwhile: each program is one submit. */
export function countsOf(device: Device, act: () => void): { readonly dispatches: number; readonly submits: number } {
  const { run } = device;
  let dispatches = 0, submits = 0;
  device.run = (program) => {
    submits++;
    dispatches += program.dispatchCount;
    run.call(device, program);
  };
  act();
  device.run = run;
  return { dispatches, submits };
}

/** Opens a device, or says as a line why it cannot be had. */
export async function openOrSay(open: () => Promise<Device>): Promise<Device | string> {
  try {
    return await open();
  } catch (error) {
    return reasonOf(error);
  }
}
