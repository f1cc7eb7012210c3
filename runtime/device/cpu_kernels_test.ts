/**
 * Every WebAssembly form against its reference in f64, on odd shapes, with 1, 2 and 3 threads that must give the same
 * bits, and with poison around each span that must be neither read (NaN would show) nor written.
 * @module
 */
import { strict as assert } from "node:assert";
import { adamw, adamwStep } from "../../kernels/adamw.ts";
import { add } from "../../kernels/add.ts";
import { attention, type AttentionShape } from "../../kernels/attention.ts";
import { attentionBackwardKeyValue } from "../../kernels/attention_backward_key_value.ts";
import { attentionBackwardQuery } from "../../kernels/attention_backward_query.ts";
import { attentionCached } from "../../kernels/attention_cached.ts";
import { columnSum } from "../../kernels/column_sum.ts";
import { copy } from "../../kernels/copy.ts";
import { crossEntropy } from "../../kernels/cross_entropy.ts";
import { delta } from "../../kernels/delta.ts";
import { embedding } from "../../kernels/embedding.ts";
import { embeddingBackward, segmentTokens } from "../../kernels/embedding_backward.ts";
import { fill } from "../../kernels/fill.ts";
import { gelu } from "../../kernels/gelu.ts";
import { geluBackward } from "../../kernels/gelu_backward.ts";
import type { Kernel, Numbers, Shape, Words } from "../../kernels/kernel.ts";
import { layerNorm } from "../../kernels/layer_norm.ts";
import { layerNormBackward } from "../../kernels/layer_norm_backward.ts";
import { layerNormWeightsBackward } from "../../kernels/layer_norm_weights_backward.ts";
import { matmul } from "../../kernels/matmul.ts";
import { normSquaredPartial } from "../../kernels/norm_squared_partial.ts";
import { pairNorms } from "../../kernels/pair_norms.ts";
import { peakFma } from "../../kernels/peak_fma.ts";
import { quantiseInt8 } from "../../kernels/quantise_int8.ts";
import { rmsNorm } from "../../kernels/rms_norm.ts";
import { rmsNormBackward } from "../../kernels/rms_norm_backward.ts";
import { rmsNormWeightsBackward } from "../../kernels/rms_norm_weights_backward.ts";
import { rope, ropeTable } from "../../kernels/rope.ts";
import { sketch } from "../../kernels/sketch.ts";
import { sparseAdd } from "../../kernels/sparse_add.ts";
import { sum } from "../../kernels/sum.ts";
import { swiglu } from "../../kernels/swiglu.ts";
import { swigluBackward } from "../../kernels/swiglu_backward.ts";
import { topK } from "../../kernels/top_k.ts";
import { blasTest } from "../../tests/kernels/blas.ts";
import { type CpuDeviceOptions, openCpuDevice } from "./cpu.ts";
import { asWords, type Device, type Span, SPAN_ALIGNMENT, whole } from "./device.ts";

/** Rounding unit of f32. */
const U = 2 ** -24;

interface Case {
  readonly kernel: Kernel;
  readonly shape: Shape;
  /** What f32 and u32 bindings hold; the others hold noise of ±1. */
  readonly inputs?: Readonly<Record<string, ArrayLike<number>>>;
  /** Largest |found − wanted|, in rounding units of max(1, |wanted|). 0: equal bits. */
  readonly units: number;
}

/** Every combination of switches with each of some sizes. */
function products(sizes: readonly (readonly [M: number, N: number, K: number])[]): Case[] {
  const switches = { TRANSPOSE_A: [0, 1], TRANSPOSE_B: [0, 1], BIAS: [0, 1], RESIDUAL: [0, 1], ACCUMULATE: [0, 1] };
  return shapes(switches).flatMap((shape) =>
    sizes.map(([M, N, K]) => ({
      kernel: matmul,
      shape: { M, N, K, ...shape },
      units: 4 + K, // errors of K products walk at random: √K · √K/3 would be typical
    }))
  );
}

