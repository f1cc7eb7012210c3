import { strict as assert } from "node:assert";
import { contentIn, type TrainOrder } from "../p2p/learner.ts";
import type { Digest } from "../p2p/sync/types.ts";
import { testLearner } from "../tests/conformance/learner.ts";
import { openStubLearner } from "../tests/stub_learner.ts";
import { tinyRun } from "../tests/tiny_run.ts";
import { openLearner } from "./learner.ts";
import { joinBytes, memoryReader } from "./folder.ts";
import { readEwa } from "./state/ewa_bytes.ts";
import type { Pieces } from "./state/sealed.ts";
import { weightsLayout } from "./state/weights.ts";
import type { LearnerEvent } from "./worker/messages.ts";

async function firstOf(pieces: Pieces): Promise<number> {
  for await (const { length } of pieces) return length;
  return 0;
}

const inOne = async (pieces: Pieces) => joinBytes(await Array.fromAsync(pieces));

async function averageIn(file: Uint8Array, words: number) {
  const average = new Float32Array(words), read = await readEwa(memoryReader(file), average);
  assert.ok(read.ok);
  return { ...read, average };
}

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
    assert.equal(await learner.checkpoint(inOne), null);
    learner.train({
      round: 1,
      weights: await learner.initial(),
      lineage: { at: 0, from: [0], hosted: [0], leading: 0 },
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
    assert.ok((await learner.checkpoint(firstOf))! > 32, "a taker may stop in the middle");
    await assert.rejects(learner.checkpoint(() => Promise.reject(new Error("the disk is full"))), /the disk is full/);
    saved = (await learner.checkpoint(inOne))!;
  }
  {
    await using learner = await open(saved.slice());
    assert.deepEqual(await learner.checkpoint(inOne), saved);
  }
  assert.ok(!events.some(({ kind }) => kind === "warning"));
  saved[100]! ^= 1;
  {
    await using learner = await open(saved.slice());
    assert.equal(await learner.checkpoint(inOne), null);
  }
  const warning = events.find((event) => event.kind === "warning");
  assert.match(warning!.message, /Cannot take up training where it ended: .*checksum/);
});

Deno.test("a learner averages the weights of its orders by their steps, and goes on with that after a restart", async () => {
  const config = tinyRun(),
    { contextLength } = config.model,
    globalBatch = 4,
    batchTokens = globalBatch * contextLength;
  const open = (average?: Uint8Array) =>
    openLearner({
      ...{ config, device: "cpu", threads: 1, microBatch: 4 },
      ...(average === undefined ? {} : { average: memoryReader(average) }),
    });
  const order = (weights: Digest, tokens: number): TrainOrder => ({
    ...{ round: 1, weights, tokens, ranges: [], batch: 4, globalBatch, roundMs: 1000 },
    ...{ measure: { every: 0, sketch: false }, encoding: { codec: "int8", kept: 4096 } },
    lineage: { at: 0, from: [0], hosted: [0], leading: 0 },
  });
  const { parameterWords: words } = weightsLayout(config);
  const parametersIn = (bytes: Uint8Array<ArrayBuffer>) => new Float32Array(bytes.buffer, bytes.length - 4 * words);
  let saved: Uint8Array<ArrayBuffer>, weights: Uint8Array<ArrayBuffer>, third: Uint8Array<ArrayBuffer>;
  {
    await using learner = await open();
    const first = await learner.initial();
    learner.train(order(first, 0));
    assert.equal(await learner.average(inOne), null, "the weights that a run begins with are no result");
    weights = (await learner.save(first, (bytes) => Promise.resolve(new Uint8Array(bytes))))!;
    learner.train(order(first, 1_000 * batchTokens));
    saved = (await learner.average(inOne))!;
  }
  const before = await averageIn(saved, words);
  assert.deepEqual(before.average, parametersIn(weights));
  assert.equal(before.progress.steps, 1_000);
  {
    await using learner = await open(saved);
    third = weights.slice();
    parametersIn(third)[0]! += 1;
    learner.train(order(await learner.load(contentIn(third)), 1_010 * batchTokens));
    const after = await averageIn((await learner.average(inOne))!, words);
    // Ten steps, with a horizon of a tenth of 1,010: 1 − (1 − 1/101)¹⁰ of the way, as the mass is nearly 1.
    const moved = after.average[0]! - before.average[0]!;
    assert.ok(Math.abs(moved - (1 - (1 - 1 / 101) ** 10)) < 1e-4, String(moved));
  }
});

Deno.test("a learner whose average is damaged says so and begins another", async () => {
  const events: LearnerEvent[] = [];
  await using learner = await openLearner({
    ...{ config: tinyRun(), device: "cpu", threads: 1, microBatch: 4, average: memoryReader(new Uint8Array(100)) },
    onEvent: (event) => events.push(event),
  });
  assert.equal(await learner.average(inOne), null);
  const warning = events.find((event) => event.kind === "warning");
  assert.match(warning!.message, /Cannot go on with the average of weights: .*version 1 or 2. It starts anew/);
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
