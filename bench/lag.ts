/**
 * Does training disturb the network's thread? How late a timer of the main thread comes while a learner trains, cuts,
 * folds and evaluates the demo's model in its own threads.
 * @module
 */
import { openLearner } from "../runtime/learner.ts";
import { presets } from "../runtime/presets.ts";
import { tinyRun } from "../tests/tiny_run.ts";
import type { Bench, BenchLine } from "./line.ts";

const TICK_MS = 10, BOX_MS = 2000, BOXES = 3;

export const lagBench: Bench = {
  name: "lag",
  question: "how late do timers of the main thread come while a peer trains the demo's model?",
  async *run(): AsyncIterable<BenchLine> {
    const { model, training, outer } = presets.demo;
    await using learner = await openLearner({ config: tinyRun({ model, training, outer }), device: "cpu" });
    let weights = await learner.initial(), tokens = 0;
    const { lags, stop } = watch();
    for (let round = 1; round <= BOXES; round++) {
      const ranges = [{ start: round * 10_000, end: (round + 1) * 10_000 }];
      learner.train({ round, weights, tokens, ranges, batch: 8, roundMs: BOX_MS });
      await learner.evaluate(weights);
      await new Promise((resolve) => setTimeout(resolve, BOX_MS));
      const contribution = await learner.contribute();
      if (contribution.bytes === null) continue;
      weights = await learner.fold({ parent: weights, parts: [{ bytes: contribution.bytes, weight: 1 }] });
      tokens += contribution.tokens;
    }
    stop();
    lags.sort((a, b) => a - b);
    const at = (share: number) => Number(lags[Math.floor(share * (lags.length - 1))]!.toFixed(2));
    yield {
      name: "lag of the main thread",
      device: learner.device,
      tokens,
      p50Ms: at(0.5),
      p99Ms: at(0.99),
      mostMs: at(1),
    };
  },
};

/** Notes how much later than asked for each tick comes. */
function watch(): { readonly lags: number[]; stop(): void } {
  const lags: number[] = [];
  let lastMs = performance.now();
  const timer = setInterval(() => {
    const nowMs = performance.now();
    lags.push(nowMs - lastMs - TICK_MS);
    lastMs = nowMs;
  }, TICK_MS);
  return { lags, stop: () => clearInterval(timer) };
}
