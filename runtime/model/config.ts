/**
 * The shape of a model: what `run.json` says under `model`, and all that decides its parameters.
 *
 * GPT-2 and Llama share one description. Sizes only: no weights and no training choices.
 * @module
 */
import { z } from "zod";

const size = (least: number, most: number) => z.int().min(least).max(most);

export const modelConfigSchema = z.strictObject({
  family: z.enum(["gpt2", "llama"]).describe(
    "gpt2: LayerNorm, learned positions, GELU; llama: RMSNorm, rotary positions, SwiGLU, grouped queries",
  ),
  vocabularySize: size(2, 1_048_576).describe("Tokens that the tokenizer knows"),
  contextLength: size(2, 65_536).describe("Tokens in a training sequence; the longest context of the model"),
  layerCount: size(1, 256),
  headCount: size(1, 256).describe("Query heads"),
  keyValueHeadCount: size(1, 256).describe("Key and value heads; equal to headCount for gpt2"),
  width: size(2, 65_536).describe("Width of the residual stream; headCount × head size"),
  hiddenWidth: size(2, 262_144).describe("Width inside the feed-forward part; 4 × width for gpt2"),
  tied: z.boolean().describe("Whether the output layer is the token embedding"),
  normEpsilon: z.number().positive().max(0.01).default(1e-5),
  ropeTheta: z.number().positive().default(10_000).describe("Base of the rotary angles (llama)"),
}).superRefine((config, context) => {
  const refuse = (path: string, message: string) => context.addIssue({ code: "custom", path: [path], message });
  if (config.width % config.headCount !== 0) {
    refuse("width", `must be a multiple of headCount (${config.headCount}): found ${config.width}`);
  } else if (config.width / config.headCount > 128) {
    refuse("headCount", `gives heads of size ${config.width / config.headCount}: at most 128`);
  } else if (config.family === "llama" && (config.width / config.headCount) % 2 !== 0) {
    refuse("headCount", `gives heads of size ${config.width / config.headCount}: rotary positions need an even size`);
  }
  if (config.headCount % config.keyValueHeadCount !== 0) {
    refuse("keyValueHeadCount", `must divide headCount (${config.headCount}): found ${config.keyValueHeadCount}`);
  }
  if (config.family === "gpt2" && config.keyValueHeadCount !== config.headCount) {
    refuse(
      "keyValueHeadCount",
      `must equal headCount (${config.headCount}) for gpt2: found ${config.keyValueHeadCount}`,
    );
  }
  if (config.family === "gpt2" && !config.tied) refuse("tied", "must be true for gpt2");
});

/** A valid model shape. Counts are of tokens, layers, heads and f32 values. */
export type ModelConfig = z.infer<typeof modelConfigSchema>;

/** Size of one attention head. */
export function headSize({ width, headCount }: ModelConfig): number {
  return width / headCount;
}
