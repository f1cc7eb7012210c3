/**
 * Runs the cases of one target in this thread, and measures what each of them takes.
 * @module
 */
import { getHeapStatistics, setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { chanceOf, type Probe } from "./target.ts";
import { targets } from "./targets/all.ts";

/** Cases of one target, from the first to before the last. */
export interface Batch {
  readonly target: string;
  readonly seed: number;
  readonly from: number;
  readonly to: number;
}

export interface BatchResult {
  readonly accepted: number;
  readonly inputBytes: number;
  /** Most that one case allocated, and where; a collection of garbage within a case makes it less. */
  readonly mostBytes: number;
  readonly mostAt: number;
  /** Held after the batch beyond what was held before. */
  readonly keptBytes: number;
  readonly failure: Failure | null;
}

export interface Failure {
  readonly target: string;
  readonly seed: number;
  readonly number: number;
  readonly reason: string;
}

/**
 * What one case may allocate: some for the target itself, and for each byte of its input what a decoder, a schema and
 * its complaints make of it. A length that is believed before its bytes have come takes more.
 */
const CASE_BYTES = 16 * 1024 * 1024, CASE_BYTES_PER_BYTE = 128;
/** What a batch may leave behind: caches and compiled code. */
const KEPT_BYTES = 48 * 1024 * 1024;

setFlagsFromString("--expose-gc");
const collectGarbage = runInNewContext("gc") as () => void;

/** Runs a batch to its end, or to its first failure. */
export async function runBatch({ target: name, seed, from, to }: Batch): Promise<BatchResult> {
  const target = targets.find((target) => target.name === name);
  if (target === undefined) throw new Error(`There is no target '${name}'`);
  let accepted = 0, inputBytes = 0, mostBytes = 0, mostAt = from, number = from;
  let probe: Probe | null = null;
  collectGarbage();
  const before = heldBytes();
  const end = (failure: string | null): BatchResult => {
    const keptBytes = heldBytes() - before;
    return {
      ...{ accepted, inputBytes, mostBytes, mostAt, keptBytes },
      failure: failure === null ? null : { target: name, seed, number, reason: failure },
    };
  };
  try {
    for (; number < to; number++) {
      if (probe === null || number % target.episode === 0) {
        await probe?.end?.();
        probe = await target.begin(chanceOf(name, seed, -1 - Math.floor(number / target.episode)));
      }
      const { sizeBytes, run } = probe.next(chanceOf(name, seed, number)), heldBefore = heldBytes();
      const running = run();
      accepted += Number(running instanceof Promise ? await running : running);
      const takenBytes = heldBytes() - heldBefore;
      inputBytes += sizeBytes;
      if (takenBytes > mostBytes) [mostBytes, mostAt] = [takenBytes, number];
      const most = CASE_BYTES + CASE_BYTES_PER_BYTE * sizeBytes;
      if (takenBytes > most) {
        return end(`it took ${takenBytes} bytes for ${sizeBytes}, at most ${most} are right`);
      }
    }
    await probe?.end?.();
  } catch (error) {
    return end(error instanceof Error ? error.stack ?? error.message : String(error));
  }
  probe = null;
  collectGarbage();
  const result = end(null);
  number--;
  return result.keptBytes > KEPT_BYTES ? end(`cases ${from} to ${to} left ${result.keptBytes} bytes behind`) : result;
}

function heldBytes(): number {
  const { used_heap_size, external_memory } = getHeapStatistics();
  return used_heap_size + external_memory;
}
