/**
 * A run small enough for tests: a model of a few thousand parameters on a Markov source whose entropy is known.
 * @module
 */
import { parseRunConfig, type RunConfig } from "../runtime/config.ts";

/** A valid run; `changes` replaces whole sections. */
export function tinyRun(changes: Partial<RunConfig> = {}): RunConfig {
  const run: RunConfig = {
    version: 1,
    name: "tiny",
    seed: 7,
    model: {
      family: "gpt2",
      vocabularySize: 256,
      contextLength: 32,
      layerCount: 2,
      headCount: 2,
      keyValueHeadCount: 2,
      width: 32,
      hiddenWidth: 128,
      tied: true,
      normEpsilon: 1e-5,
      ropeTheta: 10_000,
    },
    tokenizer: { kind: "bytes" },
    data: { kind: "markov", seed: 3, symbolCount: 16, tokenCount: 200_000 },
    training: {
      learningRate: 3e-3,
      rateScaling: "sqrt",
      schedule: "constant",
      warmupTokens: 2_000,
      finalShare: 0.1,
      decayShare: 0.2,
      targetTokens: null,
      batch: 12,
      weightDecay: 0.1,
      beta1: 0.9,
      beta2: 0.99,
      epsilon: 1e-8,
      clip: 1,
    },
    outer: {
      codec: "int8",
      robust: "median-clip",
      screen: "drop",
      learningRate: 1,
      momentum: 0,
      ageDiscount: 0.3,
      lateRounds: 3,
    },
    rounds: { firstMs: 1_500, leastMs: 1_000, longestMs: 10_000 },
    cells: { size: 32, rounds: 4 },
    batching: { policy: "constant", most: null, ceiling: null },
    membership: "private",
  };
  return parseRunConfig(JSON.stringify({ ...run, ...changes }));
}
