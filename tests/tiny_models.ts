/**
 * Models and texts that are small enough for unit tests.
 *
 * Sizes are odd or prime where a model allows it, so that no tile, row or span is full by chance.
 * @module
 */
import type { ModelConfig } from "../runtime/model/config.ts";
import { initialWeights, parameterLayout, valuesOf } from "../runtime/model/parameters.ts";
import { randomWords } from "../runtime/model/random.ts";

const sizes = { vocabularySize: 13, contextLength: 9, layerCount: 2, headCount: 4, normEpsilon: 1e-5, ropeTheta: 100 };

export const tinyGpt2: ModelConfig = {
  ...sizes,
  family: "gpt2",
  keyValueHeadCount: 4,
  width: 12,
  hiddenWidth: 20,
  tied: true,
};

/** Two query heads share a key-value head; the output layer is a matrix of its own. */
export const tinyLlama: ModelConfig = {
  ...sizes,
  family: "llama",
  keyValueHeadCount: 2,
  width: 24,
  hiddenWidth: 10,
  tied: false,
};

/** One key-value head for all; the output layer is the token embedding. */
const tinyTiedLlama: ModelConfig = {
  ...sizes,
  family: "llama",
  keyValueHeadCount: 1,
  width: 8,
  hiddenWidth: 7,
  tied: true,
};

export const tinyModels: readonly ModelConfig[] = [tinyGpt2, tinyLlama, tinyTiedLlama];

/** For test names. */
export function nameOf({ family, keyValueHeadCount, tied }: ModelConfig): string {
  return `${family} with ${keyValueHeadCount} key heads${tied ? "" : " and a head of its own"}`;
}

/** Larger than initial weights, so that attention and activations leave their straight parts; biases are not zero. */
export function roughWeights(model: ModelConfig): Float32Array<ArrayBuffer> {
  const weights = initialWeights(model, 5);
  for (const [stream, parameter] of parameterLayout(model).parameters.entries()) {
    const noise = smallNumbers(parameter.words, 100 + stream);
    valuesOf(weights, parameter).forEach((value, i, values) => values[i] = value + 0.3 * noise[i]!);
  }
  return weights;
}

/** Numbers in −1 … 1, the same in every run. */
export function smallNumbers(length: number, stream: number): Float64Array {
  const next = randomWords(1, stream);
  return Float64Array.from({ length }, () => next() / 2 ** 31 - 1);
}

/** Windows of a text in which a token is often one more than the one before, so that there is something to learn. */
export function countingWindows(
  count: number,
  { vocabularySize, contextLength }: ModelConfig,
  seed = 1,
): Uint32Array<ArrayBuffer>[] {
  const next = randomWords(seed, 7);
  return Array.from({ length: count }, () => {
    const window = new Uint32Array(contextLength + 1);
    window[0] = next() % vocabularySize;
    for (let i = 1; i < window.length; i++) {
      window[i] = next() % 4 === 0 ? next() % vocabularySize : (window[i - 1]! + 1) % vocabularySize;
    }
    return window;
  });
}
