/**
 * What PyTorch and `transformers` computed for a tiny model: `tests/golden/make_fixtures.py` says how.
 * @module
 */
import type { ModelConfig } from "../../runtime/model/config.ts";
import { diskFolder, openFile } from "../../runtime/folder_disk.ts";
import { readFolder, readTensors } from "../../runtime/model/huggingface.ts";
import { parameterLayout, valuesOf } from "../../runtime/model/parameters.ts";
import { openSafetensors } from "../../runtime/model/safetensors.ts";
import type { StepSettings } from "../../runtime/train/inner_step.ts";

export interface Fixture {
  readonly config: ModelConfig;
  readonly weights: Float32Array<ArrayBuffer>;
  /** Batches of windows; the first is the one of `logits`, `loss` and `gradients`. */
  readonly batches: readonly (readonly Uint32Array[])[];
  /** (B·T, V). */
  readonly logits: Float32Array<ArrayBuffer>;
  readonly loss: number;
  /** Of the mean loss, by our parameter names. */
  readonly gradients: ReadonlyMap<string, Float32Array>;
  readonly settings: StepSettings;
  /** Losses before each of ten AdamW steps that take the batches in turn, computed in f64. */
  readonly losses: readonly number[];
}

interface Expected {
  readonly contextLength: number;
  readonly batch: number;
  readonly loss: number;
  readonly lossesF64: readonly number[];
  readonly windows: readonly (readonly (readonly number[])[])[];
  readonly adamw: Readonly<Record<"learningRate" | "beta1" | "beta2" | "epsilon" | "weightDecay" | "clip", number>>;
}

export const FAMILIES = ["gpt2", "llama"] as const;

/** Folder of a fixture: it is a folder of `transformers` with more files in it. */
function fixturePath(family: typeof FAMILIES[number]): string {
  return `${import.meta.dirname}/../golden/${family}`;
}

export async function loadFixture(family: typeof FAMILIES[number]): Promise<Fixture> {
  const path = fixturePath(family);
  const { config, weights } = await readFolder(diskFolder(path));
  const expected = JSON.parse(await Deno.readTextFile(`${path}/expected.json`)) as Expected;
  const { learningRate: rate, weightDecay: decay, ...others } = expected.adamw;
  const arena = readTensors(openSafetensors(openFile(`${path}/gradients.safetensors`)), config);
  const shape = [expected.batch, expected.contextLength, config.vocabularySize];
  return {
    config,
    weights,
    batches: expected.windows.map((batch) => batch.map((window) => Uint32Array.from(window))),
    logits: openSafetensors(openFile(`${path}/logits.safetensors`)).read("logits", shape),
    loss: expected.loss,
    gradients: new Map(parameterLayout(config).parameters.map((one) => [one.name, valuesOf(arena, one)])),
    settings: { rate, decay, ...others },
    losses: expected.lossesF64,
  };
}
