/**
 * Do averaged weights learn more? One peer trains at a constant rate and along a cosine; after every 21 steps, a round, its
 * weights go into the average that a peer keeps, and in the end both are judged.
 *
 * Each schedule shows with its best learning rate, once by its newest weights and once by their average. The grid has two
 * smaller rates than that of the other benchmarks: without a schedule the newest weights want them.
 * @module
 */
import { openRunText } from "../runtime/data/run_text.ts";
import { bytesTokenizer } from "../runtime/data/tokenizer.ts";
import { openDevice } from "../runtime/device/open.ts";
import { Workbench } from "../runtime/experiment/workbench.ts";
import { initialWeights } from "../runtime/model/parameters.ts";
import { EWA_DECAY, type EwaProgress, ewaUpdate, moveAverage } from "../runtime/state/ewa.ts";
import { stepSettings } from "../runtime/train/schedule.ts";
import type { Trainer } from "../runtime/train/trainer.ts";
import type { Bench, BenchLine } from "./line.ts";
import { deviationOf, differenceOf, meanOf } from "./proof/compare.ts";
import { rounded } from "./proof/proof_bench.ts";
import { LEARNING_RATES, proofRun, SEEDS, TOKENS } from "./proof/setting.ts";

const BATCH = 8, ROUND_STEPS = 21;
const RATES = [1e-3, 2e-3, ...LEARNING_RATES] as const;

/** Held-out losses of one training. */
interface Judged {
  readonly newest: number;
  readonly average: number;
}

type Weights = keyof Judged;

export const ewaBench: Bench = {
  name: "ewa",
  question: "do averaged weights learn more than the newest ones?",
  async *run({ quick = false }) {
    const seeds = quick ? SEEDS.slice(0, 1) : SEEDS;
    const { data } = proofRun({ seed: 1, learningRate: RATES[0], batch: BATCH });
    const openBlob = () => Promise.reject(new Error("This text has no blobs"));
    const text = await openRunText(data, { tokenizer: bytesTokenizer(), openBlob });
    const { device } = await openDevice("cpu", { threads: 1 });
    await using _ = device;
    await using bench = new Workbench({ device, text, seed: 1, onWarning: (message) => console.error(message) });
    for (const schedule of ["constant", "cosine"] as const) {
      const byRate = new Map<number, readonly Judged[]>();
      for (const rate of RATES) {
        const judged: Judged[] = [];
        for (const seed of seeds) judged.push(await train(bench, { schedule, seed, rate }));
        byRate.set(rate, judged);
      }
      yield* linesOf(schedule, byRate);
    }
  },
};

async function train(bench: Workbench, { schedule, seed, rate }: {
  readonly schedule: "constant" | "cosine";
  readonly seed: number;
  readonly rate: number;
}): Promise<Judged> {
  const { model, training } = proofRun({ seed, learningRate: rate, batch: BATCH });
  const config = { ...training, schedule }, batchTokens = BATCH * model.contextLength;
  const trainer = await bench.trainer(model, BATCH), average = new Float32Array(trainer.layout.words);
  trainer.writeWeights(initialWeights(model, seed));
  let progress: EwaProgress | null = null;
  for (let step = 1; step * batchTokens <= TOKENS; step++) {
    const windows = bench.windows(model, { seed, first: (step - 1) * BATCH, count: BATCH }),
      tokens = step * batchTokens;
    trainer.step(windows, stepSettings(config, { tokens, globalBatch: BATCH }));
    if (step % ROUND_STEPS !== 0 && tokens + batchTokens <= TOKENS) continue;
    const update = ewaUpdate(progress, { tokens, batchTokens, decay: EWA_DECAY });
    progress = update.progress;
    moveAverage(average, await trainer.readWeights(), update.share);
  }
  const heldOut = bench.heldOut(model);
  return { newest: await lossOf(trainer, heldOut), average: await lossOf(trainer, heldOut, average) };
}

async function lossOf(trainer: Trainer, heldOut: readonly Uint32Array[], weights?: Float32Array): Promise<number> {
  const { lossSum, tokens } = await trainer.evaluate(heldOut, weights);
  return lossSum / tokens;
}

function* linesOf(schedule: string, byRate: ReadonlyMap<number, readonly Judged[]>): Iterable<BenchLine> {
  const best = (weights: Weights) => {
    const all = [...byRate].map(([rate, judged]) => ({ rate, losses: judged.map((found) => found[weights]) }));
    return all.reduce((best, one) => meanOf(one.losses) < meanOf(best.losses) ? one : best);
  };
  const newest = best("newest"), average = best("average"), rates = [...byRate.keys()];
  const edges = [Math.min(...rates), Math.max(...rates)];
  for (const [weights, { rate, losses }] of [["newest", newest], ["average", average]] as const) {
    const { mean, within, verdict } = differenceOf(losses, newest.losses);
    yield {
      name: `${schedule} rate, ${weights} weights`,
      seeds: losses.length,
      learningRate: rate,
      isAtEdge: edges.includes(rate),
      loss: rounded(meanOf(losses)),
      deviation: rounded(deviationOf(losses)),
      ...(weights === "newest" ? {} : {
        difference: rounded(mean),
        within: within === null ? null : rounded(within),
        verdict,
      }),
    };
  }
}
