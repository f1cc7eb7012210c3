/**
 * Byte-level byte-pair encoding from a Hugging Face `tokenizer.json`, through `@huggingface/tokenizers`.
 *
 * Text is taken as it is: no special tokens are added and none are dropped when decoding, and files that would change
 * text (normalizers, a prefixed space, missing bytes) are refused, so a round trip is exact.
 * @module
 */
import { Tokenizer as HuggingFaceTokenizer } from "@huggingface/tokenizers";
import { z } from "zod";
import { expectKnown, type Tokenizer } from "./tokenizer.ts";
import { BYTE_CHARACTERS } from "./tokenizer_json.ts";

/** A `tokenizer.json` that cannot be used. */
export class TokenizerError extends Error {
  override readonly name = "TokenizerError";
}

const preTokenizer = z.looseObject({
  type: z.string(),
  add_prefix_space: z.literal(false, "must be false, or text would change").optional(),
});
/** What some BPEs put before or after parts of words, and take out of text again when they decode. */
const nothing = z.union([z.null(), z.literal("")], "must be null, or text would change").optional();
const fileSchema = z.looseObject({
  normalizer: z.null("must be null, or text would change").optional(),
  pre_tokenizer: preTokenizer.extend({ pretokenizers: z.array(preTokenizer).optional() }),
  model: z.looseObject({
    type: z.literal("BPE"),
    continuing_subword_prefix: nothing,
    end_of_word_suffix: nothing,
    vocab: z.record(z.string(), z.int().min(0).max(1_048_575)).refine(
      (vocab) => BYTE_CHARACTERS.every((character) => Object.hasOwn(vocab, character)),
      "must hold all 256 bytes",
    ).refine(
      (vocab) => new Set(Object.values(vocab)).size === Object.keys(vocab).length,
      "must give every token an id of its own, or text would change",
    ),
    merges: z.array(z.union([z.string(), z.tuple([z.string(), z.string()])])),
  }),
  decoder: z.looseObject({ type: z.literal("ByteLevel") }),
});

/**
 * Opens a byte-level BPE.
 * @param tokenizerJson Contents of a `tokenizer.json`.
 * @param source Where it came from, for messages.
 * @throws {TokenizerError}
 */
export function bpeTokenizer(tokenizerJson: string, source = "tokenizer.json"): Tokenizer {
  const inner = open(tokenizerJson, source);
  let vocabularySize = 0;
  for (const id of inner.get_vocab(true).values()) vocabularySize = Math.max(vocabularySize, id + 1);
  return {
    kind: "bpe",
    vocabularySize,
    encode: (text) => Uint32Array.from(inner.encode(text, { add_special_tokens: false }).ids),
    decode(ids) {
      expectKnown(ids, vocabularySize);
      if (ids.length === 0) return "";
      return inner.decode(Array.from(ids), { skip_special_tokens: false, clean_up_tokenization_spaces: false });
    },
    toJson: () => tokenizerJson,
  };
}

function open(tokenizerJson: string, source: string): HuggingFaceTokenizer {
  let json: unknown;
  try {
    json = JSON.parse(tokenizerJson);
  } catch (cause) {
    throw new TokenizerError(`Cannot read ${source}: it is not JSON (${(cause as Error).message})`, { cause });
  }
  const result = fileSchema.safeParse(json);
  if (!result.success) {
    const lines = result.error.issues.map(({ path, message }) => `  '${path.join(".")}': ${message}`).slice(0, 8);
    throw new TokenizerError(`Cannot use ${source}: it is not a byte-level BPE that keeps text\n${lines.join("\n")}`);
  }
  try {
    // The file itself, not the schema's copy: a token may be called "__proto__", which copies lose.
    return new HuggingFaceTokenizer(json as object, { clean_up_tokenization_spaces: false });
  } catch (cause) {
    throw new TokenizerError(`Cannot use ${source}: ${(cause as Error).message}`, { cause });
  }
}
