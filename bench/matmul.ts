/**
 * Matrix products on the cpu device, on one thread and on all, in WebAssembly and by a library if there is one, beside
 * direct calls of that library and jax-js's WebAssembly backend in the same run; and on a GPU, if there is a real one.
 * Ours are timed by the device itself where it can, and set beside the peak that multiply-adds reach there: on the cpu in
 * WebAssembly, which a library passes.
 *
 * jax-js is not a dependency: it is imported when the benchmark runs, and said to be absent where it cannot be.
 * @module
 */
import { matmul } from "../kernels/matmul.ts";
import { reasonOf } from "../p2p/reason.ts";
import { type Blas, blasChoice, findBlas } from "../runtime/device/blas.ts";
import { openCpuDevice } from "../runtime/device/cpu.ts";
import { type Device, whole } from "../runtime/device/device.ts";
import { measurePeak } from "../runtime/device/peak.ts";
import { openWebGpuDevice } from "../runtime/device/webgpu.ts";
import type { Bench, BenchLine } from "./line.ts";
import { isSoftware, openOrSay } from "./training.ts";

type Product = readonly [M: number, N: number, K: number, TRANSPOSE_A: number, TRANSPOSE_B: number];

const SQUARES: readonly Product[] = [[512, 512, 512, 0, 0], [1024, 1024, 1024, 0, 0]];
/** A GPU is not busy with less. */
const LARGE: readonly Product[] = [[2048, 2048, 2048, 0, 0], [4096, 4096, 4096, 0, 0], [4096, 4096, 4096, 0, 1]];

/** Those of the demo's model, 1024 tokens: forward, gradient of the input, gradient of the weights. */
const LAYERS: readonly Product[] = [[128, 384], [128, 128], [128, 512], [512, 128], [128, 256]].flatMap(
  ([inner, outer]): Product[] => [
    [1024, outer!, inner!, 0, 1],
    [1024, inner!, outer!, 0, 0],
    [outer!, inner!, 1024, 1, 0],
  ],
);

/** Best of these, each of as many products as take about 5 ms. */
const ROUNDS = 15, ROUND_FLOPS = 2e8;

export const matmulBench: Bench = {
  name: "matmul",
  question: "How fast are matrix products in f32 on this machine's devices, and in jax-js's WebAssembly?",
  async *run() {
    const { blas, problem } = findBlas(blasChoice());
    if (problem !== null) yield { name: "matmul", device: "library, skipped", reason: problem };
    for (const threads of new Set([1, navigator.hardwareConcurrency])) {
      for (const library of ["off", ...(blas === null ? [] : [blas.file])]) {
        await using device = await openCpuDevice({ threads, blas: library });
        for await (const line of ours(device, [...SQUARES, ...LAYERS])) yield { ...line, threads };
      }
      if (blas !== null) { for await (const line of direct(blas, threads)) yield { ...line, threads }; }
    }
    blas?.[Symbol.dispose]();
    yield* jax();
    yield* gpu();
  },
};

async function* gpu(): AsyncGenerator<BenchLine> {
  const device = await openOrSay(openWebGpuDevice);
  if (typeof device === "string") return yield { name: "matmul", device: "webgpu, skipped", reason: device };
  await using _ = device;
  if (isSoftware(device)) return yield { name: "matmul", device: "webgpu, skipped", reason: device.description };
  yield* ours(device, [...SQUARES, ...LARGE]);
}

async function* ours(device: Device, products: readonly Product[]): AsyncGenerator<BenchLine> {
  const peak = await measurePeak(device);
  for (const [M, N, K, TRANSPOSE_A, TRANSPOSE_B] of products) {
    const [a, b, bias, y] = [M * K, K * N, 1, M * N].map((words) => device.allocate(words, "matrix")) as Four;
    for (const buffer of [a, b]) device.write(whole(buffer), ramp(buffer.words));
    const shape = { M, N, K, TRANSPOSE_A, TRANSPOSE_B, BIAS: 0, RESIDUAL: 0, ACCUMULATE: 0 };
    const spans = { a: whole(a), b: whole(b), bias: whole(bias), residual: whole(bias), y: whole(y) };
    const flops = 2 * M * N * K, dispatch = { kernel: matmul, shape, spans };
    const program = await device.prepare(Array.from({ length: countOf(flops) }, () => dispatch), "matmul");
    const gflops = await best(flops, async () => (await device.profile(program)).reduce((sum, ms) => sum + ms));
    for (const buffer of [a, b, bias, y]) device.free(buffer);
    const fractionOfPeak = gflops / peak.gflops;
    yield { name: title([M, N, K, TRANSPOSE_A, TRANSPOSE_B]), device: device.description, gflops, fractionOfPeak };
  }
}

