/**
 * The plain device: every kernel by its reference, in f32 or in f64. Slow, obvious, and the oracle of the others.
 *
 * With `precision: "f64"` whole models can be checked by finite differences. Spans of f16 round to f16 wherever they are
 * stored, whatever the precision of the rest. Not offered to users.
 * @module
 */
import type { Kernel, Numbers, Words } from "../../kernels/kernel.ts";
import {
  arrayFor,
  checkDispatch,
  checkWrite,
  type Device,
  type DeviceBuffer,
  DeviceMemoryError,
  type Dispatch,
  type MemoryUse,
  type Program,
  type Span,
} from "./device.ts";

export interface PlainDeviceOptions {
  readonly precision?: "f32" | "f64";
}

/** A device that runs references on the calling thread. */
export function openPlainDevice({ precision = "f32" }: PlainDeviceOptions = {}): Device & {
  /** All digits of a span; `read` gives f32. */
  readExactly(span: Span): Float64Array;
} {
  const alive = new Set<PlainBuffer>();
  const owner = {};
  let bytes = 0, peakBytes = 0;

  const device: ReturnType<typeof openPlainDevice> = {
    kind: "plain",
    description: `plain (references in ${precision})`,
    storesF16: true,
    features: new Set(),
    allocate(words, label) {
      let buffer: PlainBuffer;
      try {
        buffer = new PlainBuffer(words, label, precision, owner);
      } catch (cause) {
        throw new DeviceMemoryError(`Cannot allocate '${label}': there is no room for ${words * 4} bytes`, { cause });
      }
      alive.add(buffer);
      bytes += words * 4;
      peakBytes = Math.max(peakBytes, bytes);
      return buffer;
    },
    free(buffer) {
      if (alive.delete(own(buffer, owner))) bytes -= buffer.words * 4;
    },
    write(span, values) {
      const buffer = own(span.buffer, owner);
      checkWrite(span, values);
      if (span.type === "f16") buffer.f16.set(f16In(values), 2 * span.start);
      else if (values instanceof Uint32Array) buffer.words32.set(values, span.start);
      else buffer.numbers.set(values, span.start);
      buffer.holdsWords = span.type !== "f16" && values instanceof Uint32Array;
    },
    // deno-lint-ignore require-await -- an error must reject, not throw
    async read(spans, into) {
      return spans.map((span, i) => {
        const buffer = own(span.buffer, owner), values = arrayFor(span, i, into);
        if (span.type === "f16") values.set(new Float32Array(f16View(buffer, span).slice().buffer));
        else if (!buffer.holdsWords) values.set(view(buffer.numbers, span));
        else values.set(new Float32Array(view(buffer.words32, span).slice().buffer));
        return values;
      });
    },
    readExactly: (span) => Float64Array.from(view(own(span.buffer, owner).numbers, span)),
    // deno-lint-ignore require-await -- an error must reject, not throw
    async prepare(dispatches, label) {
      for (const dispatch of dispatches) checkDispatch(dispatch, device);
      const program: PlainProgram = {
        label,
        dispatchCount: dispatches.length,
        calls: dispatches.map((each) => bind(each, owner)),
      };
      return program;
    },
    run(program) {
      for (const call of (program as PlainProgram).calls) call();
    },
    timing: "clock",
    // deno-lint-ignore require-await -- an error must reject, not throw
    async profile(program) {
      return (program as PlainProgram).calls.map((call) => {
        const startedAtMs = performance.now();
        call();
        return performance.now() - startedAtMs;
      });
    },
    idle: () => Promise.resolve(),
    memory: (): MemoryUse => ({ bytes, peakBytes }),
    [Symbol.asyncDispose]() {
      alive.clear();
      return Promise.resolve();
    },
  };
  return device;
}

class PlainBuffer implements DeviceBuffer {
  readonly numbers: Float32Array | Float64Array;
  readonly words32: Words;
  #f16: Float16Array<ArrayBuffer> | undefined;
  /** Which of the first two was written last; a buffer holds one kind at a time. */
  holdsWords = false;
  constructor(
    readonly words: number,
    readonly label: string,
    precision: "f32" | "f64",
    /** What tells one device's buffers from another's. */
    readonly owner: object,
  ) {
    this.numbers = precision === "f64" ? new Float64Array(words) : new Float32Array(words);
    this.words32 = new Uint32Array(words);
  }

  /** What spans of f16 see. */
  get f16(): Float16Array<ArrayBuffer> {
    return this.#f16 ??= new Float16Array(2 * this.words);
  }
}

interface PlainProgram extends Program {
  readonly calls: readonly (() => void)[];
}

function own(buffer: DeviceBuffer, owner: object): PlainBuffer {
  if (buffer instanceof PlainBuffer && buffer.owner === owner) return buffer;
  throw new TypeError(`Cannot use buffer '${buffer.label}': it belongs to another device`);
}

function view<A extends Exclude<Numbers, Float16Array> | Words>(array: A, { start, words }: Span): A {
  return array.subarray(start, start + words) as A;
}

function f16View({ f16 }: PlainBuffer, { start, words }: Span): Float16Array<ArrayBuffer> {
  return f16.subarray(2 * start, 2 * (start + words));
}

function f16In({ buffer, byteOffset, length }: Float32Array | Uint32Array): Float16Array {
  return new Float16Array(buffer, byteOffset, 2 * length);
}

function bind({ kernel, shape, spans }: Dispatch, owner: object): () => void {
  const arrays: Parameters<Kernel["reference"]>[0] = Object.fromEntries(
    Object.entries(kernel.bindings).map(([name, { type }]) => {
      const span = spans[name]!, buffer = own(span.buffer, owner);
      const values = span.type === "f16"
        ? f16View(buffer, span)
        : view(type === "u32" ? buffer.words32 : buffer.numbers, span);
      return [name, values as Numbers & Words];
    }),
  );
  const writtenWords = Object.entries(kernel.bindings).filter(([, { access, type }]) =>
    access === "write" && type === "u32"
  );
  return () => {
    kernel.reference(arrays, shape);
    for (const [name] of writtenWords) own(spans[name]!.buffer, owner).holdsWords = true;
  };
}