const ODD_SIZES = [[1, 1, 1], [3, 150, 45], [1, 129, 64], [5, 17, 3], [64, 128, 256], [67, 131, 259], [
  131,
  250,
  7,
]] as const;

const cases: readonly Case[] = [
  ...products(ODD_SIZES),
  ...shapes({ N: [1, 7, 33], C: [1, 5, 64, 131], ACCUMULATE: [0, 1] }).flatMap((shape) => {
    const { N, C, ACCUMULATE } = shape,
      ids = Array.from({ length: N! }, (_, n) => n * 5 % 3);
    const mean = noise(N!, 5, 0.1), inverse = noise(N!, 6, 0.5).map((value) => 1.5 + value);
    return [
      { kernel: layerNorm, shape: { N: N!, C: C!, EPSILON: 1e-5 }, units: 12 },
      { kernel: layerNormBackward, shape, inputs: { mean, inverse }, units: 10 },
      { kernel: layerNormWeightsBackward, shape, inputs: { mean, inverse }, units: 4 + N! },
      { kernel: rmsNorm, shape: { N: N!, C: C!, EPSILON: 1e-5 }, units: 10 },
      { kernel: rmsNormBackward, shape, inputs: { inverse }, units: 10 },
      { kernel: rmsNormWeightsBackward, shape, inputs: { inverse }, units: 4 + N! },
      { kernel: columnSum, shape, units: 4 + N! },
      { kernel: embedding, shape: { N: N!, P: 3, C: C! }, inputs: { ids }, units: 0 },
      {
        kernel: embeddingBackward,
        shape: { N: N!, P: 3, C: C!, ACCUMULATE: ACCUMULATE! },
        inputs: { ids, ...segmentTokens(Uint32Array.from(ids)) },
        units: 4 + N!,
      },
      { kernel: swiglu, shape: { N: N!, F: C! }, inputs: { x: noise(2 * N! * C!, 3, 9) }, units: 8 },
      { kernel: swigluBackward, shape: { N: N!, F: C!, ACCUMULATE: ACCUMULATE! }, units: 8 },
      ...[0, 1].map((GRADIENT) => ({
        kernel: crossEntropy,
        shape: { N: N!, V: C!, GRADIENT },
        inputs: {
          logits: noise(N! * C!, 3, 8),
          targets: Array.from({ length: N! }, (_, n) => n % 5 === 4 ? 0xffff_ffff : n * 7 % C!),
          scale: [0.25],
        },
        units: 6,
      })),
    ] satisfies Case[];
  }),
  {
    kernel: crossEntropy,
    shape: { N: 2, V: 5003, GRADIENT: 1 },
    inputs: { targets: [0, 5002], scale: [1] },
    units: 6,
  },
  ...shapes({ COUNT: [1, 63, 64, 261], ACCUMULATE: [0, 1] }).flatMap((shape) => {
    const COUNT = shape["COUNT"]!, x = noise(COUNT, 3, 12);
    const holed = x.map((value, i) => i % 50 === 3 ? [NaN, Infinity, -Infinity][i % 3]! : value);
    const step = adamwStep({ rate: 2e-3, beta1: 0.9, beta2: 0.95, epsilon: 1e-8, decay: 0.1, t: 3, clip: 1 });
    const v = noise(COUNT, 4).map(Math.abs);
    return [
      { kernel: add, shape: { COUNT }, units: 1 },
      { kernel: copy, shape, units: 1 },
      { kernel: fill, shape: { COUNT }, inputs: { value: [3] }, units: 0 },
      { kernel: delta, shape: { COUNT, DECAY: 0.95 }, units: 3 },
      // The contract is 2e-6 · max(1, |x|), 33 units; the slope multiplies the error of e⁻²ᵘ by x and by 2u'.
      { kernel: gelu, shape: { COUNT }, inputs: { x }, units: 8 },
      { kernel: geluBackward, shape, inputs: { x }, units: 33 },
      { kernel: sum, shape, units: 1 },
      { kernel: normSquaredPartial, shape: { COUNT, BLOCKS: 5 }, inputs: { x: holed }, units: 1 },
      { kernel: pairNorms, shape: { COUNT, BLOCKS: 5 }, units: 2 },
      { kernel: adamw, shape: { COUNT, DECAYED: COUNT >> 1 }, inputs: { norm: [2, 0, 0.3, 1], step, v }, units: 4 },
      { kernel: adamw, shape: { COUNT, DECAYED: COUNT >> 1 }, inputs: { norm: [2, 1, 1, 1], step, v }, units: 0 },
      {
        kernel: adamw,
        shape: { COUNT, DECAYED: COUNT >> 1 },
        inputs: { norm: [Infinity, 0, 1, 1], step, v },
        units: 0,
      },
    ] satisfies Case[];
  }),
  ...[1, 1e-3, 3e8, 2 ** -99, 2 ** -120].map((scale, i): Case => {
    const x = noise(256, i, scale).map((value, j) => j < 64 ? scale * [127 / 128, 1, 0.5, 127 / 64][j & 3]! : value);
    return { kernel: quantiseInt8, shape: { COUNT: 256, BLOCK: 32 }, inputs: { x }, units: 0 };
  }),
  ...[[1, 1], [5000, 64], [3 * 4096 + 7, 512]].flatMap(([COUNT, KEPT]) => {
    const shape = { COUNT: COUNT!, KEPT: KEPT! }, sizes = noise(COUNT!, 4, 110);
    const places = Array.from({ length: Math.ceil(COUNT! / 4096) * KEPT! }, (_, slot) => slot % KEPT! * 8 + 1);
    return [
      { kernel: topK, shape, inputs: { x: noise(COUNT!, 3).map((value, i) => value * 2 ** sizes[i]!) }, units: 0 },
      { kernel: topK, shape, inputs: { x: noise(COUNT!, 3, 30).map(Math.trunc) }, units: 0 }, // many are equal
      { kernel: sparseAdd, shape, inputs: { places }, units: 1 },
    ] satisfies Case[];
  }),
  // A bucket adds one value of a row; of 20 rows, sums of some units each.
  ...[[1, 1], [255, 5], [5000, 3], [5120, 8]].map(([COUNT, BLOCKS]): Case => ({
    kernel: sketch,
    shape: { COUNT: COUNT!, BLOCKS: BLOCKS! },
    inputs: { seed: [COUNT!] },
    units: 8,
  })),
  ...[{ GROUPS: 1, ROUNDS: 1 }, { GROUPS: 7, ROUNDS: 5 }].map((shape): Case => {
    return { kernel: peakFma, shape, inputs: { factors: [0.75, -0.4] }, units: 2 * 2 / (1 - 0.75) };
  }),
  ...[0, 1, 2, 3].map((bits): Case => ({
    kernel: rope,
    shape: { N: 5, ROTATED_HEADS: 3, ROW: 5 * 12 + 1, D: 12, P: 9, INVERSE: bits & 1, ACCUMULATE: bits >> 1 },
    inputs: { positions: [8, 0, 3, 3, 1], table: ropeTable({ positionCount: 9, headSize: 12, base: 1e4 }) },
    units: 4,
  })),
  ...[[2, 37, 4, 2, 8], [1, 5, 1, 1, 3], [2, 16, 2, 2, 32], [1, 70, 6, 2, 20], [1, 1, 1, 1, 1], [1, 33, 2, 1, 64], [
    1,
    131,
    4,
    1,
    12,
  ]]
    .flatMap(([B, T, H, G, D]) => {
      const shape: AttentionShape = { B: B!, T: T!, H: H!, G: G!, D: D! };
      const qkv = noise(attention.bindings["qkv"]!.length(shape), 7, 2), y = new Float64Array(B! * T! * H! * D!);
      const lse = new Float64Array(B! * H! * T!), dot = noise(lse.length, 8);
      attention.reference({ qkv: Float64Array.from(qkv), y, lse } as never, shape);
      return [
        { kernel: attention, shape, inputs: { qkv }, units: 40 },
        // Scores of some tens carry absolute errors of as many units, which the exponential makes relative ones.
        { kernel: attentionBackwardQuery, shape, inputs: { qkv, y, lse }, units: 60 },
        { kernel: attentionBackwardKeyValue, shape, inputs: { qkv, lse, dot }, units: 100 },
      ] satisfies Case[];
    }),
  ...[[1, 4, 2, 8, 40], [3, 2, 2, 5, 7]].map(([N, H, G, D, P]): Case => ({
    kernel: attentionCached,
    shape: { N: N!, H: H!, G: G!, D: D!, P: P! },
    inputs: { positions: [P! - 1, 0, 3].slice(0, N!) },
    units: 6,
  })),
];

