/**
 * Ready-made runs: the sizes and training choices that `starling init --preset` offers.
 *
 * A preset has everything of `run.json` but the data, the tokenizer's file, the name and the seed. Rates are for the
 * batch that stands beside them.
 * @module
 */
import type { RunConfig } from "./config.ts";
import type { ModelConfig } from "./model/config.ts";

/** A size of model with training choices that suit it. */
export interface Preset {
  /** For people: what it is for, in one line. */
  readonly summary: string;
  readonly model: ModelConfig;
  readonly tokenizer: "bytes" | "bpe";
  readonly training: RunConfig["training"];
  readonly outer: RunConfig["outer"];
  readonly rounds: RunConfig["rounds"];
}

const trained = {
  rateScaling: "sqrt",
  schedule: "cosine",
  finalShare: 0.1,
  decayShare: 0.2,
  weightDecay: 0.1,
  beta1: 0.9,
  beta2: 0.99,
  epsilon: 1e-8,
  clip: 1,
} as const;

const averaged = {
  codec: "int8",
  robust: "median-clip",
  screen: "drop",
  learningRate: 1,
  momentum: 0,
  ageDiscount: 0.3,
  lateRounds: 3,
} as const;

/** All presets by name; `demo` is what `starling demo` trains. */
export const presets = {
  demo: {
    summary: "842 thousand parameters, bytes: learns to write on a laptop's CPU in minutes",
    model: {
      family: "gpt2",
      vocabularySize: 256,
      contextLength: 128,
      layerCount: 4,
      headCount: 4,
      keyValueHeadCount: 4,
      width: 128,
      hiddenWidth: 512,
      tied: true,
      normEpsilon: 1e-5,
      ropeTheta: 10_000,
    },
    tokenizer: "bytes",
    training: {
      ...trained,
      schedule: "constant",
      learningRate: 1.5e-3,
      warmupTokens: 20_000,
      targetTokens: null,
      batch: 12,
    },
    outer: averaged,
    rounds: { firstMs: 6_000, leastMs: 4_000, longestMs: 60_000 },
  },
  small: {
    summary: "Llama of 6.7 million parameters, 4,096 BPE tokens: an evening on a few machines",
    model: {
      family: "llama",
      vocabularySize: 4096,
      contextLength: 256,
      layerCount: 6,
      headCount: 6,
      keyValueHeadCount: 3,
      width: 288,
      hiddenWidth: 768,
      tied: true,
      normEpsilon: 1e-5,
      ropeTheta: 10_000,
    },
    tokenizer: "bpe",
    training: { ...trained, learningRate: 1e-3, warmupTokens: 500_000, targetTokens: 100_000_000, batch: 32 },
    outer: { ...averaged, codec: "auto" },
    rounds: { firstMs: 30_000, leastMs: 10_000, longestMs: 600_000 },
  },
  gpt2: {
    summary: "GPT-2's small shape, 32,768 BPE tokens, 111 million parameters: for machines with real GPUs",
    model: {
      family: "gpt2",
      vocabularySize: 32_768,
      contextLength: 1024,
      layerCount: 12,
      headCount: 12,
      keyValueHeadCount: 12,
      width: 768,
      hiddenWidth: 3072,
      tied: true,
      normEpsilon: 1e-5,
      ropeTheta: 10_000,
    },
    tokenizer: "bpe",
    training: { ...trained, learningRate: 6e-4, warmupTokens: 20_000_000, targetTokens: 2_500_000_000, batch: 256 },
    outer: { ...averaged, learningRate: 0.7, momentum: 0.9 },
    rounds: { firstMs: 120_000, leastMs: 60_000, longestMs: 1_800_000 },
  },
} as const satisfies Readonly<Record<string, Preset>>;

/** Names of the presets. */
export type PresetName = keyof typeof presets;

/** Whether a text is one of them. */
export function isPreset(name: string): name is PresetName {
  return Object.hasOwn(presets, name);
}
