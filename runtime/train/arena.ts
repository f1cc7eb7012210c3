/**
 * Arenas as they come from outside (weights, an anchor, moments), checked: right length, padding zero.
 *
 * Padding must be zero because norms, pseudo-gradients and digests run over whole arenas.
 * @module
 */
import type { ParameterLayout } from "../model/parameters.ts";

/** Bytes of buffers of so many words each. */
export function bytesOf(words: Readonly<Record<string, number>>): number {
  return 4 * Object.values(words).reduce((sum, count) => sum + count, 0);
}

/**
 * Checks an arena that comes from outside.
 * @throws {RangeError} if its length is wrong or a word of its padding is not zero.
 */
export function expectArena(what: string, values: Float32Array, layout: ParameterLayout): void {
  if (values.length !== layout.words) {
    throw new RangeError(
      `Cannot use ${what}: it has ${values.length} values and the layout needs ${layout.words}; ` +
        "it belongs to another model",
    );
  }
  for (const [i, { name, start, words }] of layout.parameters.entries()) {
    const end = layout.parameters[i + 1]?.start ?? layout.words;
    for (let word = start + words; word < end; word++) {
      if (values[word] === 0) continue;
      throw new RangeError(`Cannot use ${what}: the padding after '${name}' holds ${values[word]}, it must be zero`);
    }
  }
}
