/**
 * A model's configuration in Hugging Face's words and in ours.
 *
 * Reading takes what we compute exactly as `transformers` does and refuses the rest by name. Dropout is accepted: it
 * plays no part in evaluation, and we train without it.
 * @module
 */
import { z } from "zod";
import { type ModelConfig, modelConfigSchema } from "./config.ts";

/** A model folder that cannot be used; the message names the file, what was found and what is wanted. */
export class ModelFolderError extends Error {
  override readonly name = "ModelFolderError";
}

const count = z.int().min(1);

const gpt2Schema = z.looseObject({
  model_type: z.literal("gpt2"),
  vocab_size: count,
  n_positions: count,
  n_embd: count,
  n_layer: count,
  n_head: count,
  n_inner: count.nullish(),
  activation_function: z.enum(["gelu_new", "gelu_pytorch_tanh"]).default("gelu_new"),
  layer_norm_epsilon: z.number().default(1e-5),
  tie_word_embeddings: z.literal(true).default(true),
  scale_attn_weights: z.literal(true).default(true),
  scale_attn_by_inverse_layer_idx: z.literal(false).default(false),
  add_cross_attention: z.literal(false).default(false),
});

const ropeSchema = z.looseObject({
  rope_type: z.literal("default").optional(),
  type: z.literal("default").optional(),
  rope_theta: z.number().optional(),
  partial_rotary_factor: z.literal(1).optional(),
}).nullish();

const llamaSchema = z.looseObject({
  model_type: z.literal("llama"),
  vocab_size: count,
  max_position_embeddings: count,
  hidden_size: count,
  intermediate_size: count,
  num_hidden_layers: count,
  num_attention_heads: count,
  num_key_value_heads: count.nullish(),
  head_dim: count.nullish(),
  hidden_act: z.literal("silu").default("silu"),
  rms_norm_eps: z.number().default(1e-6),
  tie_word_embeddings: z.boolean().default(false),
  attention_bias: z.literal(false).default(false),
  mlp_bias: z.literal(false).default(false),
  rope_theta: z.number().optional(),
  rope_parameters: ropeSchema,
  rope_scaling: ropeSchema,
}).refine(
  ({ head_dim, hidden_size, num_attention_heads }) =>
    (head_dim ?? 0) === 0 || head_dim! * num_attention_heads === hidden_size,
  {
    path: ["head_dim"],
    message: "must be hidden_size / num_attention_heads",
  },
);

const fileSchema = z.discriminatedUnion("model_type", [gpt2Schema, llamaSchema]);

/**
 * Reads a `config.json`.
 * @param source Where it came from, for messages.
 * @throws {ModelFolderError} that names every field that does not fit.
 */
export function fromHuggingFaceConfig(text: string, source: string): ModelConfig {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (cause) {
    throw new ModelFolderError(`Cannot read ${source}: it is not JSON (${(cause as Error).message})`, { cause });
  }
  const file = fileSchema.safeParse(json, { reportInput: true });
  if (!file.success) throw refuse(source, file.error);
  const config = modelConfigSchema.safeParse(ours(file.data), { reportInput: true });
  if (!config.success) throw refuse(source, config.error);
  return config.data;
}

function refuse(source: string, { issues }: z.ZodError): ModelFolderError {
  const lines = issues.slice(0, 8).map(({ path, message, input }) => {
    const found = input === undefined ? "" : `, found ${JSON.stringify(input)?.slice(0, 80)}`;
    return `  '${path.join(".")}': ${message}${found}`;
  });
  return new ModelFolderError(`Cannot use ${source}: Starling does not compute this model\n${lines.join("\n")}`);
}

function ours(file: z.infer<typeof fileSchema>): z.input<typeof modelConfigSchema> {
  switch (file.model_type) {
    case "gpt2":
      return {
        family: "gpt2",
        vocabularySize: file.vocab_size,
        contextLength: file.n_positions,
        layerCount: file.n_layer,
        headCount: file.n_head,
        keyValueHeadCount: file.n_head,
        width: file.n_embd,
        hiddenWidth: file.n_inner ?? 4 * file.n_embd,
        tied: true,
        normEpsilon: file.layer_norm_epsilon,
      };
    case "llama":
      return {
        family: "llama",
        vocabularySize: file.vocab_size,
        contextLength: file.max_position_embeddings,
        layerCount: file.num_hidden_layers,
        headCount: file.num_attention_heads,
        keyValueHeadCount: file.num_key_value_heads ?? file.num_attention_heads,
        width: file.hidden_size,
        hiddenWidth: file.intermediate_size,
        tied: file.tie_word_embeddings,
        normEpsilon: file.rms_norm_eps,
        ropeTheta: file.rope_parameters?.rope_theta ?? file.rope_theta ?? 10_000,
      };
    default:
      return file satisfies never;
  }
}

/** The contents of a `config.json` for versions 4 and 5 of `transformers`. */
export function toHuggingFaceConfig(config: ModelConfig): Readonly<Record<string, unknown>> {
  const shared = {
    vocab_size: config.vocabularySize,
    tie_word_embeddings: config.tied,
    bos_token_id: null,
    eos_token_id: null,
    dtype: "float32",
    torch_dtype: "float32",
  };
  if (config.family === "gpt2") {
    return {
      architectures: ["GPT2LMHeadModel"],
      model_type: "gpt2",
      ...shared,
      n_positions: config.contextLength,
      n_ctx: config.contextLength,
      n_embd: config.width,
      n_layer: config.layerCount,
      n_head: config.headCount,
      n_inner: config.hiddenWidth,
      activation_function: "gelu_new",
      layer_norm_epsilon: config.normEpsilon,
      resid_pdrop: 0,
      embd_pdrop: 0,
      attn_pdrop: 0,
    };
  }
  return {
    architectures: ["LlamaForCausalLM"],
    model_type: "llama",
    ...shared,
    max_position_embeddings: config.contextLength,
    hidden_size: config.width,
    intermediate_size: config.hiddenWidth,
    num_hidden_layers: config.layerCount,
    num_attention_heads: config.headCount,
    num_key_value_heads: config.keyValueHeadCount,
    hidden_act: "silu",
    rms_norm_eps: config.normEpsilon,
    attention_bias: false,
    mlp_bias: false,
    rope_theta: config.ropeTheta,
    rope_parameters: { rope_type: "default", rope_theta: config.ropeTheta },
  };
}
