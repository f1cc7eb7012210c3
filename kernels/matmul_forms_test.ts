import { strict as assert } from "node:assert";
import { checkKernel, gpuTest, noise, U } from "../tests/kernels/check.ts";
import { evaluate } from "../tests/kernels/finite_differences.ts";
import type { Kernel } from "./kernel.ts";
import { textsOf } from "./kernel_text.ts";
import { matmul, matmulForms, type MatmulShape } from "./matmul.ts";
import { matmulPartial, matmulPartialForms, type MatmulPartialShape } from "./matmul_partial.ts";
import { fitsRows, matmulRows } from "./matmul_rows.ts";
import { matmulSum } from "./matmul_sum.ts";
import { partLength } from "./tiled_product.ts";
import { isStaged, lanesOf, TILINGS } from "./tiling.ts";

const plain = { TRANSPOSE_A: 0, TRANSPOSE_B: 0, BIAS: 0, RESIDUAL: 0, ACCUMULATE: 0 };

/** No side is a multiple of a tile's; less than a tile; whole tiles. */
const odd = { M: 131, N: 67, K: 37 }, small = { M: 5, N: 23, K: 3 }, exact = { M: 128, N: 256, K: 32 };
/** Rows that are multiples of four and no side a multiple of a tile's, for what reads four values at once. */
const fours = { M: 132, N: 76, K: 44 };
const transposes = [[0, 0], [0, 1], [1, 0], [1, 1]] as const;
/** Products of which some rows alone are multiples of four: those that make odd logits, and that take their gradient. */
const someFours = [
  { name: "to one", M: 132, N: 77, K: 44, TRANSPOSE_A: 0, TRANSPOSE_B: 1 },
  { name: "but a", M: 132, N: 76, K: 45, TRANSPOSE_A: 0, TRANSPOSE_B: 0 },
  { name: "but a", M: 131, N: 76, K: 44, TRANSPOSE_A: 1, TRANSPOSE_B: 0 },
];

for (const [t, { name, staging }] of TILINGS.entries()) {
  gpuTest(`the tiling ${name} makes products within rounding, however operands are stored`, async () => {
    for (const [i, [TRANSPOSE_A, TRANSPOSE_B]] of transposes.entries()) {
      // One each that is small and that is exact: which transposes have them changes from tiling to tiling.
      const sizes = staging === "blocks"
        ? [fours, ...(i < 2 ? [[odd, small][(i + t) % 2]!] : [])]
        : [odd, (i + t) % 2 === 0 ? small : exact].slice(0, i < 2 ? 2 : 1);
      for (const size of sizes) {
        const added = { BIAS: i % 2, RESIDUAL: i === 3 ? 1 : 0, ACCUMULATE: i === 1 ? 1 : 0 };
        const shape = { ...plain, ...size, TRANSPOSE_A, TRANSPOSE_B, ...added };
        await checkProduct(matmulForms.get(name)!, shape, {
          inF16: size === small || (size === fours && i === 1),
          allTexts: size !== fours, // the others compute the other sizes
        });
      }
    }
  });

  if (staging === "blocks") {
    gpuTest(`the tiling ${name} takes four values at once of those operands that have rows for it`, async () => {
      for (const [i, { name: variant, ...sizes }] of someFours.entries()) {
        const form = matmulForms.get(name)!, shape = { ...plain, ...sizes, ACCUMULATE: i % 2, BIAS: (i + 1) % 2 };
        assert.equal(textsOf(form, shape)[0]!.name, `${form.name} vec4 ${variant}`);
        await checkProduct(form, shape, { inF16: (i + t) % 3 === 0, allTexts: false });
      }
    });
  }

  gpuTest(`the tiling ${name} makes products in parts within rounding`, async () => {
    for (const [i, [TRANSPOSE_A, TRANSPOSE_B]] of transposes.entries()) {
      const isBlocks = staging === "blocks";
      const size = [isBlocks ? { M: 36, N: 36, K: 108 } : { M: 33, N: 35, K: 101 }, { M: 3, N: 130, K: 64 }][i % 2]!;
      const shape = { ...size, TRANSPOSE_A, TRANSPOSE_B, SPLIT: 3 };
      const { M, N, K } = shape, inputs = { a: noise(M * K, 1), b: noise(K * N, 2) };
      const tolerances = { partial: roundings(matmulPartial, { shape, inputs, output: "partial", count: K }) };
      await checkKernel(matmulPartialForms.get(name)!, { shape, inputs, tolerances, inF16: i === 1 });
    }
  });
}

for (const M of [1, 2, 3, 4]) {
  gpuTest(`matmul_rows makes ${M} of them within rounding`, async () => {
    const sizes = [{ N: 1, K: 1 }, { N: 67, K: 131 }, { N: 20, K: 300 }, { N: 12, K: 36 }];
    for (const [i, { N, K }] of sizes.entries()) {
      const shape = {
        ...plain,
        M,
        N,
        K,
        TRANSPOSE_B: 1,
        BIAS: i % 2,
        RESIDUAL: i % 2,
        ACCUMULATE: i === 2 ? 1 : 0,
      };
      assert.ok(fitsRows(shape));
      await checkProduct(matmulRows, shape, { inF16: false });
    }
  });
}

