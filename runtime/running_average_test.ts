import { strict as assert } from "node:assert";
import { tinyRun } from "../tests/tiny_run.ts";
import { joinBytes, memoryReader } from "./folder.ts";
import { RunningAverage } from "./running_average.ts";
import { readEwa } from "./state/ewa_bytes.ts";
import type { Pieces } from "./state/sealed.ts";
import type { FoldPort, WeightsBytes } from "./worker/messages.ts";
import type { Remote } from "./worker/remote.ts";

const WORDS = 64, config = tinyRun();
const state = (tokens: number) => ({ tokens, globalBatch: 4, lineage: { leading: 0 } });

/** A fold thread whose averages are the number of moves so far, in every value. */
function counting() {
  let moves = 0;
  const folding = {
    call(_name: string, { average }: { readonly average: WeightsBytes }) {
      new Float32Array(average.buffer).fill(++moves);
      return Promise.resolve();
    },
    terminate() {},
  } as unknown as Remote<FoldPort>; // the average asks nothing else of it
  return { average: new RunningAverage({ config, words: WORDS, folding }), moves: () => moves };
}
const weights = new Uint8Array(new SharedArrayBuffer(0)); // which this fold thread does not look at

Deno.test("an average is saved as it was when its turn came, and only the newest state waits meanwhile", async () => {
  const { average, moves } = counting(), settled: number[] = [], batchTokens = 4 * config.model.contextLength;
  await average.take(weights, state(10 * batchTokens));
  const writing = Promise.withResolvers<void>();
  const saving = average.save(async (pieces: Pieces) => {
    await writing.promise;
    return joinBytes(await Array.fromAsync(pieces));
  });
  const takes = [20, 30, 40].map((steps) =>
    average.take(weights, state(steps * batchTokens)).then(() => void settled.push(steps))
  );
  for (let i = 0; i < 20; i++) await Promise.resolve();
  assert.deepEqual([settled, moves()], [[20, 30], 1], "they need not be held any longer");
  writing.resolve();
  const values = new Float32Array(WORDS), read = await readEwa(memoryReader((await saving)!), values);
  await Promise.all(takes);
  assert.ok(read.ok);
  assert.deepEqual([read.progress.steps, values[0], moves()], [10, 1, 2]);
  const after = await average.save(async (pieces) => joinBytes(await Array.fromAsync(pieces)));
  const again = await readEwa(memoryReader(after!), values);
  assert.ok(again.ok);
  assert.deepEqual([again.progress.steps, values[0]], [40, 2], "the steps of those that were left out count");
});

Deno.test("an average goes on after a save that failed", async () => {
  const { average, moves } = counting();
  await average.take(weights, state(1000));
  await assert.rejects(average.save(() => Promise.reject(new Error("the disk is full"))), /the disk is full/);
  await average.take(weights, state(2000));
  assert.equal(moves(), 2);
});
