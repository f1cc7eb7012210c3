/**
 * Symbolic tensors and the list of kernel uses that computes them: a model before it has memory.
 *
 * Nothing here touches a device. `ops.ts` appends steps, `gradient.ts` appends those of the backward pass, `memory.ts`
 * finds places and `plan.ts` makes a device's programs. Steps stay in the order of the layers, so that a cut of the
 * list is a cut of the model.
 *
 * The one thing to know before editing: several tensors may share one storage. Over time, each is a later *version* of it
 * (the residual stream that a layer adds to, a gradient handed from a sum to its terms, logits that become their
 * gradient); and a tensor may be a range of rows of another. `Graph.run` keeps these laws for every word of a storage,
 * and throws where an op breaks one:
 *
 * 1. A step reads or extends a version only while no later version has been written there.
 * 2. The first step that uses a planned storage overwrites it: memory holds other tensors' leavings.
 * @module
 */
import type { Kernel, Shape } from "../../kernels/kernel.ts";
import { type KernelChoice, ONE_FORM } from "../../kernels/product_choice.ts";
import { SPAN_ALIGNMENT, wordsOf } from "../device/device.ts";

/** Words that a tensor lives in: a place that the memory plan finds, or one in a named buffer that somebody owns. */
export interface Storage {
  readonly label: string;
  readonly words: number;
  readonly home: { readonly kind: "planned" } | BoundHome;
}

export interface BoundHome {
  readonly kind: "bound";
  /** Name of the buffer, given to the plan. */
  readonly buffer: string;
  /** First word; a multiple of 64. */
  readonly start: number;
}

export type TensorType = "f16" | "f32" | "u32";

export interface Tensor {
  readonly label: string;
  /** Row-major; the last dimension is contiguous. */
  readonly shape: readonly number[];
  readonly type: TensorType;
  /** How many values. */
  readonly count: number;
  readonly storage: Storage;
  /** First word in its storage; a multiple of 64. */
  readonly start: number;
  readonly version: number;
  /** Parameters only: where their gradient accumulates. */
  readonly gradientHome?: BoundHome;
  /** Matrices only, where there is one: a copy in f16, which products read instead. */
  readonly f16?: Tensor;
}

/** One use of a kernel. */
export interface Step {
  readonly kernel: Kernel;
  readonly shape: Shape;
  /** By binding name. */
  readonly tensors: Readonly<Record<string, Tensor>>;
}

/** What the backward pass does about one op, once the gradient `dy` of its output is complete. */
export type BackwardRule = (dy: Tensor, gradients: Gradients) => void;

/** How backward rules hand gradients on; `gradient.ts` has the implementation and the rules of use. */
export interface Gradients {
  add(tensor: Tensor, write: (target: Tensor, ACCUMULATE: 0 | 1) => void): void;
  addWhole(tensor: Tensor, write: (target: Tensor) => void): void;
  move(tensor: Tensor, dy: Tensor): void;
}

export interface GraphOptions {
  /** Whether there will be a backward pass, so that ops must not overwrite what it reads. */
  readonly differentiable: boolean;
  /** How activations, and the gradients to them, lie in memory. Default f32. */
  readonly activations?: "f16" | "f32";
  /** Which forms its products have: the device's (`choice.ts`). Default `ONE_FORM`, which suits every device. */
  readonly choice?: KernelChoice;
}

/** Words of a storage that hold one version. */
interface Written {
  readonly start: number;
  readonly stop: number;
  readonly version: number;
}

/** Some rows of a tensor. */
export interface RowRange {
  readonly first: number;
  readonly count: number;
}

export class Graph {
  readonly activations: "f16" | "f32";
  readonly choice: KernelChoice;
  readonly steps: Step[] = [];
  /** Ops in order, with what undoes them. */
  readonly tape: { readonly output: Tensor; readonly backward: BackwardRule }[] = [];
  /** Storages that the backward pass may start again from, wherever it computes a part of the forward pass again. */
  readonly checkpoints = new Set<Storage>();
  /** Storages that must survive to the end of the graph, to be read. */
  readonly outputs = new Set<Storage>();
  /** Without overlaps, in no order. */
  readonly #written = new Map<Storage, readonly Written[]>();
  #differentiable: boolean;
  #replace: ((tensor: Tensor) => Tensor) | null = null;

  constructor({ differentiable, activations = "f32", choice = ONE_FORM }: GraphOptions) {
    this.#differentiable = differentiable;
    this.activations = activations;
    this.choice = choice;
  }

  /** Whether what is appended now will have a backward pass. */
  get differentiable(): boolean {
    return this.#differentiable;
  }

  /** Appends steps that only measure, to a graph that may have a backward pass. */
  withoutGradient<T>(build: () => T): T {
    const before = this.#differentiable;
    this.#differentiable = false;
    try {
      return build();
    } finally {
      this.#differentiable = before;
    }
  }

  /** Appends steps that use other tensors in place of those they name. `replace` may append steps of its own. */
  replacing(replace: (tensor: Tensor) => Tensor, build: () => void): void {
    this.#replace = replace;
    try {
      build();
    } finally {
      this.#replace = null;
    }
  }

  /** A tensor of this graph alone; the plan finds its place. */
  tensor(label: string, shape: readonly number[], type: TensorType = "f32"): Tensor {
    const count = product(shape), words = wordsOf(count, type);
    return { label, shape, type, count, start: 0, version: 0, storage: { label, words, home: { kind: "planned" } } };
  }

