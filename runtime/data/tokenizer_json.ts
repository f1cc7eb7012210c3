/**
 * The form of a byte-level `tokenizer.json`: what both tokenizers save, so that `transformers` reads it.
 * @module
 */

/**
 * The printable character that stands for each byte in a byte-level vocabulary (the table of GPT-2): printable Latin-1
 * stands for itself, the other 68 bytes are moved to U+0100 and up, in order.
 */
export const BYTE_CHARACTERS: readonly string[] = (() => {
  let moved = 0;
  return Array.from({ length: 256 }, (_, byte) => {
    const printable = (byte > 0x20 && byte < 0x7f) || (byte > 0xa0 && byte !== 0xad);
    return String.fromCharCode(printable ? byte : 0x100 + moved++);
  });
})();

/** Tokens by id, the 256 bytes first, and the merges that make the others. */
export interface ByteLevelVocabulary {
  readonly tokens: readonly string[];
  readonly merges: readonly (readonly [left: string, right: string])[];
}

/** The bytes alone: with no merges, the id of each token is its byte. */
export const BYTES_ONLY: ByteLevelVocabulary = { tokens: BYTE_CHARACTERS, merges: [] };

/** The text of a `tokenizer.json` that splits text as GPT-2 does. */
export function byteLevelJson({ tokens, merges }: ByteLevelVocabulary): string {
  const byteLevel = { type: "ByteLevel", add_prefix_space: false, trim_offsets: true, use_regex: true };
  return JSON.stringify({
    version: "1.0",
    truncation: null,
    padding: null,
    added_tokens: [],
    normalizer: null,
    pre_tokenizer: byteLevel,
    post_processor: null,
    decoder: byteLevel,
    model: {
      type: "BPE",
      dropout: null,
      unk_token: null,
      continuing_subword_prefix: null,
      end_of_word_suffix: null,
      fuse_unk: false,
      byte_fallback: false,
      vocab: Object.fromEntries(tokens.map((token, id) => [token, id])),
      merges,
    },
  });
}
