import { strict as assert } from "node:assert";
import { matmul } from "../../kernels/matmul.ts";
import { blasTest } from "../../tests/kernels/blas.ts";
import { blasChoice, findBlas, openBlas, usualFiles } from "./blas.ts";
import { type Sgemm, whyWrong } from "./blas_check.ts";
import { openCpuDevice } from "./cpu.ts";

blasTest("a library of this machine passes its self-test, and has a name", ({ name, file }) => {
  using blas = openBlas(file);
  assert.equal(blas.name, name);
  assert.equal(whyWrong((bytes) => blas.over(bytes)), null);
});

blasTest("a library multiplies matrices that lie in a shared memory, also where that has grown", ({ file }) => {
  using blas = openBlas(file);
  const memory = new WebAssembly.Memory({ initial: 1, maximum: 4, shared: true });
  const sgemm = blas.over(new Uint8Array(memory.buffer));
  memory.grow(3);
  const values = new Float32Array(memory.buffer), y = 3 * 65_536;
  values.set([1, 2, 3, 4]);
  sgemm({
    ...{ M: 2, N: 2, K: 2, adds: false, y: { at: y, stride: 2 } },
    a: { at: 0, stride: 2, transposed: false },
    b: { at: 0, stride: 2, transposed: true },
  });
  assert.deepEqual([...values.subarray(y / 4, y / 4 + 4)], [5, 11, 11, 25]);
});

Deno.test("a library that is off, absent or none of matrix products is not used, and the reason is told", () => {
  const why = (choice: string) => findBlas(choice).problem;
  assert.equal(why("off"), "STARLING_BLAS is off");
  assert.match(why("/nowhere/libblas.so")!, /^\/nowhere\/libblas\.so cannot be opened \(.+\)$/);
  assert.match(why(import.meta.filename!)!, /blas_test\.ts cannot be opened \(/);
});

Deno.test("a library without cblas_sgemm is refused", { ignore: Deno.build.os !== "linux" }, () => {
  assert.equal(findBlas("libm.so.6").problem, "libm.so.6 has no function cblas_sgemm");
});

Deno.test("without permission a device opens all the same, and asks nobody", {
  permissions: { ffi: false, read: true },
}, async () => {
  assert.match(findBlas("libopenblas.so.0").problem!, /^libopenblas\.so\.0 needs the permission --allow-ffi$/);
  await using device = await openCpuDevice({ threads: 1 });
  assert.equal(device.description, "cpu (WebAssembly SIMD, 1 thread)");
});

Deno.test("where there is no Deno, as in a browser, no library is looked for", () => {
  const { Deno: deno } = globalThis;
  Reflect.deleteProperty(globalThis, "Deno");
  try {
    assert.equal(blasChoice(), "auto");
    assert.equal(findBlas("auto").problem, "a browser has no foreign function interface");
  } finally {
    globalThis.Deno = deno;
  }
});

Deno.test("a file that is none leaves products in WebAssembly", async () => {
  await using device = await openCpuDevice({ threads: 2, blas: "/nowhere/libblas.so" });
  assert.equal(device.description, "cpu (WebAssembly SIMD, 2 threads)");
});

Deno.test("on Windows a library is looked for in the folders of PATH, never in the current one", () => {
  const files = usualFiles("windows", ".;C:\\math\\;;lib;D:\\blas");
  assert.deepEqual(files.slice(0, 2), ["C:\\math\\libopenblas.dll", "D:\\blas\\libopenblas.dll"]);
  assert.ok(files.every((file) => /^[CD]:\\/.test(file)));
  assert.deepEqual(usualFiles("windows", ""), []);
  assert.ok(usualFiles("linux", "/usr/bin").every((file) => !file.includes("/")));
});

/** A library in TypeScript, right but for what `harm` does to the call and to each value. */
function library(
  { call = (call) => call, value = (value) => value, also = () => {} }: {
    readonly call?: (call: Parameters<Sgemm>[0]) => Parameters<Sgemm>[0];
    readonly value?: (value: number) => number;
    readonly also?: (values: Float32Array, call: Parameters<Sgemm>[0]) => void;
  } = {},
): (bytes: Uint8Array) => Sgemm {
  return (bytes) => {
    const values = new Float32Array(bytes.buffer);
    return (given) => {
      const { M, N, K, a, b, y, adds } = call(given);
      const part = ({ at, stride }: typeof y, row: number, column: number) => at / 4 + row * stride + column;
      for (let m = 0; m < M; m++) {
        for (let n = 0; n < N; n++) {
          let sum = 0;
          for (let k = 0; k < K; k++) {
            sum += value(values[a.transposed ? part(a, k, m) : part(a, m, k)]!) *
              value(values[b.transposed ? part(b, n, k) : part(b, k, n)]!);
          }
          const at = part(y, m, n);
          values[at] = adds ? values[at]! + sum : sum;
        }
      }
      also(values, given);
    };
  };
}

Deno.test("the self-test passes a right library, and refuses what wrong ones do", () => {
  assert.equal(whyWrong(library()), null);
  const wrong: readonly Parameters<typeof library>[0][] = [
    { call: (call) => ({ ...call, adds: false }) },
    { call: (call) => ({ ...call, adds: true }) }, // what y held was NaN
    { call: (call) => ({ ...call, a: { ...call.a, transposed: false } }) },
    { call: (call) => ({ ...call, b: { ...call.b, transposed: !call.b.transposed } }) },
    { call: (call) => ({ ...call, y: { ...call.y, stride: call.N } }) },
    { call: (call) => ({ ...call, K: Math.max(1, call.K & ~3) }) },
    { value: bfloat16 },
    { also: (values, { y, N }) => values[y.at / 4 + N] = 0 },
    { also: (values, { y }) => values[y.at / 4 - 1] = 0 },
    { also: (values, { y }) => values[y.at / 4] = NaN },
  ];
  for (const [i, harm] of wrong.entries()) {
    assert.match(whyWrong(library(harm)) ?? "", /^its product of \d+×\d+ and \d+×\d+ .* is wrong$/, `harm ${i}`);
  }
});

/** The upper half of an f32: what a library that trades digits for speed computes with. */
function bfloat16(value: number): number {
  return new Float32Array(
    new Uint32Array([new Uint32Array(new Float32Array([value]).buffer)[0]! & 0xffff_0000]).buffer,
  )[0]!;
}

blasTest("a product too small for a call stays in WebAssembly, with its bits", async ({ file }) => {
  // A library adds the bias to the whole sum, WebAssembly the products to the bias: that shows in the bits.
  const shape = { M: 4, N: 8, K: 4, TRANSPOSE_A: 0, TRANSPOSE_B: 0, BIAS: 1, RESIDUAL: 0, ACCUMULATE: 0 };
  const bits = async (blas: string) => {
    await using device = await openCpuDevice({ threads: 1, blas });
    const spans = Object.fromEntries(
      Object.entries(matmul.bindings).map(([name, { length }]) => {
        const words = length(shape), buffer = device.allocate(words, name);
        device.write({ buffer, start: 0, words }, Float32Array.from({ length: words }, (_, i) => Math.sqrt(i + 1)));
        return [name, { buffer, start: 0, words }];
      }),
    );
    device.run(await device.prepare([{ kernel: matmul, shape, spans }], "small"));
    return [...(await device.read([spans["y"]!]))[0]!];
  };
  assert.deepEqual(await bits(file), await bits("off"));
});
