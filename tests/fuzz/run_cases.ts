/**
 * Runs the cases of one target in this process, and measures what each of them takes and what they leave behind.
 * @module
 */
import { getHeapStatistics, setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { chanceOf, type Target } from "./target.ts";

/** Some cases, from the first, which begins an episode, to before the last. */
export interface Cases {
  readonly seed: number;
  readonly from: number;
  readonly to: number;
}

/** Cases of one target. */
export interface Batch extends Cases {
  readonly target: string;
}

export interface BatchResult {
  readonly accepted: number;
  readonly inputBytes: number;
  /** Most that one case allocated, and where; a collection of garbage within a case makes it less. */
  readonly mostBytes: number;
  readonly mostAt: number;
  /** Held after the batch beyond what was held before the first batch of its target in this process. */
  readonly keptBytes: number;
  /** All that the process holds. */
  readonly residentBytes: number;
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
/** What all batches of a target may leave behind in a process: caches and compiled code. */
const KEPT_BYTES = 48 * 1024 * 1024;

setFlagsFromString("--expose-gc");
const collectGarbage = runInNewContext("gc") as () => void;
/** What was held before the first batch of each target. */
const heldBefore = new Map<Target, number>();

/** Runs cases to their end, or to the first failure. */
export async function runCases(target: Target, { seed, from, to }: Cases): Promise<BatchResult> {
  const { name, episode } = target;
  let accepted = 0, inputBytes = 0, mostBytes = 0, mostAt = from, number = from;
  collectGarbage();
  const before = heldBefore.get(target) ?? heldBytes();
  heldBefore.set(target, before);
  const end = (failure: string | null): BatchResult => ({
    ...{ accepted, inputBytes, mostBytes, mostAt, keptBytes: heldBytes() - before },
    residentBytes: Deno.memoryUsage().rss,
    failure: failure === null ? null : { target: name, seed, number, reason: failure },
  });
  try {
    for (let start = from; start < to; start += episode) {
      const probe = await target.begin(chanceOf(name, seed, -1 - start / episode)),
        stop = Math.min(to, start + episode);
      for (number = start; number < stop; number++) {
        const { sizeBytes, run } = probe.next(chanceOf(name, seed, number)), beforeCase = heldBytes();
        const running = run();
        accepted += Number(running instanceof Promise ? await running : running);
        const takenBytes = heldBytes() - beforeCase;
        inputBytes += sizeBytes;
        if (takenBytes > mostBytes) [mostBytes, mostAt] = [takenBytes, number];
        const most = CASE_BYTES + CASE_BYTES_PER_BYTE * sizeBytes;
        if (takenBytes > most) {
          return end(`it took ${takenBytes} bytes for ${sizeBytes}, at most ${most} are right`);
        }
      }
      number--; // to run the last one again runs its whole episode
      await probe.end?.();
    }
  } catch (error) {
    return end(error instanceof Error ? error.stack ?? error.message : String(error));
  }
  collectGarbage();
  const result = end(null);
  return result.keptBytes > KEPT_BYTES
    ? end(`cases up to ${to} left ${result.keptBytes} bytes behind, at most ${KEPT_BYTES} are right`)
    : result;
}

function heldBytes(): number {
  const { used_heap_size, external_memory } = getHeapStatistics();
  return used_heap_size + external_memory;
}
