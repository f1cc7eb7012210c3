/**
 * From a graph to programs of a device: every tensor becomes a span, once; after that a step of training only runs
 * programs.
 *
 * It makes no decisions about order (the graph's) or sharing (the memory plan's).
 * @module
 */
import {
  type Device,
  type DeviceBuffer,
  type Dispatch,
  type Program,
  type Span,
  SPAN_ALIGNMENT,
  wordsOf,
} from "../device/device.ts";
import type { MemoryPlan } from "./memory.ts";
import type { Graph, Tensor } from "./tensor.ts";

export interface Places {
  readonly memory: MemoryPlan;
  /** One buffer a slot of the memory plan, at least as long. */
  readonly slots: readonly DeviceBuffer[];
  /** Buffers of bound tensors, by name. */
  readonly buffers: Readonly<Record<string, DeviceBuffer>>;
}

/** The graph's steps with spans for tensors. */
export function bindSteps({ steps }: Graph, places: Places): Dispatch[] {
  return steps.map(({ kernel, shape, tensors }) => ({
    kernel,
    shape,
    spans: Object.fromEntries(Object.entries(tensors).map(([name, tensor]) => [name, spanOf(tensor, places)])),
  }));
}

/** Where a tensor lies. */
export function spanOf({ label, count, type, storage, start }: Tensor, { memory, slots, buffers }: Places): Span {
  const { home } = storage, words = wordsOf(count, type), f16 = type === "f16" ? { type } : {};
  if (home.kind === "planned") {
    const slot = memory.slots.get(storage);
    if (slot === undefined) throw new Error(`Cannot find '${label}': no step of the planned graph uses it`);
    return { buffer: slots[slot]!, start, words, ...f16 };
  }
  const buffer = buffers[home.buffer];
  if (buffer === undefined) throw new Error(`Cannot place '${label}': no buffer '${home.buffer}' was given`);
  return { buffer, start: home.start + start, words, ...f16 };
}

/** Rounds a count of words up to where the next span of a buffer may start. */
export function alignedWords(words: number): number {
  return Math.ceil(words / SPAN_ALIGNMENT) * SPAN_ALIGNMENT;
}

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

/** Some dispatches as one program, and their share of a micro-batch's time in operations. */
export interface Part {
  readonly program: Program;
  readonly work: number;
}

export interface PartOptions {
  readonly label: string;
  /** Most work of one program; a dispatch that has more is a program of its own. */
  readonly mostWork: number;
}

/** Prepares dispatches as one program, or as several, in order, where there is too much work for one. */
export async function prepareParts(
  device: Device,
  dispatches: readonly Dispatch[],
  { label, mostWork }: PartOptions,
): Promise<Part[]> {
  const parts: { dispatches: Dispatch[]; work: number }[] = [];
  for (const dispatch of dispatches) {
    const work = workOf(dispatch), last = parts.at(-1);
    if (last === undefined || last.work + work > mostWork) parts.push({ dispatches: [dispatch], work });
    else {
      last.dispatches.push(dispatch);
      last.work += work;
    }
  }
  const prepared: Part[] = [];
  for (const [i, { dispatches, work }] of parts.entries()) {
    prepared.push({ program: await device.prepare(dispatches, `${label} ${i + 1}`), work });
  }
  return prepared;
}

/** Operations that reading or writing one word is worth: a GPU is bound by memory where a kernel has fewer. */
const OPERATIONS_A_WORD = 32;

/** How long a dispatch takes, beside others: its operations, or its words where they take longer. */
export function workOf({ kernel, shape, spans }: Dispatch): number {
  const words = Object.values(spans).reduce((sum, span) => sum + span.words, 0);
  return Math.max(kernel.flops?.(shape) ?? 0, OPERATIONS_A_WORD * words);
}
