/**
 * The harness itself: what its time means, and that a run depends on nothing but its description.
 * @module
 */
import { strict as assert } from "node:assert";
import type { HostEvent } from "../../p2p/host_event.ts";
import type { TrainOrder } from "../../p2p/learner.ts";
import { firstWindows } from "../../p2p/sync/ranges.ts";
import type { Digest, Offer } from "../../p2p/sync/types.ts";
import { openCorpus } from "../../runtime/data/corpus.ts";
import { markovTokens } from "../../runtime/data/markov.ts";
import { windowAt } from "../../runtime/data/order.ts";
import { openCpuDevice } from "../../runtime/device/cpu.ts";
import { initialWeights } from "../../runtime/model/parameters.ts";
import { readWeights, weightsLayout } from "../../runtime/state/weights.ts";
import { openTrainer } from "../../runtime/train/trainer.ts";
import { tinyRun } from "../tiny_run.ts";
import { type LineOptions, openDrivenFlock } from "./driven_flock.ts";

const BOX_MS = 10_000, ROUNDS = 6;
const { model, training, outer } = tinyRun();
const config = tinyRun({
  model: { ...model, vocabularySize: 16, contextLength: 16, layerCount: 1, width: 16, hiddenWidth: 64 },
  data: { kind: "markov", seed: 3, symbolCount: 16, tokenCount: 100_000 },
  training: { ...training, batch: 12 },
  outer: { ...outer, codec: "int8" },
  rounds: { firstMs: BOX_MS, leastMs: BOX_MS, longestMs: BOX_MS },
});

interface RunOptions {
  readonly tokensPerSecond: readonly number[];
  readonly stepMs?: number;
  readonly largestMicroBatch?: number;
  readonly line?: LineOptions;
  readonly alter?: (order: TrainOrder) => TrainOrder;
}

/** The rounds of a short run as the first peer was told of them, each with its moment. */
async function shortRun({ tokensPerSecond, stepMs = 0, line, alter, ...machine }: RunOptions) {
  const rounds: { event: Extract<HostEvent, { kind: "round" }>; ms: number }[] = [];
  let now = () => 0;
  await using flock = await openDrivenFlock({
    config,
    speeds: tokensPerSecond.map((tokensPerSecond) => ({ tokensPerSecond, stepMs, ...machine })),
    ...(line && { line }),
    ...(alter && { alter }),
    onEvent: (event, n) => n === 0 && event.kind === "round" && rounds.push({ event, ms: now() }),
  });
  now = () => flock.clock.now();
  await flock.runUntil(`round ${ROUNDS}`, () => rounds.at(-1)?.event.round === ROUNDS, 100 * BOX_MS);
  return rounds;
}

/** Of the last round, the fastest first. */
function lastOffers(rounds: Awaited<ReturnType<typeof shortRun>>): readonly Offer[] {
  return rounds.at(-1)!.event.counted.map(({ offer }) => offer).sort((a, b) => b.speed - a.speed);
}

Deno.test("a driven run ends in the same state whenever it is run", async () => {
  const [one, other] = [
    await shortRun({ tokensPerSecond: [960, 240] }),
    await shortRun({ tokensPerSecond: [960, 240] }),
  ];
  assert.equal(one.at(-1)!.event.tokens > 0, true);
  assert.deepEqual(one, other);
});

Deno.test("driven peers fill their boxes with what their speeds allow, and nobody waits", async () => {
  const rounds = await shortRun({ tokensPerSecond: [1280, 640, 320, 160] }), offers = lastOffers(rounds);
  assert.deepEqual(offers.map(({ speed }) => Math.round(speed)), [1280, 640, 320, 160]);
  for (const { speed, tokens, idleMs } of offers) {
    assert.ok(Math.abs(tokens / (speed * BOX_MS / 1000) - 1) < 0.05, `${tokens} tokens at ${speed} a second`);
    assert.equal(idleMs, 0);
  }
  const batches = offers.map(({ batch }) => batch);
  assert.deepEqual(batches, [6, 3, 2, 1], "local batches follow speed");
});

Deno.test("a driven peer accumulates what does not fit at once", async () => {
  const [offer] = lastOffers(await shortRun({ tokensPerSecond: [960], largestMicroBatch: 4 }));
  assert.deepEqual([offer!.batch, offer!.microBatch], [12, 4]);
});

Deno.test("a step that costs time besides its tokens leaves room for fewer", async () => {
  const [offer] = lastOffers(await shortRun({ tokensPerSecond: [1920], stepMs: 100 })); // 12 · 16 tokens take 100 ms
  assert.ok(Math.abs(offer!.steps - 50) <= 1, `${offer!.steps} steps of 200 ms`);
});

