/**
 * What every tokenizer must do, run on each by `tokenizer_test.ts`.
 * @module
 */
import { strict as assert } from "node:assert";
import { bpeTokenizer } from "../../runtime/data/bpe.ts";
import type { Tokenizer } from "../../runtime/data/tokenizer.ts";

const TEXTS: Readonly<Record<string, string>> = {
  "nothing": "",
  "white space": " \t\n\r\n   \u00a0\u2003\n\n ",
  "English": "It's the second one, isn't it? 1,234.5 % of 'them' . And -- spaces , before commas !",
  "code": "const x: Map<string, number[]> = new Map([[`a${b}`, [1e-9]]]); // ünïcödé\n",
  "many scripts": "naïve Привет 你好 こんにちは مرحبا שלום हिन्दी ไทย",
  "characters beyond 16 bits and joined ones": "🙂👩‍👩‍👧‍👦 𝒳 e\u0301",
  "a byte order mark and control characters": "\ufeffa\u0000b\u0007c\ufeff",
  "what looks like special tokens": "<|endoftext|><s></s>[CLS]<unk>",
  "names of object properties": "__proto__ constructor hasOwnProperty",
};

/** Registers the suite for one tokenizer. */
export function testTokenizer(name: string, open: () => Tokenizer): void {
  for (const [what, text] of Object.entries(TEXTS)) {
    Deno.test(`The ${name} tokenizer gives ${what} back exactly`, () => {
      const tokenizer = open();
      assert.equal(tokenizer.decode(tokenizer.encode(text)), text);
    });
  }

  Deno.test(`The ${name} tokenizer gives only ids below its vocabulary size`, () => {
    const tokenizer = open();
    const ids = tokenizer.encode(Object.values(TEXTS).join("\n"));
    assert.ok(ids.length > 0 && ids.every((id) => id < tokenizer.vocabularySize));
  });

  Deno.test(`The ${name} tokenizer saves a file that gives the same ids`, () => {
    const tokenizer = open(), reopened = bpeTokenizer(tokenizer.toJson());
    assert.equal(reopened.vocabularySize, tokenizer.vocabularySize);
    for (const text of Object.values(TEXTS)) assert.deepEqual(reopened.encode(text), tokenizer.encode(text), text);
  });

  Deno.test(`The ${name} tokenizer decodes characters that are cut at either end`, () => {
    const tokenizer = open();
    const ids = tokenizer.encode("🙂 middle 🙂");
    for (let start = 0; start < 4; start++) {
      for (let end = ids.length; end > ids.length - 4; end--) {
        const text = tokenizer.decode(ids.subarray(start, end));
        assert.match(text, /^(🙂|\ufffd*) middle (🙂|\ufffd*)$/u, `${start} to ${end}: ${JSON.stringify(text)}`);
      }
    }
  });

  Deno.test(`The ${name} tokenizer refuses an id outside its vocabulary, and names it`, () => {
    const tokenizer = open();
    const { vocabularySize } = tokenizer;
    assert.throws(() => tokenizer.decode([0, vocabularySize]), new RegExp(`token 1: its id is ${vocabularySize}`));
    assert.throws(() => tokenizer.decode([0.5]), RangeError);
    assert.throws(() => tokenizer.decode([-1]), RangeError);
  });
}
