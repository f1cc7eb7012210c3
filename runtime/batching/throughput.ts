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
export const WORTHWHILE = 1.05;

export interface ProbeOptions {
  /** Micro-batch to begin with: where speed is expected to level off. */
  readonly first: number;
  /** Largest micro-batch of interest. */
  readonly most: number;
  /** Tokens a second at a micro-batch, or null if it does not fit. */
  measure(microBatch: number): Promise<number | null>;
  /** Whether there is time for one more. */
  mayGoOn(): boolean;
}

/**
 * Finds the fastest micro-batch: doubles from `first` while that is worthwhile; if it never was, halves while nothing
 * is lost by it. Null if not even one sequence fits.
 */
export async function probeMicroBatch({ first, most, measure, mayGoOn }: ProbeOptions): Promise<Probe | null> {
  const readings: ProbeReading[] = [];
  const read = async (microBatch: number): Promise<number> => {
    const tokensPerSecond = await measure(microBatch);
    readings.push({ microBatch, tokensPerSecond });
    return tokensPerSecond ?? 0;
  };

  let best = Math.min(first, most), speed = await read(best);
  for (let larger = 2 * best; speed > 0 && larger <= most && mayGoOn(); larger *= 2) {
    const faster = await read(larger);
    if (faster < speed * WORTHWHILE) break;
    [best, speed] = [larger, faster];
  }
  for (let smaller = best >> 1; best <= first && smaller >= 1 && (speed === 0 || mayGoOn()); smaller >>= 1) {
    const enough = await read(smaller);
    if (speed > 0 && enough * WORTHWHILE <= speed) break;
    [best, speed] = [smaller, enough];
  }
  return speed > 0 ? { microBatch: best, readings } : null;
}
