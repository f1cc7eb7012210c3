/**
 * A further thread of the cpu device. It alternates between two states: at its event loop, waiting for a message from
 * the pool, and inside `serve`, asleep or at work on programs, where no message reaches it.
 * @module
 */
/// <reference lib="deno.worker" />
import { openBlas } from "./blas.ts";
import type { FromWorker, ToWorker } from "./cpu_pool.ts";
import { Thread } from "./cpu_threads.ts";

let thread: Thread | undefined;

self.onmessage = ({ data }: MessageEvent<ToWorker>) => {
  if (data.kind === "open") {
    const { blas, memory } = data;
    thread = new Thread({ ...data, sgemm: blas === null ? null : openBlas(blas).over(new Uint8Array(memory.buffer)) });
  } else {
    thread!.link(data.module, data.names);
  }
  self.postMessage({ kind: "ready" } satisfies FromWorker);
  thread!.serve();
};
