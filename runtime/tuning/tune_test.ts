import { strict as assert } from "node:assert";
import { BY_SHAPE, type ProductUse } from "../../kernels/product_choice.ts";
import { matmulForms } from "../../kernels/matmul.ts";
import { gpuTest, testDevice } from "../../tests/kernels/check.ts";
import { tinyGpt2 } from "../../tests/tiny_models.ts";
import { type Device, DeviceMemoryError, type Dispatch, KernelError, type Program } from "../device/device.ts";
import { openPlainDevice } from "../device/plain.ts";
import { trainingGraph } from "../train/training_graph.ts";
import type { GpuFeature } from "../../kernels/kernel.ts";
import { candidatesFor, MOST_CANDIDATES } from "./candidates.ts";
import { classOf, representatives, usesIn } from "./product_class.ts";
import { tuneProducts } from "./tune.ts";
import {
  choiceOf,
  MOST_DEVICES,
  parseTuned,
  subjectOf,
  type TunedDevice,
  type TunedProducts,
  withTuned,
} from "./tuned_products.ts";

const layer = { TRANSPOSE_A: 0, TRANSPOSE_B: 1, inF16: false };
const square: ProductUse = { ...layer, M: 40, N: 50, K: 30 }, flat: ProductUse = { ...layer, M: 40, N: 50, K: 600 };

interface Script {
  /** Milliseconds of a dispatch. */
  ms(kernel: string): number;
  /** Kernels that compute something else. */
  readonly wrong?: readonly string[];
  /** Kernels that do not compile. */
  readonly broken?: readonly string[];
  readonly timing?: Device["timing"];
  /** Most words of one buffer. */
  readonly mostWords?: number;
}

/** A GPU that computes with the references, by a script of how long that takes and what goes wrong. */
function scriptedDevice({ ms, wrong = [], broken = [], timing = "timestamps", mostWords = Infinity }: Script) {
  const plain = openPlainDevice(), programs = new Map<Program, readonly Dispatch[]>();
  const device: Device = {
    ...plain,
    kind: "webgpu",
    description: "a GPU by script",
    timing,
    allocate(words, label) {
      if (words > mostWords) throw new DeviceMemoryError(`no ${words} words`);
      return plain.allocate(words, label);
    },
    async prepare(dispatches, label) {
      const unfit = dispatches.find(({ kernel }) => broken.includes(kernel.name));
      if (unfit !== undefined) throw new KernelError(`Cannot compile ${unfit.kernel.name}`);
      const program = await plain.prepare(dispatches.map((dispatch) => spoiled(dispatch, wrong)), label);
      programs.set(program, dispatches);
      return program;
    },
    profile: (program) => Promise.resolve(programs.get(program)!.map(({ kernel }) => ms(kernel.name))),
    [Symbol.asyncDispose]: () => plain[Symbol.asyncDispose](),
  };
  return device;
}

/** Its last value is wrong. */
function spoiled(dispatch: Dispatch, wrong: readonly string[]): Dispatch {
  if (!wrong.includes(dispatch.kernel.name)) return dispatch;
  const { kernel } = dispatch;
  return {
    ...dispatch,
    kernel: {
      ...kernel,
      reference(arrays, shape) {
        kernel.reference(arrays, shape);
        const y: Float32Array = arrays["y"]!;
        y[y.length - 1] = y.at(-1)! + 0.1;
      },
    },
  };
}

async function tuned(use: ProductUse, script: Script) {
  const faults: string[] = [], device = scriptedDevice(script);
  const { classes } = await tuneProducts({ device, uses: [use], onFault: (message) => faults.push(message) });
  assert.equal(device.memory().bytes, 0);
  return { found: classes[classOf(use)], faults };
}

Deno.test("the fastest form of a class is taken, with its figures and those of the form by shape", async () => {
  const { found } = await tuned(square, { ms: (kernel) => kernel === "matmul_32x32x4_4x4_direct" ? 0.5 : 2 });
  assert.deepEqual(found, {
    form: "32x32x4_4x4_direct",
    split: 1,
    sizes: [40, 50, 30],
    gflops: 2 * 40 * 50 * 30 / 0.5 / 1e6,
    gflopsByShape: 2 * 40 * 50 * 30 / 2 / 1e6,
  });
});

