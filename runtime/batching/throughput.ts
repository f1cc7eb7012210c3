/**
 * How fast this peer trains: a running mean of tokens a second, and the micro-batch at which it is fastest.
 *
 * Times come in as durations; nothing here reads a clock.
 * @module
 */

/** What is this old counts for 1/e. */
const MEMORY_MS = 10_000;

/** Tokens a second of work, as an exponential mean over the last seconds of it. */
export class Throughput {
  #tokens = 0;
  #ms = 0;

  add(tokens: number, ms: number): void {
    const keep = Math.exp(-ms / MEMORY_MS);
    this.#tokens = keep * this.#tokens + tokens;
    this.#ms = keep * this.#ms + ms;
  }

  /** 0 before the first reading. */
  get tokensPerSecond(): number {
    return this.#ms === 0 ? 0 : 1000 * this.#tokens / this.#ms;
  }
}

/** One micro-batch tried: its speed, or null if the device has no memory for it. */
export interface ProbeReading {
  readonly microBatch: number;
  readonly tokensPerSecond: number | null;
}

export interface Probe {
  readonly microBatch: number;
  readonly readings: readonly ProbeReading[];
}

/** A larger micro-batch must be faster by this factor, or the smaller one, which needs less memory, is kept. */
const WORTHWHILE = 1.05;

/**
 * Finds the fastest micro-batch by doubling, from 1 up to `most`, until a reading is no better or memory ends.
 * @param measure Tokens a second at a micro-batch, or null if it does not fit.
 * @throws {Error} if not even one sequence fits.
 */
export async function probeMicroBatch(
  most: number,
  measure: (microBatch: number) => Promise<number | null>,
): Promise<Probe> {
  const readings: ProbeReading[] = [];
  let best = 0, bestSpeed = 0;
  for (let microBatch = 1; microBatch <= most; microBatch *= 2) {
    const tokensPerSecond = await measure(microBatch);
    readings.push({ microBatch, tokensPerSecond });
    if (tokensPerSecond === null || tokensPerSecond < bestSpeed * WORTHWHILE) break;
    [best, bestSpeed] = [microBatch, tokensPerSecond];
  }
  if (best === 0) {
    throw new Error(
      "Cannot train this model on this device: there is no memory for one sequence; choose a smaller model or context",
    );
  }
  return { microBatch: best, readings };
}
