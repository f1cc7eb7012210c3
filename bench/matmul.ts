/**
 * Matrix products in f32: ours beside others' on the same processor and on the same GPU, in turns.
 *
 * On the processor ours are WebAssembly on one thread and on all, and by the machine's library if there is one; others
 * are that library called directly, jax-js, TensorFlow.js and PyTorch. On a GPU ours have the fastest of the forms that
 * the tuner would try. All are timed alike: by the clock, around as many products as fill a turn and the wait for them.
 * The fraction is of the peak that our own multiply-adds reach on the same device: on the cpu that of WebAssembly,
 * which a library passes.
 * @module
 */
import { measurePeak } from "../runtime/device/peak.ts";
import { openCpuDevice } from "../runtime/device/cpu.ts";
import { contest, type Contestant, flopsOfProducts, type Outcome, type Product, productName } from "./contest.ts";
import { openOurCpu, THREAD_COUNTS } from "./cpu_contestants.ts";
import { openGpus } from "./gpu_providers.ts";
import type { Bench, BenchLine } from "./line.ts";
import { ourContestant } from "./our_contestant.ts";
import { denoRival, openRivals, pytorchRival } from "./rivals/rival.ts";
import { targetLine } from "./target.ts";

const square = (size: number): readonly Product[] => [[size, size, size, 0, 0]];

/** Those of a model's layers: forward, gradient of the input, gradient of the weights. */
function layers(tokens: number, sizes: readonly (readonly [inner: number, outer: number])[]): readonly Product[] {
  return sizes.flatMap(([inner, outer]): Product[] => [
    [tokens, outer, inner, 0, 1],
    [tokens, inner, outer, 0, 0],
    [outer, inner, tokens, 1, 0],
  ]);
}

const DEMO = layers(1024, [[128, 384], [128, 128], [128, 512], [512, 128], [128, 256]]);
const GPT2 = layers(4096, [[768, 2304], [768, 768], [768, 3072], [3072, 768]]);

const ON_CPU = [square(512), square(1024), DEMO];
/** A GPU is not busy with less; a software driver has no end of more. */
const ON_GPU: readonly (readonly Product[])[] = [square(2048), square(4096), [[4096, 4096, 4096, 0, 1]], GPT2, DEMO];
const ON_SOFTWARE = [square(512), DEMO];

const CPU_TURNS = { rounds: 15, turnMs: 100 }, GPU_TURNS = { rounds: 9, turnMs: 400 };
const SOFTWARE_TURNS = { rounds: 5, turnMs: 300 };

/** The product that the targets on the processor are of. */
const JUDGED = productName(square(1024)[0]!);

export const matmulBench: Bench = {
  name: "matmul",
  question: "How fast are matrix products in f32 on this machine's devices, and in others' libraries?",
  async *run() {
    yield* onCpu();
    for await (const gpu of openGpus("matmul")) {
      if (!gpu.ok) {
        yield gpu.line;
        continue;
      }
      const peak = (await measurePeak(gpu.device)).gflops, ours = ourContestant(gpu);
      const { rivals, missing } = await openRivals([
        denoRival("jax-js webgpu", "jax.ts", ["webgpu", "1"]),
        denoRival("TensorFlow.js webgpu", "tfjs.ts", ["webgpu"]),
        ...(gpu.isSoftware ? [] : [pytorchRival("cuda", 1)]),
      ]);
      yield* missing;
      const [works, turns] = gpu.isSoftware ? [ON_SOFTWARE, SOFTWARE_TURNS] : [ON_GPU, GPU_TURNS];
      try {
        for (const products of works) {
          const outcomes = await contest([ours, ...rivals], { kind: "products", products }, turns);
          yield* lines(products, outcomes, new Map([[ours.about, peak]]));
          if (gpu.isSoftware && products === works[0]) yield* softwareTarget(products, outcomes);
          if (!gpu.isSoftware && products !== DEMO) yield* gpuTarget(products, outcomes[0]!, peak);
        }
      } finally {
        await closeAll([ours, ...rivals]);
      }
    }
  },
};

