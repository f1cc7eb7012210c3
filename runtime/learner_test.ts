import { strict as assert } from "node:assert";
import { testLearner } from "../tests/conformance/learner.ts";
import { openStubLearner } from "../tests/stub_learner.ts";
import { tinyRun } from "../tests/tiny_run.ts";
import { openLearner } from "./learner.ts";
import type { LearnerEvent } from "./worker/messages.ts";

testLearner({ name: "stub", open: () => Promise.resolve(openStubLearner()) });

testLearner({
  name: "on the cpu device",
  open: () => openLearner({ config: tinyRun(), device: "cpu", threads: 1, microBatch: 4 }),
});

Deno.test("a learner says how noisy its gradients were, goes on with its optimizer after a restart, and reports damage", async () => {
  const events: LearnerEvent[] = [], config = tinyRun();
  const open = (checkpoint?: Uint8Array<ArrayBuffer>) =>
    openLearner({
      config,
      device: "cpu",
      threads: 1,
      microBatch: 4,
      onEvent: (event) => events.push(event),
      ...(checkpoint === undefined ? {} : { checkpoint }),
    });
  let saved: Uint8Array<ArrayBuffer>;
  {
    await using learner = await open();
    assert.equal(await learner.checkpoint(), null);
    learner.train({
      round: 1,
      weights: await learner.initial(),
      tokens: 0,
      ranges: [{ start: 0, end: 8 }],
      batch: 4,
      globalBatch: 4,
      measure: { every: 2, sketch: true },
      encoding: { codec: "int8", kept: 4096 },
      roundMs: 1000,
    });
    while (!events.some((event) => event.kind === "waiting" && event.round === 1)) await turn();
    const { noise } = await learner.contribute();
    assert.equal(noise!.tests, 1); // of two steps
    assert.ok(noise!.variance > 0 && noise!.sketch!.codes.some((code) => code !== 0));
    saved = (await learner.checkpoint())!;
  }
  {
    await using learner = await open(saved);
    assert.deepEqual(await learner.checkpoint(), saved);
  }
  assert.ok(!events.some(({ kind }) => kind === "warning"));
  saved[100]! ^= 1;
  {
    await using learner = await open(saved);
    assert.equal(await learner.checkpoint(), null);
  }
  const warning = events.find((event) => event.kind === "warning");
  assert.match(warning!.message, /Cannot take up training where it ended: .*checksum/);
});

Deno.test("a learner whose device, data or throttle is wrong does not open, and leaves nothing running", async () => {
  const config = tinyRun();
  await assert.rejects(openLearner({ config, percent: 0 }), /Cannot throttle to 0 %/);
  await assert.rejects(
    openLearner({ config: tinyRun({ data: { kind: "embedded", digest: "0".repeat(64) } }), device: "cpu" }),
    /Cannot open the embedded text/,
  );
  await assert.rejects(
    openLearner({
      config: tinyRun({ data: { kind: "shards", shards: [{ blob: "1".repeat(64), sizeBytes: 42, tokenCount: 9 }] } }),
      device: "cpu",
    }),
    /blob 1{64} is not here/,
  );
});

const turn = () => new Promise<void>((resolve) => setTimeout(resolve, 5));
