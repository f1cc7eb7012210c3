/**
 * Trains a byte-level BPE and writes it as a Hugging Face `tokenizer.json`.
 *
 * Sennrich, Haddow and Birch 2016 (arXiv 1508.07909, algorithm 1) over bytes, with GPT-2's split into words. Counts are
 * kept per distinct word and per pair, and a merge only visits the words that hold its pair. The result depends on the
 * text alone: of equally frequent pairs the one with the lower ids wins.
 * @module
 */
import { BYTE_CHARACTERS, byteLevelJson } from "./tokenizer_json.ts";

export interface BpeTrainingOptions {
  /** Tokens wanted, the 256 bytes included. Text with too few repeated pairs gives fewer. */
  readonly vocabularySize: number;
}

/** GPT-2's words: a contraction, letters, digits or other signs with one space before them, or white space. */
const WORDS = /'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+/gu;

/** Longest vocabulary: two ids of a pair share one number. */
const LARGEST_VOCABULARY = 2 ** 20;

interface Word {
  ids: number[];
  readonly count: number;
}

/**
 * Trains on texts, which may come in pieces; a piece should end where a word does.
 * @returns The text of a `tokenizer.json`.
 */
export function trainBpe(texts: Iterable<string>, { vocabularySize }: BpeTrainingOptions): string {
  if (!Number.isInteger(vocabularySize) || vocabularySize < 256 || vocabularySize > LARGEST_VOCABULARY) {
    throw new RangeError(
      `Cannot train a tokenizer of ${vocabularySize} tokens: choose 256 (one a byte) to ${LARGEST_VOCABULARY}`,
    );
  }
  const words = countWords(texts);
  const pairs = countPairs(words);
  const tokens = [...BYTE_CHARACTERS];
  const merges: [string, string][] = [];
  while (tokens.length < vocabularySize) {
    const pair = mostFrequent(pairs);
    if (pair === undefined) break;
    const left = Math.floor(pair / LARGEST_VOCABULARY), right = pair % LARGEST_VOCABULARY;
    merges.push([tokens[left]!, tokens[right]!]);
    // Always a new string: how a run of bytes is cut depends on nothing outside it, so each string has one pair.
    const merged = tokens.push(tokens[left]! + tokens[right]!) - 1;
    merge(words, pairs, { left, right, merged });
  }
  return byteLevelJson({ tokens, merges });
}

function countWords(texts: Iterable<string>): Word[] {
  const counts = new Map<string, number>();
  for (const text of texts) {
    for (const [word] of text.matchAll(WORDS)) counts.set(word, (counts.get(word) ?? 0) + 1);
  }
  const encoder = new TextEncoder();
  return [...counts].map(([word, count]) => ({ ids: [...encoder.encode(word)], count }));
}

/** How often a pair occurs, and the words that hold it or once did. */
interface Pair {
  count: number;
  readonly words: Set<number>;
}
type Pairs = Map<number, Pair>;

function countPairs(words: readonly Word[]): Pairs {
  const pairs: Pairs = new Map();
  words.forEach((word, index) => addPairs(pairs, word, index, 1));
  return pairs;
}

/** Adds the pairs of a word to the counts, or takes them away (`sign` −1). */
function addPairs(pairs: Pairs, { ids, count }: Word, index: number, sign: 1 | -1): void {
  for (let i = 0; i + 1 < ids.length; i++) {
    const key = ids[i]! * LARGEST_VOCABULARY + ids[i + 1]!;
    let pair = pairs.get(key);
    if (pair === undefined) pairs.set(key, pair = { count: 0, words: new Set() });
    pair.count += sign * count;
    if (sign === 1) pair.words.add(index);
    else if (pair.count === 0) pairs.delete(key);
  }
}

/** A pair that occurs once saves nothing. */
function mostFrequent(pairs: Pairs): number | undefined {
  let best: number | undefined, most = 1;
  for (const [key, { count }] of pairs) {
    if (count > most || (count === most && best !== undefined && key < best)) [best, most] = [key, count];
  }
  return best;
}

interface Merge {
  readonly left: number;
  readonly right: number;
  readonly merged: number;
}

function merge(words: readonly Word[], pairs: Pairs, { left, right, merged }: Merge): void {
  for (const index of [...pairs.get(left * LARGEST_VOCABULARY + right)!.words]) {
    const word = words[index]!;
    addPairs(pairs, word, index, -1);
    const ids: number[] = [];
    for (let i = 0; i < word.ids.length; i++) {
      const joins = word.ids[i] === left && word.ids[i + 1] === right;
      ids.push(joins ? merged : word.ids[i]!);
      if (joins) i++;
    }
    word.ids = ids;
    addPairs(pairs, word, index, 1);
  }
}
