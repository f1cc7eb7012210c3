/**
 * A tokenizer: text to ids and back. Two of them: `bytes` here, `bpe` in `bpe.ts`; one suite,
 * `tests/conformance/tokenizer.ts`, runs on both.
 * @module
 */
import { byteLevelJson, BYTES_ONLY } from "./tokenizer_json.ts";

/** Text to token ids and back. */
export interface Tokenizer {
  readonly kind: "bytes" | "bpe";
  /** Every id is below it. */
  readonly vocabularySize: number;
  /** Ids of a text; `decode` of them gives the text back exactly, if the text is well-formed Unicode. */
  encode(text: string): Uint32Array<ArrayBuffer>;
  /**
   * Text of ids. Where they start or end in the middle of a character, U+FFFD stands for it.
   * @throws {RangeError} if an id is not in the vocabulary.
   */
  decode(ids: ArrayLike<number>): string;
  /** Text of a `tokenizer.json` that gives the same ids, here (`bpeTokenizer`) and in `transformers`. */
  toJson(): string;
}

/** Every byte of UTF-8 is a token: no training, no unknown text, vocabulary 256. */
export function bytesTokenizer(): Tokenizer {
  const encoder = new TextEncoder();
  const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
  return {
    kind: "bytes",
    vocabularySize: 256,
    encode: (text) => Uint32Array.from(encoder.encode(text)),
    decode(ids) {
      expectKnown(ids, 256);
      return decoder.decode(Uint8Array.from(ids));
    },
    toJson: () => byteLevelJson(BYTES_ONLY),
  };
}

/** @throws {RangeError} that names the first id outside the vocabulary. */
export function expectKnown(ids: ArrayLike<number>, vocabularySize: number): void {
  for (let i = 0; i < ids.length; i++) {
    const id = ids[i]!;
    if (Number.isInteger(id) && id >= 0 && id < vocabularySize) continue;
    throw new RangeError(
      `Cannot decode token ${i}: its id is ${id} and the tokenizer knows 0 to ${vocabularySize - 1}; ` +
        `the ids come from another tokenizer`,
    );
  }
}
