/**
 * What a step may measure of its gradient besides the norm: two halves of its batch against each other, and a sketch.
 *
 * Nothing here waits or changes what a step does. The gradient of the first half is kept in `first_half`, an arena that
 * may be anybody's who does not need it during such a step; the figures of halves go to the step's place in the ring,
 * those of a sketch into a buffer of their own.
 * @module
 */
import { columnSum } from "../../kernels/column_sum.ts";
import { copy } from "../../kernels/copy.ts";
import { pairNorms } from "../../kernels/pair_norms.ts";
import { sketch, SKETCH_BUCKETS } from "../../kernels/sketch.ts";
import { type Device, type DeviceBuffer, type Program, type Span, whole } from "../device/device.ts";
import { RING_LENGTH, ringPlace } from "./step_metrics.ts";

/** What to measure in one step. */
export interface Measures {
  /** Two halves of the batch against each other. */
  readonly halves?: boolean;
  /** The seed of a sketch of the batch's gradient: a whole number below 2³². */
  readonly sketchSeed?: number | null;
}

/** Parts of the arena that are summed at once. */
const PAIR_BLOCKS = 256, SKETCH_BLOCKS = 64;

/** Buffers of the measures, in words, but for `first_half`. */
export function measureWords() {
  return {
    pair_partials: 3 * PAIR_BLOCKS,
    sketch_partials: SKETCH_BUCKETS * SKETCH_BLOCKS,
    sketch: SKETCH_BUCKETS,
    sketch_seed: 1,
  };
}

export type MeasureBuffers = Readonly<
  Record<keyof ReturnType<typeof measureWords> | "gradients" | "first_half" | "ring", DeviceBuffer>
>;

export class GradientMeasures {
  readonly #device: Device;
  readonly #buffers: MeasureBuffers;
  readonly #keep: Program;
  readonly #compare: Program;
  readonly #sketch: Program;
  /** One for each place of the ring. */
  readonly #notes: readonly Program[];

  private constructor(device: Device, { buffers, keep, compare, sketch, notes }: Parts) {
    this.#device = device;
    this.#buffers = buffers;
    this.#keep = keep;
    this.#compare = compare;
    this.#sketch = sketch;
    this.#notes = notes;
  }

  static async open(device: Device, buffers: MeasureBuffers): Promise<GradientMeasures> {
    const { gradients, first_half, pair_partials, sketch_partials, sketch_seed } = buffers, COUNT = gradients.words;
    const x = whole(gradients), partial = whole(sketch_partials), BLOCKS = PAIR_BLOCKS;
    const keep = { kernel: copy, shape: { COUNT, ACCUMULATE: 0 }, spans: { x, y: whole(first_half) } };
    const pair = { sum: x, part: whole(first_half), partial: whole(pair_partials) };
    return new GradientMeasures(device, {
      buffers,
      keep: await device.prepare([keep], "keep first half"),
      compare: await device.prepare([{ kernel: pairNorms, shape: { COUNT, BLOCKS }, spans: pair }], "compare halves"),
      sketch: await device.prepare([
        {
          kernel: sketch,
          shape: { COUNT, BLOCKS: SKETCH_BLOCKS },
          spans: { x, seed: whole(sketch_seed), partial },
        },
        rowsSum(partial, whole(buffers.sketch)),
      ], "sketch"),
      notes: await Promise.all(
        Array.from(
          { length: RING_LENGTH },
          (_, place) =>
            device.prepare([rowsSum(whole(pair_partials), ringPlace(buffers.ring, place).halves)], "note halves"),
        ),
      ),
    });
  }

  /** Where the last sketch is. */
  get sketchSpan(): Span {
    return whole(this.#buffers.sketch);
  }

  /** The gradient arena holds the first half's sum. */
  keepFirstHalf(): void {
    this.#device.run(this.#keep);
  }

  /** The gradient arena holds the sum of both halves, or the second alone. */
  compareHalves(): void {
    this.#device.run(this.#compare);
  }

  /** Puts the figures of the last comparison where a step's metrics are. */
  noteHalves(place: number): void {
    this.#device.run(this.#notes[place]!);
  }

  /** Of the gradient arena. */
  sketch(seed: number): void {
    this.#device.write(whole(this.#buffers.sketch_seed), Uint32Array.of(seed));
    this.#device.run(this.#sketch);
  }
}

interface Parts {
  readonly buffers: MeasureBuffers;
  readonly keep: Program;
  readonly compare: Program;
  readonly sketch: Program;
  readonly notes: readonly Program[];
}

/** Adds rows as long as `sum`. */
function rowsSum(dy: Span, sum: Span) {
  return { kernel: columnSum, shape: { N: dy.words / sum.words, C: sum.words, ACCUMULATE: 0 }, spans: { dy, sum } };
}
