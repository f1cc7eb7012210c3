import { strict as assert } from "node:assert";
import { bpeTokenizer } from "./bpe.ts";
import { trainBpe } from "./bpe_train.ts";

Deno.test("trainBpe() merges the most frequent pair first, and of equals the one with lower ids", () => {
  // abab occurs 3 times: (a, b) 6, (b, a) 3. Then (ab, ab) 3. " x" and "xy" occur twice each: a space has the lower id.
  const { model } = JSON.parse(trainBpe(["abab zw", " xy", " xy", "abab zw", "abab"], { vocabularySize: 259 }));
  assert.deepEqual(model.merges.slice(0, 2), [["a", "b"], ["ab", "ab"]]);
  assert.deepEqual(model.merges[2], ["Ġ", "x"]);
  assert.equal(model.vocab["abab"], 257);
});

Deno.test("trainBpe() equals a training that recounts all pairs after every merge", () => {
  const text = "she sells sea shells by the sea shore; the shells she sells are sea shells, she is sure. ".repeat(3);
  const { model } = JSON.parse(trainBpe([text], { vocabularySize: 276 }));
  assert.deepEqual(model.merges, recountingMerges(text.match(/ ?[a-z]+| ?[^\sa-z]+|\s+(?!\S)|\s+/g)!, 20));
});

Deno.test("trainBpe() stops when no pair occurs twice, and its file opens with the vocabulary it has", () => {
  const tokenizer = bpeTokenizer(trainBpe(["abc abc"], { vocabularySize: 4096 }));
  assert.equal(tokenizer.vocabularySize, 258); // "ab", "abc"; " abc" occurs once
  assert.deepEqual([...tokenizer.encode("abc")], [257]);
});

Deno.test("trainBpe() never joins across words, so pieces that end between words change nothing", () => {
  const text = "one two, one two! one two";
  assert.equal(
    trainBpe([text], { vocabularySize: 300 }),
    trainBpe(["one two,", " one two! one", " two"], {
      vocabularySize: 300,
    }),
  );
});

Deno.test("trainBpe() refuses a vocabulary that cannot hold all bytes", () => {
  assert.throws(() => trainBpe([], { vocabularySize: 255 }), /of 255 tokens: choose 256/);
});

Deno.test("trainBpe() makes each token once, even from overlapping repetitions", () => {
  const text = "aaaaaaa aaa aab abab babab aabaab bbbaaabbb ".repeat(4) + "abaabaaab ".repeat(3);
  const { model } = JSON.parse(trainBpe([text], { vocabularySize: 330 }));
  const tokens = model.merges.map((pair: [string, string]) => pair.join(""));
  assert.ok(tokens.length > 20);
  assert.equal(new Set(tokens).size, tokens.length);
  assert.equal(Object.keys(model.vocab).length, 256 + tokens.length);
});

/** The definition, slowly: count every pair of every word anew, merge the best, repeat. ASCII only. */
function recountingMerges(words: readonly string[], mergeCount: number): [string, string][] {
  const show = (text: string) => text.replaceAll(" ", "Ġ");
  const tokens = Array.from({ length: 256 }, (_, byte) => show(String.fromCharCode(byte)));
  let split = words.map((word) => [...word].map(show));
  const merges: [string, string][] = [];
  while (merges.length < mergeCount) {
    const counts = new Map<string, number>();
    for (const word of split) {
      for (let i = 0; i + 1 < word.length; i++) {
        const key = `${tokens.indexOf(word[i]!)},${tokens.indexOf(word[i + 1]!)}`;
        counts.set(key, (counts.get(key) ?? 0) + 1);
      }
    }
    const best = [...counts].map(([key, count]) => [...key.split(",").map(Number), count] as [number, number, number])
      .toSorted((a, b) => b[2] - a[2] || a[0] - b[0] || a[1] - b[1])[0]!;
    const [left, right] = [tokens[best[0]]!, tokens[best[1]]!];
    merges.push([left, right]);
    if (!tokens.includes(left + right)) tokens.push(left + right);
    split = split.map((word) => {
      const joined: string[] = [];
      for (let i = 0; i < word.length; i++) {
        const joins = word[i] === left && word[i + 1] === right;
        joined.push(joins ? left + right : word[i]!);
        if (joins) i++;
      }
      return joined;
    });
  }
  return merges;
}
