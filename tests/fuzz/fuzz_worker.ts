/**
 * Runs batches in a thread of its own, one at a time, as `fuzz.ts` asks.
 * @module
 */
/// <reference lib="deno.worker" />
import { type Batch, runBatch } from "./run_cases.ts";

declare const self: DedicatedWorkerGlobalScope;

self.onmessage = async ({ data }: MessageEvent<Batch>) => self.postMessage(await runBatch(data));