async function* onCpu(): AsyncGenerator<BenchLine> {
  const ours = await openOurCpu(), { file, wasm, library } = ours, peaks = new Map<Outcome["about"], number>();
  for (const [threads, { about }] of wasm) {
    await using device = await openCpuDevice({ threads, blas: "off" });
    peaks.set(about, (await measurePeak(device)).gflops);
  }
  const { rivals, missing } = await openRivals([
    ...THREAD_COUNTS.flatMap((threads) => [
      ...(file === null ? [] : [denoRival("the library called directly", "library.ts", [file, `${threads}`])]),
      denoRival("jax-js wasm", "jax.ts", ["wasm", `${threads}`]),
      pytorchRival("cpu", threads),
    ]),
    denoRival("TensorFlow.js wasm", "tfjs.ts", ["wasm"]),
  ]);
  yield* [...ours.missing, ...missing];
  const contestants = [...wasm.values(), ...library.values(), ...rivals];
  try {
    for (const products of ON_CPU) {
      const outcomes = await contest(contestants, { kind: "products", products }, CPU_TURNS);
      yield* lines(products, outcomes, peaks);
      if (titleOf(products) === JUDGED) yield* cpuTargets(outcomes);
    }
  } finally {
    await closeAll(contestants);
  }
}

function* lines(
  products: readonly Product[],
  outcomes: readonly Outcome[],
  peaks: ReadonlyMap<Outcome["about"], number>,
): Generator<BenchLine> {
  const name = titleOf(products), flops = flopsOfProducts(products);
  for (const outcome of outcomes) {
    if (!outcome.ok) {
      yield { name, ...outcome.about, reason: outcome.reason };
      continue;
    }
    const gflops = flops / outcome.bestMs / 1e6, peak = peaks.get(outcome.about);
    yield {
      name,
      ...outcome.about,
      gflops,
      medianGflops: flops / outcome.medianMs / 1e6,
      ...(peak === undefined ? {} : { fractionOfPeak: gflops / peak }),
    };
  }
}

/** What is wanted of 1024³ on the processor, by the best turns. */
function* cpuTargets(outcomes: readonly Outcome[]): Generator<BenchLine> {
  const most = THREAD_COUNTS.at(-1)!;
  const speed = (device: RegExp, threads: number) => {
    const found = outcomes.find(({ about }) => device.test(about.device) && about.threads === threads);
    return found?.ok ? 1 / found.bestMs : NaN;
  };
  const wasm = /^cpu \(WebAssembly SIMD, \d+ threads?\)$/, library = /^cpu .*products by/;
  const direct = /^the library/, jax = /^jax-js wasm/;
  for (const threads of THREAD_COUNTS) {
    yield* ratio(
      `${JUDGED}: WebAssembly, times jax-js wasm`,
      [speed(wasm, threads), speed(jax, threads)],
      1.3,
      threads,
    );
    yield* ratio(
      `${JUDGED}: by a library, times calling it`,
      [speed(library, threads), speed(direct, threads)],
      0.9,
      threads,
    );
  }
  if (most > 1) {
    yield* ratio(`${JUDGED}: WebAssembly, times 1 thread`, [speed(wasm, most), speed(wasm, 1)], 0.9 * most, most);
  }
}

/** Nothing, if one of both is missing. */
function* ratio(
  name: string,
  [ours, theirs]: readonly [number, number],
  atLeast: number,
  threads: number,
): Generator<BenchLine> {
  const figure = ours / theirs;
  if (Number.isFinite(figure)) {
    yield { ...targetLine(name, { device: "cpu", figure, wanted: { atLeast } }), threads };
  }
}

/** Of jax-js, if it had the same adapter. */
function* softwareTarget(products: readonly Product[], [ours, ...rivals]: readonly Outcome[]): Generator<BenchLine> {
  const theirs = rivals.find(({ about }) => about.device === "jax-js webgpu");
  if (!ours?.ok || !theirs?.ok || !ours.about.driver!.startsWith(theirs.about.driver!)) return;
  yield targetLine(`${titleOf(products)}: WebGPU, times jax-js on the same adapter`, {
    device: ours.about.device,
    figure: theirs.bestMs / ours.bestMs,
    wanted: { atLeast: 2 },
  });
}

/** Of the peak of a real GPU: less where the products are those of layers, some of which are small. */
function* gpuTarget(products: readonly Product[], ours: Outcome, peakGflops: number): Generator<BenchLine> {
  if (!ours.ok) return;
  yield targetLine(`${titleOf(products)}: of the measured peak`, {
    device: ours.about.device,
    figure: flopsOfProducts(products) / ours.bestMs / 1e6 / peakGflops,
    wanted: { atLeast: products === GPT2 ? 0.35 : 0.5 },
  });
}

function titleOf(products: readonly Product[]): string {
  if (products.length === 1) return productName(products[0]!);
  return `the ${products.length} products of ${products === GPT2 ? "GPT-2 of 124 M" : "the demo's model"}`;
}

async function closeAll(contestants: readonly Contestant[]): Promise<void> {
  for (const contestant of contestants) await contestant[Symbol.asyncDispose]();
}