Deno.test("every WebAssembly form equals its reference within its tolerance, and 1, 2 and 3 threads give the same bits", async (t) => {
  await using devices = await openThree({ blas: "off" });
  for (const kernel of new Set(cases.map(({ kernel }) => kernel))) {
    await t.step(kernel.name, async () => {
      assert.ok(kernel.wasm !== undefined);
      for (const example of cases.filter((one) => one.kernel === kernel)) await tryOn(devices, example);
    });
  }
});

blasTest(
  "matrix products by the machine's library equal the reference, and 1, 2 and 3 threads give the same bits",
  async (blas) => {
    await using devices = await openThree({ blas: blas.file, libraryWork: 0 });
    assert.ok(devices.one.description.includes(blas.name));
    // The last one is cut into four blocks.
    for (const example of products([...ODD_SIZES, [300, 530, 60]])) await tryOn(devices, example);
  },
);

Deno.test("a NaN in a query, a key or a value reaches all outputs that depend on it", async () => {
  const shape: AttentionShape = { B: 1, T: 21, H: 1, G: 1, D: 8 }, at = 10;
  await using device = await openCpuDevice({ threads: 1 });
  for (
    const [part, reaches] of [[0, (t: number) => t === at], [1, (t: number) => t >= at], [
      2,
      (t: number) => t >= at,
    ]] as const
  ) {
    const before = initial({ kernel: attention, shape, units: 0 });
    before[0]![(at * 3 + part) * shape.D] = NaN;
    const y = (await runOn(device, { kernel: attention, shape, units: 0 }, before))[1]!;
    for (let t = 0; t < shape.T; t++) {
      if (reaches(t)) assert.ok(Number.isNaN(y[t * shape.D]), `part ${part}, position ${t}`);
    }
  }
});

