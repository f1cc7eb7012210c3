/**
 * One run of bytes as several arrays: what a blob begins with can so be read beside the rest of it, which lies where it is
 * needed.
 * @module
 */

/** Fills arrays, which lie behind each other, from byte `start` of them all together. What does not fit is left out. */
export function scatter(bytes: Uint8Array, start: number, into: readonly Uint8Array[]): void {
  let begin = 0;
  for (const part of into) {
    const from = Math.max(start, begin), to = Math.min(start + bytes.length, begin + part.length);
    if (from < to) part.set(bytes.subarray(from - start, to - start), from - begin);
    begin += part.length;
  }
}

/** Bytes of all arrays together. */
export function sizeOfAll(parts: readonly Uint8Array[]): number {
  return parts.reduce((sum, { length }) => sum + length, 0);
}
