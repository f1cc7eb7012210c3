/**
 * What our parameters are called in Hugging Face's files, and how they lie there.
 * @module
 */
import { headSize, type ModelConfig } from "./config.ts";
import type { Parameter } from "./parameters.ts";

/** One tensor of theirs: a run of rows of one parameter of ours. */
export interface Part {
  readonly name: string;
  /** Their shape. */
  readonly shape: readonly number[];
  /** Theirs is (in, out), ours (out, in). */
  readonly transposed: boolean;
}

/** Files of the bare model leave it out. */
export const OPTIONAL_PREFIX = { gpt2: "transformer.", llama: "model." } as const;

const GPT2_TOP: Readonly<Record<string, string>> = {
  "token_embedding": "wte.weight",
  "position_embedding": "wpe.weight",
  "final_norm.weight": "ln_f.weight",
  "final_norm.bias": "ln_f.bias",
};
const GPT2_LAYER: Readonly<Record<string, string>> = {
  "attention_norm": "ln_1",
  "attention.qkv": "attn.c_attn",
  "attention.out": "attn.c_proj",
  "mlp_norm": "ln_2",
  "mlp.up": "mlp.c_fc",
  "mlp.down": "mlp.c_proj",
};
const LLAMA_TOP: Readonly<Record<string, string>> = {
  "token_embedding": "model.embed_tokens.weight",
  "final_norm.weight": "model.norm.weight",
  "head": "lm_head.weight",
};
/** A packed parameter has several names, in the order of its rows. */
const LLAMA_LAYER: Readonly<Record<string, readonly string[]>> = {
  "attention_norm": ["input_layernorm"],
  "attention.qkv": ["self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"],
  "attention.out": ["self_attn.o_proj"],
  "mlp_norm": ["post_attention_layernorm"],
  "mlp.gate_up": ["mlp.gate_proj", "mlp.up_proj"],
  "mlp.down": ["mlp.down_proj"],
};

/** The tensors that one parameter is in their files, in the order of its rows. */
export function namesOf(parameter: Parameter, config: ModelConfig): readonly Part[] {
  return config.family === "gpt2" ? [gpt2Name(parameter)] : llamaNames(parameter, config);
}

/** Constants that older versions of `transformers` saved among the weights. */
export function isKnownBuffer(name: string, family: ModelConfig["family"]): boolean {
  return family === "gpt2" ? /\.attn\.(bias|masked_bias)$/.test(name) : /rotary_emb\.inv_freq$/.test(name);
}

function gpt2Name({ name, shape }: Parameter): Part {
  const layer = parseLayerName(name);
  const own = layer === null ? GPT2_TOP[name]! : `h.${layer.index}.${GPT2_LAYER[layer.part]}.${layer.kind}`;
  const transposed = layer !== null && shape.length === 2;
  return { name: OPTIONAL_PREFIX.gpt2 + own, shape: transposed ? shape.toReversed() : shape, transposed };
}

function llamaNames({ name, shape }: Parameter, config: ModelConfig): Part[] {
  const layer = parseLayerName(name);
  if (layer === null) return [{ name: LLAMA_TOP[name]!, shape, transposed: false }];
  const rows = packedRows(layer.part, config);
  return LLAMA_LAYER[layer.part]!.map((own, i) => ({
    name: `model.layers.${layer.index}.${own}.${layer.kind}`,
    shape: rows === null ? shape : [rows[i]!, ...shape.slice(1)],
    transposed: false,
  }));
}

function packedRows(part: string, config: ModelConfig): readonly number[] | null {
  const keyValueRows = config.keyValueHeadCount * headSize(config);
  if (part === "attention.qkv") return [config.width, keyValueRows, keyValueRows];
  if (part === "mlp.gate_up") return [config.hiddenWidth, config.hiddenWidth];
  return null;
}

/** `layer.3.mlp.up.weight` → 3, `mlp.up`, `weight`; null for what is outside the layers. */
function parseLayerName(name: string): { index: string; part: string; kind: string } | null {
  const match = /^layer\.(\d+)\.(.+)\.(weight|bias)$/.exec(name);
  return match === null ? null : { index: match[1]!, part: match[2]!, kind: match[3]! };
}
