import { strict as assert } from "node:assert";
import { CorpusError, openCorpus, type TokenSource } from "./corpus.ts";
import { joinTokens, memoryTokens } from "./tokens.ts";

/** Every token is its own position, so that a window shows where it is. */
function positions(tokenCount: number) {
  return memoryTokens(Uint32Array.from({ length: tokenCount }, (_, i) => i));
}

function windows(source: TokenSource, contextLength: number): Uint32Array[] {
  return Array.from({ length: source.windowCount }, (_, window) => {
    const into = new Uint32Array(contextLength + 1);
    source.read(window, into);
    return into;
  });
}

const CUTS = [
  [4, 1],
  [22, 10],
  [23, 10],
  [31, 10],
  [32, 10],
  [33, 10],
  [97, 2],
  [1000, 7],
  [4096, 128],
  [5119, 10],
  [5120, 10],
  [10_007, 3],
  [65_537, 16],
  [100_000, 64],
] as const;
for (const [tokenCount, contextLength] of CUTS) {
  Deno.test(`A text of ${tokenCount} tokens in contexts of ${contextLength} is cut without overlap or waste`, () => {
    const corpus = openCorpus(positions(tokenCount), { contextLength, vocabularySize: tokenCount });
    const predicted = new Uint8Array(tokenCount), heldOut = new Uint8Array(tokenCount);
    for (const window of windows(corpus.heldOut, contextLength)) {
      window.forEach((token) => heldOut[token] = 1);
      window.subarray(1).forEach((token) => predicted[token]! += 1);
    }
    for (const window of windows(corpus.train, contextLength)) {
      assert.ok(window.every((token, i) => token === window[0]! + i), `contiguous from ${window[0]}`);
      assert.ok(window.every((token) => heldOut[token] === 0), `the window from ${window[0]} touches held-out text`);
      window.subarray(1).forEach((token) => predicted[token]! += 1);
    }
    assert.ok(predicted.every((count) => count <= 1), "no token is predicted twice");

    const parts = corpus.heldOut.windowCount / (tokenCount / contextLength < 512 ? 1 : 4);
    const skipped = predicted.reduce((count, times) => count + (times === 0 ? 1 : 0), 0);
    assert.ok(skipped < 2 * parts + contextLength, `${skipped} tokens are never predicted, in ${parts} parts`);
    assert.ok(corpus.train.windowCount >= 1 && corpus.heldOut.windowCount >= 1);
  });
}

Deno.test("The cut is pinned: all peers of all versions must make the same", () => {
  const starts = (tokenCount: number, source: "train" | "heldOut") => {
    const corpus = openCorpus(positions(tokenCount), { contextLength: 10, vocabularySize: tokenCount });
    return windows(corpus[source], 10).map(([first]) => first!);
  };
  assert.deepEqual(starts(60, "train"), [0, 10, 20, 30]);
  assert.deepEqual(starts(60, "heldOut"), [41]);
  assert.deepEqual(starts(700, "heldOut"), [341, 683]);
  const blocks = [1241, 2523, 3805, 5077]; // of four windows
  assert.deepEqual(starts(5120, "heldOut"), blocks.flatMap((start) => [start, start + 10, start + 20, start + 30]));
  assert.deepEqual(starts(5120, "train").slice(-2), [5056, 5066]);
});

Deno.test("Held-out text is 2 to 5 % of every text of at least 48 windows, and comes from all over it", () => {
  for (let tokenCount = 48 * 16; tokenCount < 60_000; tokenCount += 997) {
    const { train, heldOut } = openCorpus(positions(tokenCount), { contextLength: 16, vocabularySize: tokenCount });
    const share = heldOut.windowCount / (train.windowCount + heldOut.windowCount);
    assert.ok(share > 0.02 && share < 0.05, `${share} of ${tokenCount}`);
  }
  const { heldOut } = openCorpus(positions(50_000), { contextLength: 16, vocabularySize: 50_000 });
  const tenths = new Set(windows(heldOut, 16).map(([first]) => Math.floor(first! / 5000)));
  assert.equal(tenths.size, 10);
});

Deno.test("A text that is too short is refused with what it has and what it needs", () => {
  assert.throws(() => openCorpus(positions(21), { contextLength: 10, vocabularySize: 21 }), (error: Error) => {
    assert.ok(error instanceof CorpusError);
    assert.match(error.message, /has 21 tokens and a context of 10 needs at least 22/);
    return true;
  });
  assert.throws(() => openCorpus(positions(0), { contextLength: 10, vocabularySize: 1 }), CorpusError);
});

Deno.test("A token that the model does not know is refused, with its place", () => {
  const { train } = openCorpus(positions(100), { contextLength: 4, vocabularySize: 7 });
  const into = new Uint32Array(5);
  train.read(0, into);
  assert.throws(() => train.read(1, into), /the token at 7 of the text: it is 7 and the model knows 0 to 6/);
});

Deno.test("A source refuses windows that it does not have and arrays of another length", () => {
  const { train } = openCorpus(positions(100), { contextLength: 4, vocabularySize: 100 });
  for (const window of [-1, 0.5, train.windowCount]) {
    assert.throws(() => train.read(window, new Uint32Array(5)), /Cannot read window/);
  }
  assert.throws(() => train.read(0, new Uint32Array(4)), /into 4 tokens: it has 5/);
});

Deno.test("joinTokens() reads across its parts as from one text", () => {
  const parts = [3, 0, 1, 7, 0, 5].map((length) => new Uint16Array(length));
  let next = 0;
  for (const part of parts) part.forEach((_, i) => part[i] = next++);
  const joined = joinTokens(parts.map(memoryTokens));
  assert.equal(joined.tokenCount, next);
  for (let start = 0; start <= next; start++) {
    for (let end = start; end <= next; end++) {
      const into = new Uint32Array(end - start);
      joined.read(start, into);
      assert.deepEqual([...into], Array.from(into, (_, i) => start + i), `${start} to ${end}`);
    }
  }
  assert.throws(() => joined.read(10, new Uint32Array(7)), /Cannot read 7 tokens at 10: the text has 16 tokens/);
  assert.throws(() => joined.read(-1, new Uint32Array(1)), RangeError);
});
