/**
 * The weights of a state as bytes: what snapshots carry and what digests are over. Little-endian:
 *
 * | bytes     | what                                                     |
 * | --------- | -------------------------------------------------------- |
 * | 0–3       | "SWT1": Starling weights, version 1                      |
 * | 4–7       | P, the f32 words of the parameter arena                  |
 * | 8–11      | 1 if the outer momentum follows the parameters, 0 if not |
 * | 12–15     | sets beyond the first                                    |
 * | 16–       | the sets: P parameters each, then P of momentum if any   |
 *
 * A state has one set for each lineage of its run (`p2p/sync/lineages.ts`), mostly one.
 * Parameters include the arena's padding, which is zero and stays zero. The bytes live in shared memory, so threads
 * pass them on without copying; nobody writes to weights that have a digest. The one thing to know: the arrays are
 * views of the bytes, which is right on little-endian machines only, and JavaScript runs on no other today.
 * @module
 */
import type { Range } from "../../p2p/sync/types.ts";
import type { RunConfig } from "../config.ts";
import { parameterLayout } from "../model/parameters.ts";

const HEADER_BYTES = 16;
const MAGIC = [0x53, 0x57, 0x54, 0x31] as const;

/** What a run's weights must have: it follows from its model and its outer optimizer. */
export interface WeightsLayout {
  readonly parameterWords: number;
  readonly hasMomentum: boolean;
  /** Where the arena has padding. */
  readonly padding: readonly Range[];
}

/** The layout of a run's weights. */
export function weightsLayout({ model, outer }: Pick<RunConfig, "model" | "outer">): WeightsLayout {
  const { parameters, words } = parameterLayout(model);
  const padding = parameters
    .map((parameter, i) => ({
      start: parameter.start + parameter.words,
      end: parameters[i + 1]?.start ?? words,
    }))
    .filter(({ start, end }) => start < end);
  return { parameterWords: words, hasMomentum: outer.momentum > 0, padding };
}

/** One block of shared memory and the views of it. */
export interface Weights {
  readonly bytes: Uint8Array<SharedArrayBuffer>;
  /** At least one. */
  readonly sets: readonly WeightSet[];
}

/** The weights of one model. */
export interface WeightSet {
  readonly parameters: Float32Array<SharedArrayBuffer>;
  readonly momentum: Float32Array<SharedArrayBuffer> | null;
}

/** Weights received from elsewhere that are not of this run's model, or damaged. */
export class WeightsError extends Error {
  override readonly name = "WeightsError";
}

export function weightsSizeBytes(layout: Omit<WeightsLayout, "padding">, sets = 1): number {
  return HEADER_BYTES + sets * setBytes(layout);
}

/** Sets in so many bytes, or null if no number of them takes as many. */
export function setsIn(sizeBytes: number, layout: Omit<WeightsLayout, "padding">): number | null {
  const sets = (sizeBytes - HEADER_BYTES) / setBytes(layout);
  return Number.isInteger(sets) && sets > 0 ? sets : null;
}

function setBytes({ parameterWords, hasMomentum }: Omit<WeightsLayout, "padding">): number {
  return 4 * parameterWords * (hasMomentum ? 2 : 1);
}

/** Zeros, ready to be filled and then named. */
export function allocateWeights(layout: Omit<WeightsLayout, "padding">, sets = 1): Weights {
  const bytes = new Uint8Array(new SharedArrayBuffer(weightsSizeBytes(layout, sets)));
  const view = new DataView(bytes.buffer);
  MAGIC.forEach((byte, i) => view.setUint8(i, byte));
  view.setUint32(4, layout.parameterWords, true);
  view.setUint32(8, layout.hasMomentum ? 1 : 0, true);
  view.setUint32(12, sets - 1, true);
  return viewWeights(bytes, layout);
}

/**
 * Copies received bytes into shared memory and checks them.
 * @throws {WeightsError} as `checkWeights`.
 */
export function readWeights(received: Uint8Array, layout: WeightsLayout): Weights {
  const bytes = new Uint8Array(new SharedArrayBuffer(received.length));
  bytes.set(received);
  return checkWeights(bytes, layout);
}

/**
 * Checks received bytes where they are.
 * @throws {WeightsError} if they do not fit the layout, or hold values that are not finite or in its padding.
 */
export function checkWeights(bytes: Weights["bytes"], layout: WeightsLayout): Weights {
  if (bytes.length < HEADER_BYTES || MAGIC.some((byte, i) => bytes[i] !== byte)) {
    throw new WeightsError("Cannot use received weights: they are not of version 1; fetch them from another peer");
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, HEADER_BYTES);
  const words = view.getUint32(4, true), flag = view.getUint32(8, true);
  if (words !== layout.parameterWords) {
    throw new WeightsError(
      `Cannot use received weights: they have ${words} parameters, this run's model needs ${layout.parameterWords}; ` +
        "they are of another run",
    );
  }
  if (flag !== (layout.hasMomentum ? 1 : 0)) {
    throw new WeightsError(
      `Cannot use received weights: they come ${flag === 1 ? "with" : "without"} outer momentum, this run is ` +
        `${layout.hasMomentum ? "with" : "without"} it; they are of another run`,
    );
  }
  const wantedBytes = weightsSizeBytes(layout, 1 + view.getUint32(12, true));
  if (bytes.length !== wantedBytes) throw sizeError(bytes.length, layout, 1 + view.getUint32(12, true));
  const weights = viewWeights(bytes, layout);
  const wrong = new Float32Array(bytes.buffer, HEADER_BYTES).findIndex((value) => !Number.isFinite(value));
  if (wrong >= 0) {
    throw new WeightsError(`Cannot use received weights: value ${wrong} is not finite; fetch them from another peer`);
  }
  for (
    const values of weights.sets.flatMap(({ parameters, momentum }) => momentum ? [parameters, momentum] : [parameters])
  ) {
    const stray = layout.padding.find(({ start, end }) => values.subarray(start, end).some((value) => value !== 0));
    if (stray === undefined) continue;
    throw new WeightsError(
      `Cannot use received weights: found values from ${stray.start} on, where this run's model has padding; ` +
        "fetch them from another peer",
    );
  }
  return weights;
}

/** That received weights are of a size that these sets do not have. */
export function sizeError(foundBytes: number, layout: Omit<WeightsLayout, "padding">, sets = 1): WeightsError {
  const wantedBytes = weightsSizeBytes(layout, sets);
  return new WeightsError(
    `Cannot use received weights: found ${foundBytes} bytes, wanted ${wantedBytes}; fetch them again`,
  );
}

/** The arrays in bytes that are known to be good, e.g. those another thread allocated. */
export function viewWeights(bytes: Uint8Array<SharedArrayBuffer>, layout: Omit<WeightsLayout, "padding">): Weights {
  const { parameterWords: words, hasMomentum } = layout, count = (bytes.length - HEADER_BYTES) / setBytes(layout);
  const sets = Array.from({ length: count }, (_, i): WeightSet => {
    const start = HEADER_BYTES + i * setBytes(layout);
    return {
      parameters: new Float32Array(bytes.buffer, start, words),
      momentum: hasMomentum ? new Float32Array(bytes.buffer, start + 4 * words, words) : null,
    };
  });
  return { bytes, sets };
}
