/**
 * Every shader compiles under both compilers, and says what its contract says.
 *
 * The compilers are naga (Deno, Firefox) and Tint (Chrome, Edge, Dawn). They accept different programs: naga does not
 * look for barriers in divergent control flow and does not count workgroup memory, Tint does both. Tint runs on Dawn's
 * null backend, which needs no GPU, and with WebGPU's default limits: 16 KiB of workgroup memory, 8 storage buffers and
 * 256 invocations, which every GPU has.
 */
import { strict as assert } from "node:assert";
import { forms, kernels } from "../../kernels/all.ts";
import type { Kernel, Shape } from "../../kernels/kernel.ts";
import { type KernelText, textsOf } from "../../kernels/kernel_text.ts";
import type { F16Bindings } from "../../kernels/stored.ts";
import {
  matmulGeluBackwardMatrixForms,
  matmulGeluMatrixForms,
  matmulMatrixForms,
  matmulSwigluBackwardMatrixForms,
  MATRIX_TILINGS,
} from "../../kernels/matmul_matrix.ts";
import type { MatrixTiling } from "../../kernels/matrix_product.ts";
import { whole, wordsOf } from "../../runtime/device/device.ts";
import { gpuTest, testDevice } from "./check.ts";
import { SHAPES } from "./shapes.ts";
import type { TintJob } from "./tint.ts";
import { f16Variants, operationOf, withText } from "./variants.ts";

const all = [...kernels, ...forms];
const MATRIX_FORMS: readonly ReadonlyMap<string, Kernel>[] = [
  matmulMatrixForms,
  matmulGeluMatrixForms,
  matmulGeluBackwardMatrixForms,
  matmulSwigluBackwardMatrixForms,
];

/** What stands in the texts of several kernels, and is compiled with each of them. */
const PARTS_OF_TEXTS = ["attention_tiles.wgsl"];

const refusals = await compileUnderTint([
  ...all.flatMap((kernel) => uses(kernel).map((use) => jobOf(kernel, use))),
  ...MATRIX_TILINGS.flatMap((tiling) => matrixJobs(tiling)),
  probe("16 KiB", "4096", "workgroupBarrier();"),
  probe("16 KiB and a word", "4097", "workgroupBarrier();"),
  probe("a barrier in divergent flow", "64", "if (lane > 3u) { workgroupBarrier(); }"),
]);

Deno.test("every .wgsl in kernels/ is that of a kernel in kernels/all.ts, or a part of several, and has shapes here", () => {
  const files = [...Deno.readDirSync(new URL("../../kernels", import.meta.url))].map(({ name }) => name);
  const shaders = files.filter((name) => name.endsWith(".wgsl") && !PARTS_OF_TEXTS.includes(name))
    .map((name) => name.slice(0, -".wgsl".length)).sort();
  assert.deepEqual(kernels.map(({ name }) => name).sort(), shaders);
  assert.deepEqual(Object.keys(SHAPES).sort(), shaders);
});

for (const kernel of all) {
  const shapes = shapesOf(kernel);

  Deno.test(`the text of ${kernel.name} declares the constants and bindings of its contract`, () => {
    for (const source of new Set([kernel, ...kernel.variants ?? []].map(({ source }) => source))) {
      const text = source.replaceAll(/\/\/.*$/gm, "");
      const overrides = [...text.matchAll(/\boverride\s+(\w+)/g)].map((match) => match[1]).sort();
      for (const shape of shapes) assert.deepEqual(overrides, Object.keys(shape).sort());
      const declared = declaredBindings(text);
      assert.deepEqual(
        declared,
        Object.entries(kernel.bindings).map(([name, { access, type, stored }], binding) => {
          const mayBeWide = type === "f32" && declared[binding]?.type === "reals";
          return {
            binding,
            name,
            access: access === "write" ? "read_write" : "read",
            type: stored ? `stored_${name}` : mayBeWide ? "reals" : type,
          };
        }),
      );
    }
  });

  for (const { text, shapes, f16 } of uses(kernel)) {
    const name = nameOf(text, f16);

    gpuTest(`${name} compiles under naga`, async () => {
      const device = await testDevice();
      if (text.needs !== undefined && !device.features.has(text.needs)) return; // it was said when it was opened
      for (const shape of shapes) {
        const spans = Object.fromEntries(
          Object.entries(kernel.bindings).map(([name, { length }]) => {
            const type = f16.includes(name) ? "f16" : "f32", words = wordsOf(length(shape), type);
            return [name, {
              ...whole(device.allocate(words, name)),
              ...(type === "f16" ? { type: "f16" as const } : {}),
            }];
          }),
        );
        await device.prepare([{ kernel: withText(kernel, text.name), shape, spans }], name);
        Object.values(spans).forEach(({ buffer }) => device.free(buffer));
      }
    });

    Deno.test(`${name} compiles under Tint within WebGPU's default limits`, () => {
      assert.equal(refusals.get(name), null);
    });
  }
}