/** Devices with 1, 2 and 3 threads. */
async function openThree(options: CpuDeviceOptions) {
  const one = await openCpuDevice({ ...options, threads: 1 });
  const others = [2, 3].map((threads) => openCpuDevice({ ...options, threads, sharedWork: 0 }));
  const devices = { one, others: await Promise.all(others) };
  return {
    ...devices,
    async [Symbol.asyncDispose]() {
      for (const device of [one, ...devices.others]) await device[Symbol.asyncDispose]();
    },
  };
}

async function tryOn({ one, others }: Awaited<ReturnType<typeof openThree>>, example: Case): Promise<void> {
  const before = initial(example), found = await runOn(one, example, before);
  compare(example, { before, found });
  for (const device of others) {
    const again = await runOn(device, example, before);
    for (const [i, name] of Object.keys(example.kernel.bindings).entries()) {
      const where = `${title(example)} '${name}' on ${device.description}`;
      assert.deepEqual(asWords(again[i]!), asWords(found[i]!), where);
    }
  }
}

interface Runs {
  readonly before: Before;
  readonly found: readonly Float32Array<ArrayBuffer>[];
}

function compare(example: Case, { before, found }: Runs): void {
  const { kernel, shape, units } = example, entries = Object.entries(kernel.bindings);
  const wanted = before.map((values) => values instanceof Uint32Array ? values.slice() : Float64Array.from(values));
  kernel.reference(Object.fromEntries(entries.map(([name], i) => [name, wanted[i]! as Numbers & Words])), shape);
  for (const [i, [name, { access, type }]] of entries.entries()) {
    const values = type === "u32" ? asWords(found[i]!) : found[i]!;
    const allowed = access === "read" || type === "u32" ? 0 : units;
    const at = wanted[i]!.findIndex((want, at) => !(unitsOff(values[at]!, want) <= allowed));
    if (at < 0) continue;
    const value = values[at]!, want = wanted[i]![at]!;
    assert.fail(
      `${title(example)} '${name}' at ${at}: found ${value}, wanted ${want}, off by ${
        unitsOff(value, want)
      } units of ${allowed}`,
    );
  }
}

