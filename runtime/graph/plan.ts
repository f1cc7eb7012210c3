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

/** Work of one program: a tenth of a second on a GPU of 2 TFLOP/s, so that a desktop stays usable meanwhile. */
const PROGRAM_FLOPS = 2e11;

export interface ProgramOptions {
  readonly label: string;
  /** At most so many programs, however much work there is. */
  readonly mostPrograms: number;
}

/** Prepares dispatches as one program, or as several of about equal work if there is much of it. */
export async function prepareParts(
  device: Device,
  dispatches: readonly Dispatch[],
  { label, mostPrograms }: ProgramOptions,
): Promise<Program[]> {
  const works = dispatches.map(({ kernel, shape }) => kernel.flops?.(shape) ?? 0);
  const total = works.reduce((sum, work) => sum + work, 0);
  const partCount = Math.max(1, Math.min(mostPrograms, Math.ceil(total / PROGRAM_FLOPS)));
  const parts: Dispatch[][] = Array.from({ length: partCount }, () => []);
  let done = 0;
  for (const [i, dispatch] of dispatches.entries()) {
    parts[Math.min(partCount - 1, Math.floor(done / total * partCount) || 0)]!.push(dispatch);
    done += works[i]!;
  }
  const programs: Program[] = [];
  for (const [i, part] of parts.filter((part) => part.length > 0).entries()) {
    programs.push(await device.prepare(part, `${label} ${i + 1}`));
  }
  return programs;
}