Deno.test("every variant of a kernel fits one of its shapes here, so that it is compiled and compared", () => {
  for (const kernel of all) {
    const reached = new Set(shapesOf(kernel).flatMap((shape) => textsOf(kernel, shape)).map(({ name }) => name));
    for (const { name } of kernel.variants ?? []) {
      assert.ok(reached.has(`${kernel.name} ${name}`), `${kernel.name} ${name}`);
    }
  }
});

Deno.test("Tint refuses what naga lets pass: a barrier in divergent flow, and more than 16 KiB of workgroup memory", () => {
  assert.equal(refusals.get("16 KiB"), null);
  assert.match(refusals.get("16 KiB and a word")!, /workgroup/);
  assert.match(refusals.get("a barrier in divergent flow")!, /uniform/);
});

for (const { name } of MATRIX_FORMS.flatMap((forms) => [...forms.values()])) {
  Deno.test(`${name}, on matrix units, compiles under Tint within WebGPU's default limits`, () => {
    assert.equal(refusals.get(name), null);
  });
}

interface Use {
  readonly text: KernelText;
  /** Those of `SHAPES` that it fits. */
  readonly shapes: readonly Shape[];
  readonly f16: F16Bindings;
}

/**
 * Every text of a kernel, all in f32, then in every other way in which training has it; of the tilings of one operation,
 * only the first in all. Matrix units, which naga does not know, are apart.
 */
function uses(kernel: Kernel): readonly Use[] {
  const found = shapesOf(kernel).flatMap((shape) => textsOf(kernel, shape).map((text) => ({ text, shape })));
  const f16Uses = [[], ...f16Variants(kernel).slice(0, kernels.includes(kernel) ? Infinity : 1)];
  return [...Map.groupBy(found, ({ text }) => text.name).values()].flatMap((uses) =>
    f16Uses.map((f16) => ({ text: uses[0]!.text, shapes: uses.map(({ shape }) => shape), f16 }))
  );
}

function jobOf({ bindings, reduces }: Kernel, { text, shapes, f16 }: Use): TintJob {
  return { ...text, name: nameOf(text, f16), bindings, ...(reduces && { reduces }), shapes, f16 };
}

/** With operands as its units take them. */
function matrixJobs({ name, component }: MatrixTiling): TintJob[] {
  return MATRIX_FORMS.map((forms) => {
    const kernel = forms.get(name)!, shapes = SHAPES[kernel.name.slice(0, -name.length - 1)]!;
    const text = textsOf(kernel, shapes[0]!)[0]!, stored = Object.entries(kernel.bindings);
    const f16 = component === "f16" ? stored.flatMap(([name, { stored }]) => stored === true ? [name] : []) : [];
    return { ...jobOf(kernel, { text, shapes, f16 }), name: kernel.name };
  });
}

function shapesOf(kernel: Kernel): readonly Shape[] {
  return SHAPES[operationOf(kernel)] ?? [];
}

function nameOf({ name }: Pick<KernelText, "name">, f16: F16Bindings): string {
  return f16.length === 0 ? name : `${name} with ${f16.join(", ")} in f16`;
}

function probe(name: string, memoryWords: string, body: string): TintJob {
  const source = `var<workgroup> shares: array<f32, ${memoryWords}>; @compute @workgroup_size(64)
    fn main(@builtin(local_invocation_index) lane: u32) { ${body} shares[lane] = 1.0; }`;
  return { name, source, needs: undefined, width: 1, widths: undefined, bindings: {}, shapes: [{}], f16: [] };
}

/** By name: null, or why it does not compile. */
async function compileUnderTint(jobs: readonly TintJob[]): Promise<ReadonlyMap<string, string | null>> {
  const program = new URL("./tint.ts", import.meta.url).pathname;
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", program],
    stdin: "piped",
    stdout: "piped",
  }).spawn();
  const input = new Blob([JSON.stringify(jobs)]).stream().pipeTo(child.stdin);
  const { code, stdout } = await child.output();
  await input;
  assert.equal(code, 0, "the process of the second compiler ended with an error, printed above");
  return new Map(JSON.parse(new TextDecoder().decode(stdout)));
}

function declaredBindings(text: string) {
  const declaration = /@group\(0\)\s*@binding\((\d+)\)\s*var<storage,\s*(\w+)>\s*(\w+)\s*:\s*array<(\w+)>/g;
  return [...text.matchAll(declaration)].map(([, binding, access, name, type]) => {
    return { binding: Number(binding), name, access, type };
  });
}