  /** A tensor that lives in somebody else's buffer: an input, a constant, a cache. */
  bound(label: string, shape: readonly number[], place: Omit<BoundHome, "kind"> & Pick<Tensor, "type">): Tensor {
    const { type, ...home } = place, count = product(shape);
    const storage: Storage = { label, words: wordsOf(count, type), home: { kind: "bound", ...home } };
    return { label, shape, type, count, start: 0, version: 0, storage };
  }

  /**
   * A tensor of the parameter arena, whose gradient has the same place in the gradient arena.
   * @param f16Start Where its copy is in the arena of f16, if it has one.
   */
  parameter(label: string, shape: readonly number[], start: number, f16Start?: number): Tensor {
    const tensor = this.bound(label, shape, { buffer: "parameters", start, type: "f32" });
    const parameter: Tensor = { ...tensor, gradientHome: { kind: "bound", buffer: "gradients", start } };
    if (f16Start === undefined) return parameter;
    const place = { buffer: "f16_parameters", start: f16Start, type: "f16" } as const;
    return { ...parameter, f16: this.bound(`${label} in f16`, shape, place) };
  }

  /** The next version of a tensor, in the same storage. */
  inPlace(tensor: Tensor, label: string): Tensor {
    return { ...tensor, label, version: tensor.version + 1 };
  }

  /** Some rows of a tensor, where they lie in it. They are no parameter, even if it is one. */
  rows({ label, shape, type, storage, start, version }: Tensor, { first, count }: RowRange): Tensor {
    const [rowCount = 0, ...rest] = shape, row = product(rest), offset = wordsOf(first * row, type);
    if (first < 0 || count < 1 || first + count > rowCount || offset % SPAN_ALIGNMENT !== 0) {
      throw new RangeError(
        `Cannot take rows ${first} to ${
          first + count
        } of '${label}': it has ${rowCount}, and a range must begin at a ` +
          `multiple of ${SPAN_ALIGNMENT} words, not at ${offset}`,
      );
    }
    const name = `rows ${first} to ${first + count} of ${label}`;
    return { label: name, shape: [count, ...rest], type, count: count * row, storage, start: start + offset, version };
  }

  /** Appends one use of a kernel. */
  run(kernel: Kernel, shape: Shape, named: Readonly<Record<string, Tensor>>): void {
    const replace = this.#replace, tensors = replace === null ? named : mapValues(named, replace);
    for (const [name, { access }] of Object.entries(kernel.bindings)) {
      const tensor = tensors[name];
      if (tensor === undefined) throw new Error(`Cannot add ${kernel.name} to the graph: it has no '${name}'`);
      this.#keepLaws(kernel, { tensor, isOverwritten: access === "write" && shape["ACCUMULATE"] !== 1 });
    }
    for (const [name, { access }] of Object.entries(kernel.bindings)) {
      if (access === "write") this.#noteWritten(tensors[name]!);
    }
    this.steps.push({ kernel, shape, tensors });
  }

  /** Removes the last step and gives it back, for an op that does its work together with its own. */
  takeBack(): Step {
    const step = this.steps.pop();
    if (step === undefined) throw new Error("Cannot take a step back: the graph has none");
    return step;
  }

  /** Says how gradients pass the op that made `output`. */
  derive(output: Tensor, backward: BackwardRule): void {
    if (this.differentiable) this.tape.push({ output, backward });
  }

  /** Keeps a tensor's storage to the end, so that it can be read after the graph has run. */
  keep(tensor: Tensor): void {
    this.outputs.add(tensor.storage);
  }

  /** Has a tensor kept for the backward pass, also where what follows is computed again; gives it back. */
  checkpoint(tensor: Tensor): Tensor {
    this.checkpoints.add(tensor.storage);
    return tensor;
  }

  #keepLaws(kernel: Kernel, { tensor, isOverwritten }: { tensor: Tensor; isOverwritten: boolean }): void {
    const { label, storage, version } = tensor, [start, stop] = wordRange(tensor);
    const there = (this.#written.get(storage) ?? []).filter((part) => part.start < stop && start < part.stop);
    const later = there.find((part) => version < part.version);
    if (later !== undefined) {
      throw new Error(
        `Cannot use '${label}' in ${kernel.name}: version ${later.version} of '${storage.label}' has overwritten it`,
      );
    }
    const known = there.reduce((sum, part) => sum + Math.min(stop, part.stop) - Math.max(start, part.start), 0);
    if (known < stop - start && storage.home.kind === "planned" && !isOverwritten) {
      const what = known === 0 ? "nothing has" : `${stop - start - known} of its words have not`;
      throw new Error(`Cannot use '${label}' in ${kernel.name}: ${what} been written there yet`);
    }
  }

  #noteWritten(tensor: Tensor): void {
    const { storage, version } = tensor, [start, stop] = wordRange(tensor);
    const others = (this.#written.get(storage) ?? []).flatMap((part) =>
      [{ ...part, stop: Math.min(part.stop, start) }, { ...part, start: Math.max(part.start, stop) }]
        .filter((rest) => rest.start < rest.stop)
    );
    this.#written.set(storage, [...others, { start, stop, version }]);
  }
}

function mapValues<A, B>(record: Readonly<Record<string, A>>, change: (value: A) => B): Record<string, B> {
  return Object.fromEntries(Object.entries(record).map(([name, value]) => [name, change(value)]));
}

/** The words of its storage that a tensor lies in. */
function wordRange({ start, count, type }: Tensor): readonly [start: number, stop: number] {
  return [start, start + wordsOf(count, type)];
}

function product(shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, 1);
}