/** |found − wanted| in rounding units of max(1, |wanted|); 0 when found is wanted, rounded. */
function unitsOff(found: number, wanted: number): number {
  if (Object.is(found, Math.fround(wanted)) || found === wanted) return 0;
  return Math.abs(found - wanted) / Math.max(1, Math.abs(wanted)) / U;
}

type Before = readonly (Float32Array<ArrayBuffer> | Uint32Array<ArrayBuffer>)[];

function initial({ kernel, shape, inputs = {} }: Case): Before {
  return Object.entries(kernel.bindings).map(([name, { type, length }], i) => {
    const values = inputs[name];
    if (type === "u32") return values === undefined ? new Uint32Array(length(shape)) : Uint32Array.from(values);
    return values === undefined ? noise(length(shape), i) : Float32Array.from(values);
  });
}

/** What the bindings hold afterwards; checks that the poison around them is whole. */
async function runOn(
  device: Device,
  { kernel, shape, units }: Case,
  before: Before,
): Promise<Float32Array<ArrayBuffer>[]> {
  const poison = 0x7fc0_dead, margin = SPAN_ALIGNMENT;
  const spans = before.map((values, i): Span => {
    const buffer = device.allocate(values.length + 2 * margin, `${i}`);
    device.write(whole(buffer), new Uint32Array(buffer.words).fill(poison));
    const span = { buffer, start: margin, words: values.length };
    device.write(span, values);
    return span;
  });
  const byName = Object.fromEntries(Object.keys(kernel.bindings).map((name, i) => [name, spans[i]!]));
  device.run(await device.prepare([{ kernel, shape, spans: byName }], kernel.name));
  const found = await device.read(spans.map(({ buffer }) => whole(buffer)));
  spans.forEach(({ buffer }) => device.free(buffer));
  return found.map((values, i) => {
    const harmed = asWords(values).findIndex((word, at) =>
      (at < margin || at >= values.length - margin) && word !== poison
    );
    assert.equal(harmed, -1, `${title({ kernel, shape, units })} wrote outside of binding ${i}`);
    return values.slice(margin, values.length - margin);
  });
}

function title({ kernel, shape }: Case): string {
  return `${kernel.name} ${JSON.stringify(shape)}`;
}

/** All combinations. */
function shapes(options: Readonly<Record<string, readonly number[]>>): Record<string, number>[] {
  return Object.entries(options).reduce<Record<string, number>[]>(
    (all, [key, values]) => all.flatMap((shape) => values.map((value) => ({ ...shape, [key]: value }))),
    [{}],
  );
}

/** Numbers without pattern, evenly spread over ±scale: the same for the same seed. */
function noise(count: number, seed: number, scale = 1): Float32Array<ArrayBuffer> {
  let state = seed * 2 + 1;
  return Float32Array.from({ length: count }, () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return ((Math.imul(state ^ (state >>> 15), 0x2c1b3c6d) >>> 0) / 2 ** 31 - 1) * scale;
  });
}
