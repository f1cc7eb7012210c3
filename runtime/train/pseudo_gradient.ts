/**
 * The outer step's half on the device: what was learned since the anchor, quantised or thinned out, with error feedback.
 *
 * Folding contributions of many peers into the next anchor is done elsewhere, on the CPU.
 *
 * Buffers, all in the layout of the parameters: `anchor`, the weights the round started from; `residual`, what earlier
 * contributions left out; `next_residual`, what the last dense cut left out. A cut computes anchor − parameters +
 * residual into the gradient arena, which is free between steps, and encodes it from there.
 *
 *  - Dense (int8): what rounding left out becomes `residual` when the contribution is known to be counted, or when the
 *    next cut is made; if it was lost, the old residual stays.
 *  - Sparse (topk): most of a contribution is left out, so `residual` takes it at once, and what was sent comes back
 *    with `giveBack` if it was lost. Any number of contributions may be under way.
 *
 * Both share one residual, so a run may change between them.
 * @module
 */
import { copy } from "../../kernels/copy.ts";
import { delta } from "../../kernels/delta.ts";
import { quantiseInt8 } from "../../kernels/quantise_int8.ts";
import { sparseAdd } from "../../kernels/sparse_add.ts";
import { topK, topKChunks } from "../../kernels/top_k.ts";
import {
  asValues,
  asWords,
  type Device,
  type DeviceBuffer,
  type Dispatch,
  type Program,
  type Span,
  whole,
} from "../device/device.ts";

/** Values that share one scale. Tensors start at multiples of it, so no block mixes two of them. */
export const QUANTISE_BLOCK = 64;

/** A quantised pseudo-gradient, and the weights it was cut from. */
export interface Cut {
  /** Four int8 codes a word, the first in the lowest byte; padding included. */
  readonly codes: Uint32Array<ArrayBuffer>;
  /** One a block: the biased exponent of its power-of-two scale. */
  readonly scales: Uint32Array<ArrayBuffer>;
  /** Weights at the cut, to rebase what is trained after it. */
  readonly weights: Float32Array<ArrayBuffer>;
}

/** The largest values of a pseudo-gradient, and the weights it was cut from. */
export interface SparseCut {
  /** `kept` for each chunk of 4,096 values: where in it, ascending. */
  readonly places: Uint32Array<ArrayBuffer>;
  readonly values: Float32Array<ArrayBuffer>;
  readonly weights: Float32Array<ArrayBuffer>;
}

/** How to thin out. */
export interface Sparsity {
  /** Values kept of each 4,096: a multiple of 64, at most 512. */
  readonly kept: number;
  /** Share of the residual that still counts. */
  readonly decay: number;
}

/** Most values of each 4,096 that a sparse cut keeps. */
const MOST_KEPT = 512;

/** Buffers that cuts need besides parameters and gradients, in words. */
export function pseudoGradientWords(arenaWords: number) {
  const slots = topKChunks(arenaWords) * MOST_KEPT;
  return {
    anchor: arenaWords,
    residual: arenaWords,
    next_residual: arenaWords,
    // Of a dense cut the codes, of a sparse one the places.
    codes: Math.max(arenaWords / 4, slots),
    scales: arenaWords / QUANTISE_BLOCK,
    largest: slots,
  };
}

export type PseudoGradientBuffers = Readonly<
  Record<keyof ReturnType<typeof pseudoGradientWords> | "parameters" | "gradients", DeviceBuffer>
>;

export class PseudoGradient {
  readonly #device: Device;
  readonly #buffers: PseudoGradientBuffers;
  readonly #cut: Program;
  readonly #commit: Program;
  readonly #addGradients: Program;
  /** By sparsity. */
  readonly #sparse = new Map<string, SparsePrograms>();
  /** The slots of the last sparse cut. */
  #lastSparse: SparsePrograms | null = null;
  /** Whether the last cut's loss waits for the fate of its contribution. */
  #isPending = false;

  private constructor(
    device: Device,
    { buffers, cut, commit, addGradients }: {
      readonly buffers: PseudoGradientBuffers;
      readonly cut: Program;
      readonly commit: Program;
      readonly addGradients: Program;
    },
  ) {
    this.#device = device;
    this.#buffers = buffers;
    this.#cut = cut;
    this.#commit = commit;
    this.#addGradients = addGradients;
  }

  static async open(device: Device, buffers: PseudoGradientBuffers): Promise<PseudoGradient> {
    const cut = await device.prepare(cutDispatches(buffers), "cut");
    const toResidual = (from: DeviceBuffer, ACCUMULATE: 0 | 1): Dispatch => ({
      kernel: copy,
      shape: { COUNT: buffers.residual.words, ACCUMULATE },
      spans: { x: whole(from), y: whole(buffers.residual) },
    });
    const commit = await device.prepare([toResidual(buffers.next_residual, 0)], "commit residual");
    const addGradients = await device.prepare([toResidual(buffers.gradients, 1)], "give back");
    return new PseudoGradient(device, { buffers, cut, commit, addGradients });
  }

  writeAnchor(weights: Float32Array): void {
    this.#device.write(whole(this.#buffers.anchor), weights);
  }

