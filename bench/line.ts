/**
 * A line of a benchmark's result: plain data, one JSON object. Names and units stand in the keys.
 * @module
 */

/** `name` says what was measured, `device` on what; the rest are figures (`gflops`, `tokensPerSecond`, `ms`, …). */
export type BenchLine = { readonly name: string } & Readonly<Record<string, string | number | boolean | null>>;

/** One question, answered by running it. */
export interface Bench {
  readonly name: string;
  readonly question: string;
  run(): AsyncIterable<BenchLine>;
}
