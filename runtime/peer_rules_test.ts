import { strict as assert } from "node:assert";
import type { Digest } from "../p2p/sync/types.ts";
import { tinyRun } from "../tests/tiny_run.ts";
import { syncRules, whyBatchTooLarge } from "./peer.ts";

const run = "a".repeat(64) as Digest, { training } = tinyRun();
const warningOf = (changes: Parameters<typeof tinyRun>[0]) => whyBatchTooLarge(syncRules(tinyRun(changes), run));

Deno.test("the protocol takes the batch policy of a run, with its ceiling in tokens", () => {
  const { batch, batching } = syncRules(tinyRun({ batching: { policy: "constant", most: 20, ceiling: 640 } }), run);
  assert.deepEqual([batch, batching], [12, { policy: "constant", most: 20, ceilingTokens: 640 }]);
});

Deno.test("a batch above the critical one is worth a warning, where the run's length is known", () => {
  // 10⁴ tokens: 512 · 22.8 · 0.01^0.47 = 1340 tokens, 41 sequences of 32.
  const short = { ...training, targetTokens: 10_000 };
  assert.equal(warningOf({ training: { ...short, batch: 41 } }), null);
  assert.match(
    warningOf({ training: { ...short, batch: 42 } })!,
    /batch is 42 sequences of 32 .* more than 41 bring little/,
  );
  assert.equal(warningOf({ training: { ...training, batch: 4096 } }), null, "an open-ended run");
  const measured = { policy: "constant", most: null, ceiling: 320 } as const;
  assert.match(warningOf({ batching: measured })!, /batch is 12 sequences .* more than 10/);
});
