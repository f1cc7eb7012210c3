import { strict as assert } from "node:assert";
import type { Context } from "./context.ts";
import type { Effect } from "./effects.ts";
import { Loading } from "./loading.ts";
import type { Digest, PeerId } from "./types.ts";

const RETRY_MS = 1_000;
const record = "record" as Digest, weights = { digest: "weights" as Digest, sizeBytes: 4 };
const mates = Array.from({ length: 20 }, (_, i) => `mate ${String(i).padStart(2, "0")}` as PeerId);

/** Wants the weights at each of these moments, and hears each time that nobody had them: who was asked. */
function inVain(loading: Loading, moments: readonly number[]): readonly (readonly PeerId[])[] {
  return moments.map((now) => {
    const effects: Effect[] = [];
    const context = { now, emit: (effect: Effect) => effects.push(effect) } as unknown as Context; // what loading uses
    loading.want(context, record, { weights, sets: 1, from: mates });
    if (effects.length > 0) assert.equal(loading.answered(context, weights.digest, RETRY_MS)?.record, record);
    return effects.flatMap((effect) => effect.kind === "load" ? effect.from : []);
  });
}

Deno.test("Loading asks others each time when nobody had the weights, and so in a few tries everybody who may have them", () => {
  const loading = new Loading(), asked = inVain(loading, [1_000, 2_000, 3_000]);
  assert.deepEqual(asked.map((peers) => peers.length), [8, 8, 8]);
  assert.deepEqual(mates.filter((peer) => !asked.flat().includes(peer)), []);
});

Deno.test("Loading asks again after a while only, and says when", () => {
  const loading = new Loading(), [first, tooSoon] = inVain(loading, [1_000, 1_999]);
  assert.equal(first!.length, 8);
  assert.deepEqual(tooSoon, []);
  assert.equal(loading.deadline(1_999), 2_000);
});