  /**
   * The gradient arena holds the pseudo-gradient afterwards.
   * @param into Of earlier cuts what is not needed any more: it is used again.
   */
  async cut({ codes, scales: exponents, weights: into }: Partial<Cut> = {}): Promise<Cut> {
    const { scales, parameters } = this.#buffers;
    this.commitResidual(true);
    this.#device.run(this.#cut);
    this.#isPending = true;
    const spans = [codesSpan(this.#buffers), whole(scales), whole(parameters)];
    const room = [codes && asValues(codes), exponents && asValues(exponents), into];
    const [codeBits, scaleBits, weights] = await this.#device.read(spans, room);
    return { codes: asWords(codeBits!), scales: asWords(scaleBits!), weights: weights! };
  }

  /**
   * As `cut`, of the largest values alone, for which the first cut of a density compiles its programs first. `takeOut`
   * what is sent of them before anything else is cut.
   */
  async cutSparse(sparsity: Sparsity, { weights: into }: Pick<Partial<Cut>, "weights"> = {}): Promise<SparseCut> {
    this.commitResidual(true);
    const programs = await this.#programsFor(sparsity);
    this.#device.run(programs.cut);
    this.#lastSparse = programs;
    const [places, values, weights] = await this.#device.read([
      programs.places,
      programs.values,
      whole(this.#buffers.parameters),
    ], [undefined, undefined, into]);
    return { places: asWords(places!), values: values!, weights: weights! };
  }

  /** Takes what was sent of the last sparse cut, slot by slot, out of the residual. */
  takeOut(sent: Float32Array): void {
    const programs = this.#lastSparse;
    if (programs === null) throw new Error("Cannot take out what was sent: there was no sparse cut");
    this.#device.write(programs.values, sent.map((value) => -value));
    this.#device.run(programs.addSlots);
  }

  /** Adds to the residual what was sent in vain. The gradient arena holds it afterwards. */
  giveBack(values: Float32Array): void {
    this.#device.write(whole(this.#buffers.gradients), values);
    this.#device.run(this.#addGradients);
  }

  commitResidual(keep: boolean): void {
    if (this.#isPending && keep) this.#device.run(this.#commit);
    this.#isPending = false;
  }

  /** Whether `next_residual` must be left alone: the last cut's loss waits for the fate of its contribution. */
  get isPending(): boolean {
    return this.#isPending;
  }

  async readResidual(into?: Float32Array<ArrayBuffer>): Promise<Float32Array<ArrayBuffer>> {
    return (await this.#device.read([whole(this.#buffers.residual)], [into]))[0]!;
  }

  writeResidual(residual: Float32Array): void {
    this.#device.write(whole(this.#buffers.residual), residual);
    this.#isPending = false;
  }

  async #programsFor(sparsity: Sparsity): Promise<SparsePrograms> {
    const key = `${sparsity.kept} ${sparsity.decay}`, known = this.#sparse.get(key);
    if (known !== undefined) return known;
    const programs = await sparsePrograms(this.#device, this.#buffers, sparsity);
    this.#sparse.set(key, programs);
    return programs;
  }
}

/** What sparse cuts of one density run, and where their slots are. */
interface SparsePrograms {
  readonly cut: Program;
  readonly addSlots: Program;
  readonly places: Span;
  readonly values: Span;
}

function cutDispatches(buffers: PseudoGradientBuffers): Dispatch[] {
  const { gradients, next_residual, scales } = buffers, COUNT = gradients.words;
  return [
    deltaDispatch(buffers, 1),
    {
      kernel: quantiseInt8,
      shape: { COUNT, BLOCK: QUANTISE_BLOCK },
      spans: { x: whole(gradients), codes: codesSpan(buffers), scales: whole(scales), residual: whole(next_residual) },
    },
  ];
}

async function sparsePrograms(
  device: Device,
  buffers: PseudoGradientBuffers,
  { kept: KEPT, decay }: Sparsity,
): Promise<SparsePrograms> {
  const { gradients, residual, codes, largest } = buffers, COUNT = gradients.words, words = topKChunks(COUNT) * KEPT;
  const places = { buffer: codes, start: 0, words }, values = { buffer: largest, start: 0, words };
  const cut = await device.prepare([
    deltaDispatch(buffers, decay),
    { kernel: topK, shape: { COUNT, KEPT }, spans: { x: whole(gradients), places, values } },
    { kernel: copy, shape: { COUNT, ACCUMULATE: 0 }, spans: { x: whole(gradients), y: whole(residual) } },
  ], "sparse cut");
  const addSlots = await device.prepare([
    { kernel: sparseAdd, shape: { COUNT, KEPT }, spans: { places, values, y: whole(residual) } },
  ], "take out");
  return { cut, addSlots, places, values };
}

function deltaDispatch({ parameters, gradients, anchor, residual }: PseudoGradientBuffers, DECAY: number): Dispatch {
  return {
    kernel: delta,
    shape: { COUNT: parameters.words, DECAY },
    spans: { anchor: whole(anchor), p: whole(parameters), residual: whole(residual), delta: whole(gradients) },
  };
}

function codesSpan({ codes, gradients }: PseudoGradientBuffers): Span {
  return { buffer: codes, start: 0, words: gradients.words / 4 };
}
