/**
 * Runs batches in a thread of its own, one at a time, as `fuzz.ts` asks. What runs them is loaded with the first: some
 * targets wait for their samples, and a message that comes before there is a handler would be lost.
 * @module
 */
/// <reference lib="deno.worker" />
import type { Batch } from "./run_cases.ts";

declare const self: DedicatedWorkerGlobalScope;

self.onmessage = async ({ data }: MessageEvent<Batch>) => {
  const { runBatch } = await import("./run_cases.ts");
  self.postMessage(await runBatch(data));
};
