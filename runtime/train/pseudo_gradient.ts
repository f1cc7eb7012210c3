/**
 * The outer step's half on the device: what was learned since the anchor, quantised, with error feedback.
 *
 * Folding contributions of many peers into the next anchor is done elsewhere, on the CPU.
 *
 * Buffers, all in the layout of the parameters: `anchor`, the weights the round started from; `residual`, what earlier
 * *counted* contributions lost to quantisation; `next_residual`, what the last cut lost. A cut computes
 * anchor − parameters + residual into the gradient arena, which is free between steps, and quantises it from there. Its
 * loss becomes `residual` when the contribution is known to be counted; if it is not, the old residual stays.
 * @module
 */
import { copy } from "../../kernels/copy.ts";
import { delta } from "../../kernels/delta.ts";
import { quantiseInt8 } from "../../kernels/quantise_int8.ts";
import { asWords, type Device, type DeviceBuffer, type Dispatch, type Program, whole } from "../device/device.ts";

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

/** Buffers that cuts need besides parameters and gradients, in words. */
export function pseudoGradientWords(arenaWords: number) {
  return {
    anchor: arenaWords,
    residual: arenaWords,
    next_residual: arenaWords,
    codes: arenaWords / 4,
    scales: arenaWords / QUANTISE_BLOCK,
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
  /** Whether the last cut's loss waits for the fate of its contribution. */
  #isPending = false;

  private constructor(
    device: Device,
    options: { readonly buffers: PseudoGradientBuffers; readonly cut: Program; readonly commit: Program },
  ) {
    this.#device = device;
    this.#buffers = options.buffers;
    this.#cut = options.cut;
    this.#commit = options.commit;
  }

  static async open(device: Device, buffers: PseudoGradientBuffers): Promise<PseudoGradient> {
    const cut = await device.prepare(cutDispatches(buffers), "cut");
    const commit = await device.prepare([
      {
        kernel: copy,
        shape: { COUNT: buffers.residual.words, ACCUMULATE: 0 },
        spans: { x: whole(buffers.next_residual), y: whole(buffers.residual) },
      },
    ], "commit residual");
    return new PseudoGradient(device, { buffers, cut, commit });
  }

  writeAnchor(weights: Float32Array): void {
    this.#device.write(whole(this.#buffers.anchor), weights);
  }

  /** The gradient arena holds the pseudo-gradient afterwards. */
  async cut(): Promise<Cut> {
    const { codes, scales, parameters } = this.#buffers;
    this.#device.run(this.#cut);
    this.#isPending = true;
    const [codeBits, scaleBits, weights] = await this.#device.read([whole(codes), whole(scales), whole(parameters)]);
    return { codes: asWords(codeBits!), scales: asWords(scaleBits!), weights: weights! };
  }

  commitResidual(keep: boolean): void {
    if (this.#isPending && keep) this.#device.run(this.#commit);
    this.#isPending = false;
  }

  async readResidual(): Promise<Float32Array<ArrayBuffer>> {
    return (await this.#device.read([whole(this.#buffers.residual)]))[0]!;
  }

  writeResidual(residual: Float32Array): void {
    this.#device.write(whole(this.#buffers.residual), residual);
    this.#isPending = false;
  }
}

function cutDispatches(buffers: PseudoGradientBuffers): Dispatch[] {
  const { parameters, gradients, anchor, residual, next_residual, codes, scales } = buffers, COUNT = parameters.words;
  return [
    {
      kernel: delta,
      shape: { COUNT },
      spans: { anchor: whole(anchor), p: whole(parameters), residual: whole(residual), delta: whole(gradients) },
    },
    {
      kernel: quantiseInt8,
      shape: { COUNT, BLOCK: QUANTISE_BLOCK },
      spans: { x: whole(gradients), codes: whole(codes), scales: whole(scales), residual: whole(next_residual) },
    },
  ];
}
