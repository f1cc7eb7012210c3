/**
 * One product on a device with made-up operands, in any of its forms: how long it takes, and what it gives.
 *
 * Operands are numbers in −1 … 1 without chance. It measures and reads, and judges nothing.
 * @module
 */
import { matmulPartialForms } from "../../kernels/matmul_partial.ts";
import { matmulSum } from "../../kernels/matmul_sum.ts";
import { formOf, type ProductChoice, type ProductUse } from "../../kernels/product_choice.ts";
import { type Device, type DeviceBuffer, type Dispatch, type Span, SPAN_ALIGNMENT, wordsOf } from "../device/device.ts";

/** Values that are looked at in each of three places of a result. */
const LOOKED_AT = 1 << 14;

export class ProductBench implements Disposable {
  readonly #device: Device;
  readonly #use: ProductUse;
  readonly #buffers: DeviceBuffer[] = [];
  readonly #a: Span;
  readonly #b: Span;
  readonly #y: Span;
  readonly #unused: Span;
  readonly #partial: Span;

  /**
   * @param mostParts The most parts that a choice will have.
   * @throws {DeviceMemoryError} if there is no room; nothing stays allocated.
   */
  constructor(device: Device, use: ProductUse, mostParts: number) {
    const { M, N, K } = use;
    this.#device = device;
    this.#use = use;
    try {
      this.#a = this.#operand("a", M * K);
      this.#b = this.#operand("b", K * N);
      this.#y = this.#span("y", M * N);
      this.#unused = this.#span("unused", 1);
      this.#partial = this.#span("partial", mostParts > 1 ? mostParts * M * N : 1);
    } catch (error) {
      this[Symbol.dispose]();
      throw error;
    }
  }

  /** The steps of a form, as a graph has them (`graph/products.ts`). */
  dispatches({ form, split }: ProductChoice): Dispatch[] {
    const { M, N, K, TRANSPOSE_A, TRANSPOSE_B } = this.#use, y = this.#y;
    const added = { bias: this.#unused, residual: this.#unused }, none = { BIAS: 0, RESIDUAL: 0, ACCUMULATE: 0 };
    const operands = { a: this.#a, b: this.#b }, shape = { M, N, K, TRANSPOSE_A, TRANSPOSE_B };
    if (split === 1) {
      return [{ kernel: formOf(form), shape: { ...shape, ...none }, spans: { ...operands, ...added, y } }];
    }
    const partial = { ...this.#partial, words: split * M * N }, SPLIT = split;
    return [
      { kernel: matmulPartialForms.get(form)!, shape: { ...shape, SPLIT }, spans: { ...operands, partial } },
      { kernel: matmulSum, shape: { M, N, SPLIT, ...none }, spans: { partial, ...added, y } },
    ];
  }

  /** Milliseconds of each of some choices, in turns: one list for each round. */
  async time(choices: readonly ProductChoice[], roundCount: number): Promise<number[][]> {
    const steps = choices.map((choice) => this.dispatches(choice));
    const round = steps.flat(), all = Array.from({ length: roundCount }, () => round).flat();
    const times = await this.#device.profile(await this.#device.prepare(all, "tune"));
    return Array.from({ length: roundCount }, (_, i) => {
      let next = i * round.length;
      return steps.map(({ length }) => {
        const sum = times.slice(next, next + length).reduce((sum, ms) => sum + ms, 0);
        next += length;
        return sum;
      });
    });
  }

  /** Values at the beginning, in the middle and at the end of what a choice computes; NaN where it writes nothing. */
  async result(choice: ProductChoice): Promise<Float32Array[]> {
    const { buffer, words } = this.#y, length = Math.min(LOOKED_AT, words);
    const places = [0, (words - length) / 2, words - length]
      .map((start) => Math.floor(start / SPAN_ALIGNMENT) * SPAN_ALIGNMENT);
    const spans = [...new Set(places)].map((start) => ({ buffer, start, words: Math.min(words - start, length) }));
    const program = await this.#device.prepare(this.dispatches(choice), "tune");
    for (const span of spans) this.#device.write(span, new Float32Array(span.words).fill(NaN));
    this.#device.run(program);
    return await this.#device.read(spans);
  }

  [Symbol.dispose](): void {
    for (const buffer of this.#buffers) this.#device.free(buffer);
  }

  #span(label: string, words: number): Span {
    const buffer = this.#device.allocate(words, `tune ${label}`);
    this.#buffers.push(buffer);
    return { buffer, start: 0, words };
  }

  #operand(label: string, count: number): Span {
    const { inF16 } = this.#use, span = this.#span(label, wordsOf(count, inF16 ? "f16" : "f32"));
    const values = inF16 ? new Float16Array(2 * span.words) : new Float32Array(span.words);
    const pattern = Math.min(PATTERN, values.length);
    for (let i = 0; i < pattern; i++) {
      values[i] = (Math.imul(i + 1, label === "a" ? 0x9e3779b1 : 0x85ebca6b) | 0) / 2 ** 31;
    }
    for (let filled = pattern; filled < values.length; filled += pattern) values.copyWithin(filled, 0, pattern);
    this.#device.write(span, new Float32Array(values.buffer));
    return inF16 ? { ...span, type: "f16" } : span;
  }
}

/** Operands repeat after so many values, a prime: no row is like another. */
const PATTERN = 65_521;
