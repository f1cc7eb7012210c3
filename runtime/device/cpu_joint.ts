/**
 * Which dispatches of the cpu device are done together with the next one (`JointForm` of a kernel).
 *
 * It is about speed alone: a joint form gives the bits of one after the other. So it may depend on the number of
 * threads, and on where a program is cut.
 * @module
 */
import type { JointForm } from "../../kernels/kernel.ts";
import type { Dispatch, Span } from "./device.ts";

/**
 * The part of the threads' time that must not be spent waiting: a joint form has fewer items, and the last of them keep
 * some threads while others have none. Of attention's backward, it saves about a third of the work.
 */
const LEAST_SPREAD = 0.7;

/** The form that does both, if the second follows the first on the same buffers and so many threads gain by it. */
export function jointOf(first: Dispatch, second: Dispatch | undefined, threadCount: number): JointForm | undefined {
  const joint = second?.kernel.wasm?.joint;
  if (second === undefined || joint === undefined) return undefined;
  if (joint.after !== first.kernel.name || first.kernel.wasm === undefined) return undefined;
  const sameShape = Object.entries(second.shape).every(([key, value]) => first.shape[key] === value);
  const sameSpans = Object.entries(second.spans).every(([name, span]) => isSame(span, first.spans[name]));
  return sameShape && sameSpans && spread(joint.items(second.shape), threadCount) >= LEAST_SPREAD ? joint : undefined;
}

/** What of their time so many threads compute, if each takes whole items that are all alike. */
function spread(itemCount: number, threadCount: number): number {
  return itemCount / (Math.ceil(itemCount / threadCount) * threadCount);
}

function isSame(one: Span, other: Span | undefined): boolean {
  return one.buffer === other?.buffer && one.start === other.start && one.words === other.words;
}
