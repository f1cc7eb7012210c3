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

let vectorAt: (part: number) => EncodedVector;
const loops = simdLoops();

self.onmessage = ({ data }: MessageEvent<ToHelper>) => {
  if (data.kind === "parts") vectorAt = openerOf(data);
  else takeItems(data.counter, () => workOf(data.task, { vectorAt, loops }));
};

/** Opens a part when it is first asked for: to open all before the first item would take the time of another one. */
function openerOf({ bytes, length }: Extract<ToHelper, { kind: "parts" }>): typeof vectorAt {
  const opened: EncodedVector[] = [];
  return (part) => {
    const known = opened[part];
    if (known !== undefined) return known;
    const found = anyCodec.open(bytes[part]!, length);
    if (!found.ok) throw new Error(`Cannot fold part ${part}: it ${found.reason}, and did not when it was judged`);
    return opened[part] = found.vector;
  };
}

self.postMessage("ready");
