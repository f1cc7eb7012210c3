import { strict as assert } from "node:assert";
import { bpeTokenizer, TokenizerError } from "./bpe.ts";
import { trainBpe } from "./bpe_train.ts";

Deno.test("bpeTokenizer() neither adds special tokens to text nor drops them from it", () => {
  const file = JSON.parse(trainBpe([], { vocabularySize: 256 }));
  const begin = { id: 256, content: "<s>", special: true, single_word: false, lstrip: false, rstrip: false };
  const tokenizer = bpeTokenizer(JSON.stringify({
    ...file,
    added_tokens: [{ ...begin, normalized: false }],
    post_processor: {
      type: "TemplateProcessing",
      single: [{ SpecialToken: { id: "<s>", type_id: 0 } }, { Sequence: { id: "A", type_id: 0 } }],
      pair: [],
      special_tokens: { "<s>": { id: "<s>", ids: [256], tokens: ["<s>"] } },
    },
  }));
  assert.equal(tokenizer.vocabularySize, 257);
  assert.deepEqual([...tokenizer.encode("ab")], [97, 98]);
  assert.deepEqual([...tokenizer.encode("a<s>b")], [97, 256, 98]);
  assert.equal(tokenizer.decode([97, 256, 98]), "a<s>b");
});

Deno.test("bpeTokenizer() says what is wrong with a file", () => {
  const good = JSON.parse(trainBpe([], { vocabularySize: 256 }));
  const { a: _, ...withoutA } = good.model.vocab;
  const cases: [unknown, RegExp][] = [
    [{ ...good, model: { ...good.model, type: "Unigram" } }, /'model.type'/],
    [{ ...good, model: { ...good.model, vocab: withoutA } }, /'model.vocab': must hold all 256 bytes/],
    [{ ...good, model: { ...good.model, end_of_word_suffix: "</w>" } }, /'model.end_of_word_suffix': must be null/],
    [{ ...good, model: { ...good.model, continuing_subword_prefix: -1 } }, /'model.continuing_subword_prefix'/],
    [{ ...good, model: { ...good.model, vocab: { ...good.model.vocab, ab: 97 } } }, /must give every token an id/],
    [{ ...good, normalizer: { type: "NFC" } }, /'normalizer': must be null/],
    [{ ...good, pre_tokenizer: { ...good.pre_tokenizer, add_prefix_space: true } }, /'pre_tokenizer.add_prefix_space'/],
    [{ ...good, decoder: { type: "Metaspace" } }, /'decoder.type'/],
    [[], /here.json/],
  ];
  for (const [file, message] of cases) {
    assert.throws(() => bpeTokenizer(JSON.stringify(file), "here.json"), (error: Error) => {
      assert.ok(error instanceof TokenizerError);
      assert.match(error.message, message);
      return true;
    });
  }
  assert.throws(() => bpeTokenizer("{", "here.json"), /Cannot read here.json: it is not JSON/);
});
