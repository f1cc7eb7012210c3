/**
 * Does the critical batch follow the data, and not the size, on models that fit a minute? The protocol of `starling cbs`
 * on some ten thousand parameters: B* against the data on a Markov source and on the embedded text, against width and
 * depth at equal data, three seeds each, with the rate tuned at every batch. One thread, some twenty-five minutes of a core.
 * @module
 */
import { createRun } from "../runtime/create_run.ts";
import { openRunText } from "../runtime/data/run_text.ts";
import { bytesTokenizer } from "../runtime/data/tokenizer.ts";
import { openDevice } from "../runtime/device/open.ts";
import { type CbsOptions, planCbs, type Varied } from "../runtime/experiment/cbs_plan.ts";
import { type CbsAnswer, type CbsReport, deviationOf, reportCbs } from "../runtime/experiment/cbs_report.ts";
import { Dealer } from "../runtime/experiment/dealer.ts";
import { runSweep } from "../runtime/experiment/sweep.ts";
import { SweepFile } from "../runtime/experiment/sweep_file.ts";
import { Workbench } from "../runtime/experiment/workbench.ts";
import { memoryFolder } from "../runtime/folder.ts";
import { realClock } from "../runtime/worker/clock.ts";
import { MemoryBlobStore } from "../p2p/store/memory.ts";
import { tinyRun } from "../tests/tiny_run.ts";
import type { Bench, BenchLine } from "./line.ts";

type Run = CbsOptions["run"];

interface Question {
  readonly source: string;
  readonly run: Run;
  /** Of the reference, where they are not varied; the most where they are. */
  readonly tokens: number;
  readonly what: Varied;
  readonly values: readonly number[];
}

const SEEDS = 3, RATES = [0.5, 1, 2];
const BATCHES = [1, 2, 4, 8, 16, 32, 64, 128], REFERENCE = 1;
const DATA = [1 / 8, 1 / 4, 1 / 2, 1], SIZES = [0.5, 1, 2];

export const cbsBench: Bench = {
  name: "cbs",
  question: "does the critical batch follow the data, or the size of the model?",
  async *run({ seed = 1 }): AsyncIterable<BenchLine> {
    const markov = markovRun(seed),
      embedded = await embeddedRun(seed),
      deep = { ...markov, model: { ...markov.model, layerCount: 2 } };
    const questions: readonly Question[] = [
      { source: "markov", run: markov, tokens: 200_000, what: "data", values: DATA },
      { source: "markov", run: markov, tokens: 100_000, what: "width", values: SIZES },
      { source: "markov", run: deep, tokens: 100_000, what: "depth", values: SIZES },
      { source: "embedded", run: embedded, tokens: 400_000, what: "data", values: DATA },
    ];
    for (const question of questions) {
      const report = await answer(question);
      for (const found of report.answers) yield* linesOf(question, found);
      yield lawLine(question, report);
    }
  },
};

/** 32 symbols, one layer: 10.7 thousand parameters. */
function markovRun(seed: number): Run {
  const run = tinyRun();
  return {
    ...run,
    seed,
    model: { ...run.model, vocabularySize: 32, layerCount: 1, hiddenWidth: 64 },
    data: { kind: "markov", seed: 3, symbolCount: 32, tokenCount: 8_000_000 },
    training: { ...run.training, learningRate: 3e-3, batch: 8 },
  };
}

/** Bytes, one layer: 23 thousand parameters, most of them embeddings. */
async function embeddedRun(seed: number): Promise<Run> {
  const base = { name: "cbs", preset: "demo", seed, membership: "open", texts: null } as const;
  const run = await createRun(base, new MemoryBlobStore());
  const size = { contextLength: 64, layerCount: 1, headCount: 1, keyValueHeadCount: 1, width: 32, hiddenWidth: 128 };
  return { ...run, model: { ...run.model, ...size }, training: { ...run.training, learningRate: 3e-3, batch: 8 } };
}

async function answer({ run, tokens, what, values }: Question): Promise<CbsReport> {
  const options: CbsOptions = {
    run,
    batches: BATCHES,
    reference: REFERENCE,
    tokens,
    target: null,
    rates: RATES,
    seeds: SEEDS,
    vary: { what, values },
  };
  const tokenizer = bytesTokenizer(), openBlob = () => Promise.reject(new Error("These runs have no blobs"));
  const text = await openRunText(run.data, { tokenizer, openBlob });
  const { device } = await openDevice("cpu", { threads: 1 });
  await using _ = device;
  await using bench = new Workbench({ device, text, seed: run.seed, onWarning: (message) => console.error(message) });
  const plan = planCbs(options), folder = memoryFolder(), dealer = new Dealer(plan, await SweepFile.open(folder, plan));
  const signal = new AbortController().signal;
  await runSweep({ dealer, folder, bench, signal, clock: realClock, onEvent: () => {} });
  return reportCbs(options, dealer.results);
}

function* linesOf({ source, what }: Question, found: CbsAnswer): Iterable<BenchLine> {
  const name = `${source}, ${found.label}`, { critical, bySeed, deviation, noiseScale, rows } = found;
  for (const { batch, steps, bySeed, factors, residual } of rows) {
    const known = bySeed.filter((own) => own !== null);
    yield {
      name: `${name}, batch ${batch}`,
      batch,
      steps: rounded(steps),
      leastSteps: known.length === 0 ? null : rounded(Math.min(...known)),
      mostSteps: known.length === 0 ? null : rounded(Math.max(...known)),
      rateFactors: factors.join(" "),
      offBy: rounded(residual),
    };
  }
  yield {
    name,
    varied: what,
    x: found.x,
    parameters: found.parameters,
    tokens: found.tokens,
    loss: rounded(meanOf(found.targets)),
    a: rounded(critical?.a ?? null),
    b: rounded(critical?.b ?? null),
    criticalBatch: rounded(critical?.batch ?? null),
    bySeed: bySeed.map(rounded).join(" "),
    deviation: rounded(deviation),
    criticalTokens: rounded(critical === null ? null : critical.batch * found.contextLength),
    largestResidual: rounded(Math.max(...(critical?.residuals ?? [NaN]).map(Math.abs))),
    noiseScale: rounded(noiseScale),
    doubts: critical?.doubts.join("; ") ?? "too few batches reached the target",
  };
}

function lawLine({ source, what }: Question, { law, exponents }: CbsReport): BenchLine {
  return {
    name: `${source}, law of ${what}`,
    varied: what,
    exponent: rounded(law?.exponent ?? null),
    bySeed: exponents.map(rounded).join(" "),
    deviation: rounded(deviationOf(exponents)),
  };
}

function meanOf(values: readonly (number | null)[]): number | null {
  const known = values.filter((value) => value !== null);
  return known.length === 0 ? null : known.reduce((sum, value) => sum + value, 0) / known.length;
}

function rounded(value: number | null): number | null {
  return value === null || !Number.isFinite(value) ? null : Number(value.toPrecision(4));
}
