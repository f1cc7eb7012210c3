import { bpeTokenizer } from "../../runtime/data/bpe.ts";
import { trainBpe } from "../../runtime/data/bpe_train.ts";
import { bytesTokenizer } from "../../runtime/data/tokenizer.ts";
import { testTokenizer } from "./tokenizer.ts";

const small = trainBpe(["the middle of the middle, then the other middle: __proto__ __proto__ __proto__"], {
  vocabularySize: 300,
});

testTokenizer("bytes", bytesTokenizer);
testTokenizer("bpe without merges", () => bpeTokenizer(trainBpe([], { vocabularySize: 256 })));
testTokenizer("bpe", () => bpeTokenizer(small));