const switches = [[0, 0, 1], [1, 1, 0], [1, 0, 1]] as const;
for (const SPLIT of [1, 2, 5]) {
  gpuTest(`matmul_sum adds ${SPLIT} parts, and what belongs to the whole, within rounding`, async () => {
    for (const [i, [BIAS, RESIDUAL, ACCUMULATE]] of switches.entries()) {
      const shape = { M: 7, N: 41, SPLIT, BIAS, RESIDUAL, ACCUMULATE }, count = 7 * 41;
      const inputs = {
        partial: noise(SPLIT * count, 1),
        bias: noise(BIAS === 1 ? 41 : 1, 2),
        residual: noise(RESIDUAL === 1 ? count : 1, 3),
        ...(ACCUMULATE === 1 ? { y: noise(count, 4) } : {}),
      };
      const tolerances = { y: roundings(matmulSum, { shape, inputs, output: "y", count: SPLIT }) };
      await checkKernel(matmulSum, { shape, inputs, tolerances, inF16: i === 0 });
    }
  });
}

Deno.test("a product in parts is the whole product once the parts are added", () => {
  const M = 3, N = 4, K = 150, SPLIT = 4, a = noise(M * K, 1), b = noise(K * N, 2);
  const [wanted] = evaluate(matmul, { shape: { ...plain, M, N, K }, inputs: { a, b }, outputs: ["y"] });
  const shape: MatmulPartialShape = { M, N, K, TRANSPOSE_A: 0, TRANSPOSE_B: 0, SPLIT };
  const [partial] = evaluate(matmulPartial, { shape, inputs: { a, b }, outputs: ["partial"] });
  const [found] = evaluate(matmulSum, {
    shape: { ...plain, M, N, SPLIT },
    inputs: { partial: partial! },
    outputs: ["y"],
  });
  found!.forEach((value, i) => assert.ok(Math.abs(value - wanted![i]!) < 1e-12, `at ${i}`));
});

Deno.test("the parts of K are whole slices of every tiling, and cover K", () => {
  for (const [K, split] of [[1, 1], [150, 4], [768, 3], [50_257, 8], [33, 2]] as const) {
    const length = partLength(K, split);
    assert.ok(length * split >= K, `${K} in ${split}`);
    for (const { BK } of TILINGS) assert.equal(length % BK, 0);
  }
});

Deno.test("every tiling keeps within what WebGPU grants everywhere, and its invocations share all work evenly", () => {
  for (const tiling of TILINGS) {
    const { name, BM, BN, BK, TM, TN, staging } = tiling, lanes = lanesOf(tiling);
    assert.ok(lanes <= 256, name);
    const words = !isStaged(tiling) ? 0 : staging === "scalar" ? BK * (BM + BN + 2) : BK * (BM + BN + 8);
    assert.ok(4 * words <= 16_384, name);
    if (staging === "blocks") assert.deepEqual([BK % 4, TN % 8], [0, 0], name); // two matrices have a vector each
    for (const side of isStaged(tiling) ? [BM, BN] : []) {
      assert.equal(BK * side / (staging === "scalar" ? 1 : 4) % lanes, 0, name);
    }
    const rows = staging === "subgroups" ? [BM - TM, TM % 8] : [BM % (2 * TM), TM % 4]; // or: all have the same rows
    assert.deepEqual([...rows, BN % (2 * TN), TN % 4], [0, 0, 0, 0], name);
  }
  assert.equal(new Set(TILINGS.map(({ name }) => name)).size, TILINGS.length);
});

async function checkProduct(
  form: Kernel<MatmulShape>,
  shape: MatmulShape,
  options: { readonly inF16: boolean; readonly allTexts?: boolean },
): Promise<void> {
  const { M, N, K, BIAS, RESIDUAL, ACCUMULATE } = shape;
  const inputs = {
    a: noise(M * K, 1),
    b: noise(K * N, 2),
    bias: noise(BIAS === 1 ? N : 1, 3),
    residual: noise(RESIDUAL === 1 ? M * N : 1, 5),
    ...(ACCUMULATE === 1 ? { y: noise(M * N, 4) } : {}),
  };
  const tolerances = { y: roundings(matmul, { shape, inputs, output: "y", count: K }) };
  await checkKernel(form, { shape, inputs, tolerances, ...options });
}

/** As in `matmul_test.ts`: of a sum of `count` terms, some √count roundings of the sum of the terms' sizes. */
function roundings<S extends Readonly<Record<string, number>>>(
  kernel: Kernel<S>,
  { shape, inputs, output, count }: {
    shape: S;
    inputs: Readonly<Record<string, Float32Array>>;
    output: string;
    count: number;
  },
) {
  const sizes = Object.fromEntries(Object.entries(inputs).map(([name, values]) => [name, values.map(Math.abs)]));
  const [size] = evaluate(kernel, { shape, inputs: sizes, outputs: [output] });
  return (_: number, i: number) => (8 + 2 * Math.sqrt(count)) * U * size![i]!;
}
