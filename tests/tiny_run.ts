/**
 * A run small enough for tests: a few thousand parameters on a Markov source whose entropy is known.
 * @module
 */
import { parseRunConfig, type RunConfig } from "../runtime/config.ts";

type Overrides = { readonly [Part in "training" | "outer" | "data" | "model" | "rounds"]?: Record<string, unknown> };

/** A valid configuration; `overrides` replace single fields of its parts. */
export function tinyRun(overrides: Overrides = {}): RunConfig {
  return parseRunConfig(JSON.stringify({
    version: 1,
    name: "tiny",
    seed: 7,
    model: {
      family: "gpt2",
      vocabularySize: 8,
      contextLength: 16,
      layerCount: 1,
      headCount: 2,
      keyValueHeadCount: 2,
      width: 16,
      hiddenWidth: 64,
      tied: true,
      ...overrides.model,
    },
    tokenizer: { kind: "bytes" },
    data: { kind: "markov", seed: 5, symbolCount: 8, tokenCount: 40_000, ...overrides.data },
    training: {
      learningRate: 0.01,
      schedule: "constant",
      warmupTokens: 0,
      targetTokens: null,
      batch: 8,
      ...overrides.training,
    },
    outer: { codec: "int8", ...overrides.outer },
    rounds: { firstMs: 1000, leastMs: 500, longestMs: 10_000, ...overrides.rounds },
    membership: "private",
  }));
}