/** The library alone, in a memory of ours, with as many threads of its own: what the device could reach at best. */
async function* direct(blas: Blas, threads: number): AsyncGenerator<BenchLine> {
  const library = Deno.dlopen(blas.file, {
    openblas_set_num_threads: { parameters: ["i32"], result: "void", optional: true },
  });
  library.symbols.openblas_set_num_threads?.(threads);
  for (const [M, N, K, TRANSPOSE_A, TRANSPOSE_B] of SQUARES) {
    const a = 0, b = a + M * K * 4, y = b + K * N * 4;
    const values = new Float32Array((y + M * N * 4) / 4).map((_, i) => (i * 7 % 13 - 6) / 13);
    const sgemm = blas.over(new Uint8Array(values.buffer));
    const call = {
      ...{ M, N, K, adds: false, y: { at: y, stride: N } },
      a: { at: a, stride: TRANSPOSE_A === 1 ? M : K, transposed: TRANSPOSE_A === 1 },
      b: { at: b, stride: TRANSPOSE_B === 1 ? K : N, transposed: TRANSPOSE_B === 1 },
    };
    const gflops = await best(2 * M * N * K, (count) => {
      const startedAtMs = performance.now();
      for (let i = 0; i < count; i++) sgemm(call);
      return Promise.resolve(performance.now() - startedAtMs);
    });
    yield { name: title([M, N, K, TRANSPOSE_A, TRANSPOSE_B]), device: `${blas.name} called directly`, gflops };
  }
  library.symbols.openblas_set_num_threads?.(1);
  library.close();
}

type Four = [Buffer, Buffer, Buffer, Buffer];
type Buffer = Parameters<typeof whole>[0];

/** The part of jax-js that is used here. */
interface Jax {
  init(device: string): Promise<unknown>;
  defaultDevice(device: string): unknown;
  readonly numpy: {
    array(values: Float32Array): JaxArray;
    matmul(a: JaxArray, b: JaxArray): JaxArray;
  };
}

interface JaxArray {
  readonly ref: JaxArray;
  reshape(shape: readonly number[]): JaxArray;
  data(): Promise<ArrayLike<number>>;
}

async function* jax(): AsyncGenerator<BenchLine> {
  const specifier = "npm:@jax-js/jax@0.1.25";
  let library: Jax;
  try {
    library = await import(specifier) as Jax;
    await library.init("wasm");
    library.defaultDevice("wasm");
  } catch (error) {
    yield { name: "jax-js", device: "skipped", reason: reasonOf(error) };
    return;
  }
  const { numpy } = library;
  for (const product of SQUARES) {
    const [M, N, K] = product;
    const a = numpy.array(ramp(M * K)).reshape([M, K]), b = numpy.array(ramp(K * N)).reshape([K, N]);
    await a.ref.data(); // the operands exist before the clock starts
    await b.ref.data();
    const gflops = await best(2 * M * N * K, async (count) => {
      const startedAtMs = performance.now();
      for (let i = 0; i < count; i++) await numpy.matmul(a.ref, b.ref).data();
      return performance.now() - startedAtMs;
    });
    yield { name: title(product), device: "jax-js wasm", gflops };
  }
}

/** GFLOP/s of the fastest round; `run` gives the milliseconds of one. */
async function best(flops: number, run: (count: number) => Promise<number>): Promise<number> {
  const count = countOf(flops);
  let fastestMs = Infinity;
  for (let round = 0; round < ROUNDS; round++) fastestMs = Math.min(fastestMs, await run(count));
  return flops * count / fastestMs / 1e6;
}

/** Products of a round. */
function countOf(flops: number): number {
  return Math.max(1, Math.round(ROUND_FLOPS / flops));
}

function title([M, N, K, TRANSPOSE_A, TRANSPOSE_B]: Product): string {
  return `${M}×${N}×${K}${TRANSPOSE_A === 1 ? " aᵀ" : ""}${TRANSPOSE_B === 1 ? " bᵀ" : ""}`;
}

function ramp(length: number): Float32Array<ArrayBuffer> {
  return Float32Array.from({ length }, (_, i) => (i * 7 % 13 - 6) / 13);
}