Deno.test("both steps of a product in parts count", async () => {
  const script = (sumMs: number): Script => ({
    ms: (kernel) => kernel === "matmul_partial" ? 1 : kernel === "matmul_sum" ? sumMs : 3,
  });
  const cheap = (await tuned(flat, script(1))).found!, dear = (await tuned(flat, script(5))).found!;
  assert.ok(cheap.form === "64x64x16_4x4" && cheap.split > 1, JSON.stringify(cheap));
  assert.equal(dear.split, 1);
});

Deno.test("the form by shape stays unless another saves more than the measurement may be off by", async () => {
  const byShape = BY_SHAPE.product(square).form;
  const ms = (slow: number, fast: number) => (kernel: string) => kernel === `matmul_${byShape}` ? slow : fast;
  assert.equal((await tuned(square, { ms: ms(1, 0.99) })).found!.form, byShape);
  assert.notEqual((await tuned(square, { ms: ms(1, 0.9) })).found!.form, byShape);
  assert.equal((await tuned(square, { ms: ms(1.9, 1), timing: "clock" })).found!.form, byShape);
  assert.notEqual((await tuned(square, { ms: ms(2.1, 1), timing: "clock" })).found!.form, byShape);
});

Deno.test("a form that computes something else is left out, however fast, and told; the next one is taken", async () => {
  const wrong = "matmul_32x32x4_4x4_direct", second = "matmul_64x64x16_4x4_scalar";
  const ms = (kernel: string) => kernel === wrong ? 0.1 : kernel === second ? 0.3 : 1;
  const { found, faults } = await tuned(square, { ms, wrong: [wrong] });
  assert.equal(found!.form, "64x64x16_4x4_scalar");
  assert.match(
    faults.join(),
    /^a GPU by script computes something else with the form 32x32x4_4x4_direct of a matrix product \(NT 64/,
  );
});

Deno.test("a form that does not compile is left out and told", async () => {
  const { found, faults } = await tuned(square, {
    ms: (kernel) => kernel === "matmul_64x64x16_8x4" ? 0.1 : 1,
    broken: ["matmul_64x64x16_8x4"],
  });
  assert.equal(found!.form, BY_SHAPE.product(square).form);
  assert.match(faults.join(), /^a GPU by script does not compile the form 64x64x16_8x4, .*Cannot compile/);
});

Deno.test("a class for which the device has no memory is left to the form by shape", async () => {
  const device = scriptedDevice({ ms: () => 1, mostWords: 1400 }), { M, N } = square; // y has 2,000
  assert.ok(M * N > 1400);
  const { classes } = await tuneProducts({ device, uses: [square, { ...layer, M: 8, N: 8, K: 8 }] });
  assert.deepEqual(Object.keys(classes), ["NT 8 × 8 × 8 f32"]);
  assert.equal(device.memory().bytes, 0);
});

Deno.test("what is known of this device is not measured again, and what is of another does not count", async () => {
  const device = scriptedDevice({ ms: () => 1 }), asked: [number, number][] = [];
  const onProgress = (done: number, count: number) => asked.push([done, count]);
  const first = await tuneProducts({ device, uses: [square, flat], onProgress });
  assert.deepEqual(asked, [[0, 2], [1, 2]]);
  const again = await tuneProducts({ device, uses: [square, flat], known: [first], onProgress });
  assert.deepEqual(again, first);
  assert.equal(asked.length, 2);
  const foreign = [{ ...first, subject: "another GPU" }];
  assert.deepEqual(await tuneProducts({ device, uses: [square], known: foreign, budgetMs: 0 }), {
    subject: subjectOf(device),
    classes: {},
  });
});

Deno.test("no class is begun after the time is over, and those with most work come first", async () => {
  let looks = 0;
  const device = scriptedDevice({ ms: () => 1 }), now = () => looks++ < 2 ? 0 : 1000;
  const { classes } = await tuneProducts({ device, uses: [square, flat, square], budgetMs: 1000, now });
  assert.deepEqual(Object.keys(classes), [classOf(flat)]);
});

Deno.test("of the class in hand no form is compiled after the time is over but the one by shape", async () => {
  const device = scriptedDevice({ ms: () => 1 }), compiled = new Set<string>();
  const prepare: Device["prepare"] = (dispatches, label) => {
    for (const { kernel } of dispatches) compiled.add(kernel.name);
    return device.prepare(dispatches, label);
  };
  let looks = 0;
  const now = () => looks++ < 2 ? 0 : 1000; // at the beginning and before the class
  await tuneProducts({ device: { ...device, prepare }, uses: [square], budgetMs: 1000, now });
  const byShape = `matmul_${BY_SHAPE.product(square).form}`;
  assert.deepEqual([...compiled], ["matmul", byShape]); // the first one tells how fast the device is
});

Deno.test("every product of a training step is found, in classes that one measurement speaks for", () => {
  const uses = usesIn((choice) => trainingGraph(tinyGpt2, { B: 2, T: 9, choice }));
  // Forward and two gradients of four matrices a layer and of the head, and the head once more for evaluation.
  assert.equal(uses.length, 3 * (2 * 4 + 1) + 1);
  const names = representatives(uses).map(classOf);
  assert.equal(new Set(names).size, names.length);
  assert.deepEqual(new Set(uses.map(classOf)), new Set(names));
});

Deno.test("a class joins sizes up to a power of two, and all from 4,096 on", () => {
  assert.equal(classOf({ ...layer, M: 3, N: 768, K: 50_257 }), "NT 4 × 1024 × 4096 f32");
  assert.equal(
    classOf({ M: 1, N: 1024, K: 5000, TRANSPOSE_A: 1, TRANSPOSE_B: 0, inF16: true }),
    "TN 1 × 1024 × 4096 f16",
  );
});

Deno.test("candidates are few and distinct, begin with the form by shape, and have no tile that is mostly empty", () => {
  for (const M of [1, 4, 5, 64, 512, 4096, 50_257]) {
    for (const N of [1, 64, 768, 3072, 50_257]) {
      for (const K of [1, 512, 768, 4096]) {
        const use = { ...layer, M, N, K }, found = candidatesFor(use), name = `${M} × ${N} × ${K}`;
        assert.deepEqual(found[0], BY_SHAPE.product(use), name);
        assert.ok(found.length >= 2 && found.length <= MOST_CANDIDATES, `${name}: ${found.length}`);
        assert.equal(new Set(found.map(({ form, split }) => `${form} ${split}`)).size, found.length, name);
        assert.ok(found.every(({ form, split }) => split === 1 || (matmulForms.has(form) && K / split >= 128)), name);
      }
    }
  }
});

Deno.test("the forms of a device's matrix units are candidates for the products that they fit", () => {
  const use = { ...layer, M: 2048, N: 768, K: 768 },
    features = new Set(["subgroup-matrix", "subgroup-matrix-f16"] as const);
  const units = (use: ProductUse, ...given: [ReadonlySet<GpuFeature>?]) =>
    candidatesFor(use, ...given).map(({ form }) => form).filter((form) => form.includes("matrix"));
  assert.deepEqual(units(use), []);
  assert.deepEqual(units(use, features), ["64x64x16_matrix"]);
  const inF16 = { ...use, inF16: true, areF16: true };
  assert.deepEqual(units(inF16, features), ["64x64x16_matrix", "64x64x32_matrix_f16", "128x64x16_matrix_f16"]);
  assert.ok(candidatesFor(inF16, features).length <= MOST_CANDIDATES);
});

const example: TunedDevice = {
  subject: subjectOf({ description: "a GPU" }),
  classes: {
    "NT 4 × 64 × 64 f32": { form: "rows", split: 1, sizes: [4, 64, 64], gflops: 2, gflopsByShape: 1 },
    "NT 4096 × 64 × 64 f32": { form: "64x64x16_8x4", split: 8, sizes: [4096, 64, 64], gflops: 2, gflopsByShape: 1 },
  },
};

Deno.test("a GPU has the forms that were measured on it; another, or another kind of device, has not", () => {
  const device = { kind: "webgpu", description: "a GPU", features: new Set<never>() } as const,
    large = { ...layer, M: 4096, N: 64, K: 64 };
  const known: TunedProducts = [{ ...example, subject: "an older driver" }, example];
  assert.equal(choiceOf(device, known).product(large).form, "64x64x16_8x4");
  assert.equal(choiceOf({ ...device, kind: "dawn" }, known).product(large).form, "64x64x16_8x4");
  assert.equal(choiceOf(device, null).product(large).form, BY_SHAPE.product(large).form);
  assert.equal(
    choiceOf({ ...device, description: "a newer GPU" }, known).product(large).form,
    BY_SHAPE.product(large).form,
  );
  assert.equal(choiceOf({ ...device, kind: "cpu" }, known).fuses, false);
});

Deno.test("a measured form is not taken where it is impossible, or takes much memory", () => {
  const choice = choiceOf({ kind: "webgpu", description: "a GPU", features: new Set() }, [example]);
  assert.equal(choice.product({ ...layer, M: 4, N: 64, K: 64 }).form, "rows");
  const rows = { ...example, classes: { "NT 8 × 64 × 64 f32": example.classes["NT 4 × 64 × 64 f32"]! } };
  assert.notEqual(
    choiceOf({ kind: "webgpu", description: "a GPU", features: new Set() }, [rows]).product({
      ...layer,
      M: 5,
      N: 64,
      K: 64,
    }).form,
    "rows",
  );
  const units = { form: "64x64x32_matrix_f16", split: 1, sizes: [64, 64, 64], gflops: 2, gflopsByShape: 1 } as const;
  const [both, one] = ["f16 × f16", "f16"].map((stored) => `NT 64 × 64 × 64 ${stored}`);
  const onUnits = choiceOf({ kind: "dawn", description: "a GPU", features: new Set() }, [
    { ...example, classes: { [both!]: units, [one!]: units } },
  ]);
  const cube = { ...layer, M: 64, N: 64, K: 64, inF16: true };
  assert.equal(onUnits.product({ ...cube, areF16: true }).form, "64x64x32_matrix_f16");
  assert.notEqual(onUnits.product(cube).form, "64x64x32_matrix_f16", "what is in f32 is not rounded to f16");
  assert.equal(choice.product({ ...layer, M: 4096, N: 64, K: 64 }).split, 8);
  assert.equal(choice.product({ ...layer, M: 40_960, N: 64, K: 64 }).split, 1);
});

Deno.test("tuned products outlive their session as JSON; what is damaged or something else is null", () => {
  const text = JSON.stringify([example]);
  assert.deepEqual(parseTuned(text), [example]);
  for (
    const other of [
      "",
      "{}",
      JSON.stringify(example),
      JSON.stringify(Array.from({ length: MOST_DEVICES + 1 }, () => example)),
      text.slice(0, -10),
      text.replace("64x64x16_8x4", "7x7"),
      text.replace('"split":8', '"split":0'),
    ]
  ) {
    assert.equal(parseTuned(other), null, other);
  }
  assert.equal(parseTuned(text.replace('"form":"rows","split":1', '"form":"rows","split":2')), null);
});

Deno.test("what was found now stands before what is known of other devices, and the oldest is forgotten", () => {
  const [small, large] = Object.entries(example.classes).map(([name, found]) => ({ [name]: found }));
  const devices = Array.from({ length: MOST_DEVICES + 3 }, (_, i) => ({ subject: `GPU ${i}`, classes: small! }));
  const known = devices.reduce<TunedProducts>(withTuned, []);
  assert.deepEqual(known.map(({ subject }) => subject), devices.slice(3).reverse().map(({ subject }) => subject));
  const again = withTuned(known, { subject: "GPU 5", classes: large! });
  assert.deepEqual([again.length, again[0]], [MOST_DEVICES, { subject: "GPU 5", classes: { ...small, ...large } }]);
  assert.equal(again.filter(({ subject }) => subject === "GPU 5").length, 1);
});

gpuTest("products are tuned on a GPU, by whatever it is timed with, and nothing stays allocated", async () => {
  const device = await testDevice(), bytes = device.memory().bytes, faults: string[] = [];
  const uses = [square, { ...flat, inF16: device.storesF16 }, { ...layer, M: 2, N: 30, K: 40 }];
  const { subject, classes } = await tuneProducts({ device, uses, onFault: (message) => faults.push(message) });
  assert.equal(subject, subjectOf(device));
  assert.deepEqual(faults, []);
  assert.deepEqual(Object.keys(classes).sort(), uses.map(classOf).sort());
  for (const { gflops, gflopsByShape } of Object.values(classes)) assert.ok(gflops >= gflopsByShape && gflops > 0);
  assert.equal(device.memory().bytes, bytes);
});
