/**
 * Runs seeds in a thread of its own, one at a time, as `seeds.ts` asks.
 * @module
 */
/// <reference lib="deno.worker" />
import { runSeed, type SeedOptions } from "./run_seed.ts";

declare const self: DedicatedWorkerGlobalScope;

self.onmessage = ({ data }: MessageEvent<SeedOptions>) => self.postMessage(runSeed(data));
