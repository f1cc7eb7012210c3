/**
 * A further thread of a fold: does items of the tasks that `fold_threads.ts` tells it, and keeps nothing but the parts
 * that they are about.
 * @module
 */
/// <reference lib="deno.worker" />
import { anyCodec } from "../state/codec/codecs.ts";
import type { EncodedVector } from "../state/codec/codec.ts";
import { workOf } from "../state/fold_tasks.ts";
import { simdLoops } from "../state/simd_loops.ts";
import type { ToHelper } from "./fold_threads.ts";
import { takeItems } from "./shared_items.ts";

let vectors: () => readonly (EncodedVector | null)[];
const loops = simdLoops();

self.onmessage = ({ data }: MessageEvent<ToHelper>) => {
  if (data.kind === "parts") {
    const { bytes, length } = data;
    let opened: readonly (EncodedVector | null)[] | undefined;
    vectors = () =>
      opened ??= bytes.map((one) => {
        const part = anyCodec.open(one, length);
        return part.ok ? part.vector : null;
      });
  } else {
    takeItems(data.counter, () => workOf(data.task, { vectors: vectors(), loops }));
  }
};

self.postMessage("ready");
