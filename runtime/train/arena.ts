/**
 * Buffers of a trainer: allocated together, freed together, and counted before either.
 *
 * Arenas that come from outside (weights, an anchor, moments) are checked here: right length, padding zero. Padding
 * must be zero because norms, pseudo-gradients and digests run over whole arenas.
 * @module
 */
import type { Device, DeviceBuffer } from "../device/device.ts";
import type { ParameterLayout } from "../model/parameters.ts";

/**
 * Allocates all buffers or none.
 * @throws {DeviceMemoryError} if they do not fit; what was allocated is freed again.
 */
export function allocateAll<Name extends string>(
  device: Device,
  words: Readonly<Record<Name, number>>,
): Readonly<Record<Name, DeviceBuffer>> {
  const allocated: [string, DeviceBuffer][] = [];
  try {
    for (const [name, count] of Object.entries<number>(words)) allocated.push([name, device.allocate(count, name)]);
  } catch (error) {
    for (const [, buffer] of allocated) device.free(buffer);
    throw error;
  }
  return Object.fromEntries(allocated) as Record<Name, DeviceBuffer>; // one entry for every key of `words`
}

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
