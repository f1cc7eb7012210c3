import { strict as assert } from "node:assert";
import { markovEntropy, markovTokens, transitionProbabilities } from "./markov.ts";
import type { TokenReader } from "./tokens.ts";

const SEED = 5;

function all(reader: TokenReader): Uint32Array {
  const tokens = new Uint32Array(reader.tokenCount);
  reader.read(0, tokens);
  return tokens;
}

Deno.test("The text of a Markov source is pinned: all peers must draw the same", () => {
  assert.deepEqual([...all(markovTokens({ seed: SEED, symbolCount: 61, tokenCount: 16 }))], [
    48,
    15,
    45,
    12,
    44,
    60,
    60,
    14,
    36,
    58,
    7,
    32,
    20,
    40,
    32,
    8,
  ]);
});

Deno.test("A shorter text of a source is the start of a longer one", () => {
  const long = all(markovTokens({ seed: SEED, symbolCount: 9, tokenCount: 500 }));
  assert.deepEqual(all(markovTokens({ seed: SEED, symbolCount: 9, tokenCount: 100 })), long.subarray(0, 100));
});

for (const symbolCount of [2, 9, 61, 256]) {
  Deno.test(`The entropy of a source of ${symbolCount} symbols is the mean surprise of its text`, () => {
    const source = { seed: SEED, symbolCount };
    const rows = transitionProbabilities(source);
    const tokens = all(markovTokens({ ...source, tokenCount: 400_000 }));
    let surprise = 0;
    for (let i = 1; i < tokens.length; i++) surprise -= Math.log(rows[tokens[i - 1]!]![tokens[i]!]!);
    const mean = surprise / (tokens.length - 1);
    // The surprise of one token has a standard deviation near 1, so the mean of 400,000 lies within 0.01 (6 σ).
    const entropy = markovEntropy(source);
    assert.ok(Math.abs(mean - entropy) < 0.01, `mean ${mean}, entropy ${entropy}, seed ${SEED}`);
    assert.ok(entropy > 0.05 && entropy < Math.log(symbolCount));
  });
}

Deno.test("The entropy of a source of two symbols equals the formula for two", () => {
  const source = { seed: SEED, symbolCount: 2 };
  const [[stay0, leave0], [leave1, stay1]] = transitionProbabilities(source) as unknown as [number[], number[]];
  const h = (...p: number[]) => -p.reduce((sum, value) => sum + value * Math.log(value), 0);
  const share0 = leave1! / (leave0! + leave1!);
  const wanted = share0 * h(stay0!, leave0!) + (1 - share0) * h(leave1!, stay1!);
  assert.ok(Math.abs(markovEntropy(source) - wanted) < 1e-14);
});

Deno.test("Another seed is another source", () => {
  const [a, b] = [SEED, SEED + 1].map((seed) => all(markovTokens({ seed, symbolCount: 61, tokenCount: 100 })));
  assert.notDeepEqual(a, b);
});

Deno.test("A Markov source refuses symbol counts that a byte cannot hold", () => {
  for (const symbolCount of [1, 257, 2.5]) {
    assert.throws(() => markovTokens({ seed: 1, symbolCount, tokenCount: 9 }), /choose 2 to 256/);
  }
});
