/**
 * What a dispatch has to do at least: its operations, and the bytes that it must move between memory and the processor.
 *
 * By its kernel's own account (`flops`, `moves`) and the sizes of its spans; nothing is measured here.
 * @module
 */
import type { Dispatch } from "./device.ts";

export interface Work {
  /** Floating-point operations; 0 if the kernel does not count them. */
  readonly flops: number;
  readonly bytes: number;
}

/** The work of one dispatch. */
export function workOf({ kernel, shape, spans }: Dispatch): Work {
  const moves = kernel.moves?.(shape) ?? {}, writtenTimes = shape["ACCUMULATE"] === 1 ? 2 : 1;
  let bytes = 0;
  for (const [name, { access }] of Object.entries(kernel.bindings)) {
    bytes += spans[name]!.words * 4 * (moves[name] ?? (access === "write" ? writtenTimes : 1));
  }
  return { flops: kernel.flops?.(shape) ?? 0, bytes };
}
