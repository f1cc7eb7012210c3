import { strict as assert } from "node:assert";
import { checkKernel, gpuTest, noise } from "../tests/kernels/check.ts";
import { evaluate } from "../tests/kernels/finite_differences.ts";
import { columnsOf, largest, relativeDistance } from "../tests/kernels/rows.ts";
import { attention, type AttentionShape } from "./attention.ts";
import { headOffsets, packedWidth } from "./packed_heads.ts";

Deno.test("attention looks at no later position", () => {
  const shape = { B: 1, T: 4, H: 2, G: 1, D: 3 }, width = packedWidth(shape), qkv = noise(4 * width, 1);
  const [y] = evaluate(attention, { shape, inputs: { qkv }, outputs: ["y"] });
  const changed = qkv.map((value, i) => i < 3 * width ? value : 9); // the last position
  const [yChanged] = evaluate(attention, { shape, inputs: { qkv: changed }, outputs: ["y"] });
  assert.deepEqual(yChanged.subarray(0, 18), y.subarray(0, 18));
  assert.notDeepEqual(yChanged.subarray(18), y.subarray(18));
});

Deno.test("attention with equal keys is the mean of the values so far", () => {
  const shape = { B: 1, T: 3, H: 1, G: 1, D: 1 };
  const qkv = [5, 2, 10, -3, 2, 20, 1, 2, 60]; // q, k, v of each position
  const [y, lse] = evaluate(attention, { shape, inputs: { qkv }, outputs: ["y", "lse"] });
  const wanted = [10, 15, 30], wantedLse = [10, -6 + Math.log(2), 2 + Math.log(3)];
  y.forEach((value, t) => assert.ok(Math.abs(value - wanted[t]!) < 1e-12, `y at ${t}: ${value}`));
  lse.forEach((value, t) => assert.ok(Math.abs(value - wantedLse[t]!) < 1e-12, `lse at ${t}: ${value}`));
});

Deno.test("attention with shared key-value heads equals attention with the shared heads repeated", () => {
  const B = 2, T = 3, H = 4, G = 2, D = 2, shared = { B, T, H, G, D }, repeated = { ...shared, G: H };
  const qkv = noise(B * T * packedWidth(shared), 1), wide = packedWidth(repeated);
  const spread = new Float64Array(B * T * wide);
  for (let row = 0; row < B * T; row++) {
    for (let h = 0; h < H; h++) {
      const from = headOffsets(shared, h), to = headOffsets(repeated, h);
      for (const part of ["q", "k", "v"] as const) {
        const start = row * packedWidth(shared) + from[part];
        spread.set(qkv.subarray(start, start + D), row * wide + to[part]);
      }
    }
  }
  const [found] = evaluate(attention, { shape: shared, inputs: { qkv }, outputs: ["y"] });
  const [wanted] = evaluate(attention, { shape: repeated, inputs: { qkv: spread }, outputs: ["y"] });
  assert.deepEqual(found, wanted);
});

// Tiles are 32 rows × 32 keys, heads go by in slices of 32: one below and above of each, and the largest head.
for (
  const shape of [
    { B: 1, T: 1, H: 1, G: 1, D: 1 },
    { B: 2, T: 33, H: 4, G: 2, D: 20 },
    { B: 1, T: 31, H: 3, G: 1, D: 33 },
    { B: 1, T: 64, H: 2, G: 2, D: 32 },
    { B: 1, T: 71, H: 1, G: 1, D: 128 },
  ]
) {
  gpuTest(`attention on a GPU equals its reference for ${describe(shape)}`, async () => {
    await check(shape, noise(shape.B * shape.T * packedWidth(shape), 1, 2));
  });
}

gpuTest("attention on a GPU survives scores of ±80, which single out one key", async () => {
  const shape = { B: 1, T: 67, H: 2, G: 1, D: 16 };
  const qkv = noise(shape.T * packedWidth(shape), 1, 12);
  const [lse] = evaluate(attention, { shape, inputs: { qkv }, outputs: ["lse"] });
  assert.ok(largest(lse) > 80, "the scores are as large as the test says");
  await check(shape, qkv);
});

async function check(shape: AttentionShape, qkv: Float32Array): Promise<void> {
  const { B, T, H, G, D } = shape, columns = H * D;
  const [wanted] = evaluate(attention, { shape, inputs: { qkv }, outputs: ["y"] });
  const v = columnsOf(qkv, { columns: packedWidth(shape), first: (H + G) * D, count: G * D });
  const { y } = await checkKernel(attention, {
    shape,
    inputs: { qkv },
    tolerances: {
      // An output is a mean of values: it errs by the error of its weights, relative to the largest value.
      y: () => 2e-5 * largest(v),
      // log is good to 2⁻²¹ near 1; a large lse is rounded as the scores are, a few units of its last place.
      lse: (wanted) => 2e-6 * Math.max(1, Math.abs(wanted)),
    },
  });
  for (let b = 0; b < B; b++) {
    for (let h = 0; h < H; h++) {
      const head = (matrix: ArrayLike<number>) =>
        columnsOf(matrix, { columns, first: h * D, count: D }).subarray(b * T * D, (b + 1) * T * D);
      const distance = relativeDistance(head(y!), head(wanted));
      // Errors of independent keys average out: ten times less than the bound of a single output.
      assert.ok(distance <= 3e-6, `head ${h} of sequence ${b} is off by ${distance}`);
    }
  }
}

function describe({ B, T, H, G, D }: AttentionShape): string {
  return `${B} × ${T} positions, ${H} heads on ${G} of ${D}`;
}
