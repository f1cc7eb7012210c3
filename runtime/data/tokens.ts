/**
 * Token readers: the tokens of a text by position, wherever they are kept.
 * @module
 */

/** The whole text of a run as tokens, read in pieces. */
export interface TokenReader {
  readonly tokenCount: number;
  /**
   * Fills `into` with the tokens from `start`.
   * @throws {RangeError} if they are not all there.
   */
  read(start: number, into: Uint32Array): void;
}

/** Tokens in memory, in the narrowest array that holds them. */
export function memoryTokens(tokens: Uint8Array | Uint16Array | Uint32Array): TokenReader {
  return {
    tokenCount: tokens.length,
    read(start, into) {
      expectTokens(start, into.length, tokens.length);
      into.set(tokens.subarray(start, start + into.length));
    },
  };
}

/** Several readers as one text, in their order. */
export function joinTokens(parts: readonly TokenReader[]): TokenReader {
  const ends: number[] = [];
  let tokenCount = 0;
  for (const part of parts) ends.push(tokenCount += part.tokenCount);
  return {
    tokenCount,
    read(start, into) {
      expectTokens(start, into.length, tokenCount);
      let part = firstEndingAfter(ends, start), filled = 0;
      while (filled < into.length) {
        const position = start + filled, partEnd = ends[part]!;
        const count = Math.min(into.length - filled, partEnd - position);
        const reader = parts[part]!;
        reader.read(position - (partEnd - reader.tokenCount), into.subarray(filled, filled + count));
        filled += count;
        part++;
      }
    },
  };
}

/** @throws {RangeError} unless `count` tokens from `start` are there. */
export function expectTokens(start: number, count: number, tokenCount: number): void {
  if (Number.isSafeInteger(start) && start >= 0 && start + count <= tokenCount) return;
  throw new RangeError(`Cannot read ${count} tokens at ${start}: the text has ${tokenCount} tokens`);
}

/** Index of the first of the ascending `ends` that is greater than `position`. */
function firstEndingAfter(ends: readonly number[], position: number): number {
  let low = 0, high = ends.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (ends[middle]! > position) high = middle;
    else low = middle + 1;
  }
  return low;
}
