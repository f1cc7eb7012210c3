/**
 * Two models of twelve layers, of the size of GPT-2's smallest, for tests of plans: nothing this large is computed.
 * @module
 */
import { modelConfigSchema } from "../runtime/model/config.ts";

const sizes = { vocabularySize: 50_257, contextLength: 1024, layerCount: 12, headCount: 12, width: 768, tied: true };

/** 124 million parameters. */
export const gpt2Small = modelConfigSchema.parse({
  ...sizes,
  family: "gpt2",
  keyValueHeadCount: 12,
  hiddenWidth: 3072,
});

export const llamaSmall = modelConfigSchema.parse({
  ...sizes,
  family: "llama",
  keyValueHeadCount: 4,
  hiddenWidth: 2048,
});