Deno.test("a step in hand is done to its end, and the contribution comes that much later", async () => {
  const alter = (order: TrainOrder) => ({ ...order, batch: 12 }); // 12 · 16 tokens take 3 s
  const rounds = await shortRun({ tokensPerSecond: [64], alter });
  const [offer] = lastOffers(rounds);
  assert.equal(offer!.steps, 4);
  assert.equal(rounds.at(-1)!.ms - rounds.at(-2)!.ms, 12_000);
});

Deno.test("a driven flock closes while a contribution waits for the end of a step", async () => {
  let isAsked = false;
  await using flock = await openDrivenFlock({
    config,
    speeds: [{ tokensPerSecond: 16, stepMs: 0 }],
    alter: (order) => ({ ...order, batch: 12 }), // steps of 12 s in a box of 10
    dress: ({ learner, transport }) => ({
      transport,
      learner: {
        ...learner,
        contribute() {
          isAsked = true;
          return learner.contribute();
        },
      },
    }),
  });
  await flock.runUntil("the box ends", () => isAsked, 100 * BOX_MS);
});

Deno.test("a driven peer without data waits for the end of its box, and says so", async () => {
  const rounds = await shortRun({
    tokensPerSecond: [1920],
    alter: (order) => ({ ...order, ranges: firstWindows(order.ranges, 25 * order.batch) }),
  });
  const [offer] = lastOffers(rounds);
  assert.equal(offer!.steps, 25);
  assert.equal(offer!.computeMs, 2500);
  assert.equal(offer!.idleMs, BOX_MS - 2500);
});

Deno.test("contributions take the time that lines take, and training goes on meanwhile", async () => {
  const rounds = await shortRun({ tokensPerSecond: [480, 480], line: { bitsPerSecond: 1e6, delayMs: 100 } });
  const between = rounds.at(-1)!.ms - rounds.at(-2)!.ms;
  assert.ok(between > BOX_MS + 200 && between < BOX_MS + 1000, `${between} ms from one record to the next`);
  for (const { idleMs, waitMs } of lastOffers(rounds)) {
    assert.ok(waitMs >= 200, `it waited ${waitMs} ms for the record`);
    assert.equal(idleMs, 0);
  }
});

Deno.test("the rounds of one driven peer with f32 contributions change nothing: it is plain AdamW", async () => {
  const alone = tinyRun({
    ...config,
    training: { ...config.training, warmupTokens: 0 }, // at a constant rate
    outer: { ...config.outer, codec: "f32" },
  });
  const states: { tokens: number; weights: Digest }[] = [];
  await using flock = await openDrivenFlock({
    config: alone,
    speeds: [{ tokensPerSecond: 480, stepMs: 0 }], // 25 steps in a box
    onEvent: (event) => event.kind === "round" && event.gained > 0 && states.push(event),
  });
  await flock.runUntil("four boxes are counted", () => states.length === 4, 100 * BOX_MS);

  const { model, seed, training: { learningRate: rate, beta1, beta2, epsilon, weightDecay: decay, clip } } = alone;
  assert.ok(alone.data.kind === "markov");
  const { train } = openCorpus(markovTokens(alone.data), model), begun = initialWeights(model, seed);
  await using device = await openCpuDevice({ threads: 1 });
  await using trainer = await openTrainer({ device, model, microBatch: 6, outer: false });
  trainer.writeWeights(begun);
  const apart: number[] = [];
  for (const { tokens, weights } of states) {
    while (trainer.stepCount < tokens / 12 / model.contextLength) {
      const windows = Array.from({ length: 12 }, (_, i) => {
        const window = new Uint32Array(model.contextLength + 1);
        train.read(windowAt(12 * trainer.stepCount + i, { seed, windowCount: train.windowCount }), window);
        return window;
      });
      trainer.step(windows, { rate, beta1, beta2, epsilon, decay, clip });
    }
    const wanted = await trainer.readWeights();
    const found = await flock.seats[0]!.learner.save(
      weights,
      (bytes) => Promise.resolve(readWeights(bytes, weightsLayout(alone)).sets[0]!.parameters),
    );
    apart.push(distance(found!, wanted) / distance(begun, wanted));
  }
  assert.ok(apart[0]! < 2 ** -23, `after one fold: ${apart}`); // anchor − (anchor − local) is rounded twice
  assert.ok(apart[3]! < 1e-3, `after four: ${apart}`); // that, grown in 75 steps of a rate so high: 6e-5
});

/** Euclidean. */
function distance(a: Float32Array, b: Float32Array): number {
  return Math.sqrt(a.reduce((sum, value, i) => sum + (value - b[i]!) ** 2, 0));
}
