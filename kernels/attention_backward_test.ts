import { strict as assert } from "node:assert";
import { checkKernel, gpuTest, noise, U } from "../tests/kernels/check.ts";
import { evaluate, expectGradient, innerProduct } from "../tests/kernels/finite_differences.ts";
import { columnsOf, largest, relativeDistance } from "../tests/kernels/rows.ts";
import { attention, type AttentionShape } from "./attention.ts";
import { attentionBackwardKeyValue } from "./attention_backward_key_value.ts";
import { attentionBackwardQuery } from "./attention_backward_query.ts";
import { packedWidth } from "./packed_heads.ts";

Deno.test("attention's two backward references together agree with finite differences", () => {
  const shape = { B: 2, T: 5, H: 4, G: 2, D: 3 }, { B, T, H, D } = shape;
  const qkv = noise(B * T * packedWidth(shape), 1, 2), dy = noise(B * T * H * D, 2);
  const [y, lse] = evaluate(attention, { shape, inputs: { qkv }, outputs: ["y", "lse"] });
  const inputs = { qkv, dy, lse };
  const [dot, dq] = evaluate(attentionBackwardQuery, { shape, inputs: { ...inputs, y }, outputs: ["dot", "dqkv"] });
  const [gradient] = evaluate(attentionBackwardKeyValue, {
    shape,
    inputs: { ...inputs, dot, dqkv: dq },
    outputs: ["dqkv"],
  });
  const scalar = (qkv: Float64Array) =>
    innerProduct(dy, evaluate(attention, { shape, inputs: { qkv }, outputs: ["y"] })[0]);
  expectGradient({ name: "qkv", at: qkv, scalar, gradient });

  // Also part by part: an error in one must not hide behind the size of another.
  const columns = packedWidth(shape);
  for (const [name, { first, count }] of Object.entries(parts(shape))) {
    const scalarOfPart = (part: Float64Array) => {
      const changed = Float64Array.from(qkv, (value, i) => {
        const column = i % columns - first;
        return column >= 0 && column < count ? part[Math.floor(i / columns) * count + column]! : value;
      });
      return scalar(changed);
    };
    const part = (matrix: ArrayLike<number>) => columnsOf(matrix, { columns, first, count });
    expectGradient({ name, at: part(qkv), scalar: scalarOfPart, gradient: part(gradient) });
  }
});

// As in `attention_test.ts`: one below and above a tile and a slice, shared heads, and the largest head.
for (
  const shape of [
    { B: 1, T: 1, H: 1, G: 1, D: 1 },
    { B: 2, T: 33, H: 4, G: 2, D: 20 },
    { B: 1, T: 31, H: 3, G: 1, D: 33 },
    { B: 1, T: 67, H: 1, G: 1, D: 128 },
  ]
) {
  const { B, T, H, G, D } = shape, size = `${B} × ${T}, ${H} heads on ${G} of ${D}`;
  gpuTest(`attention's backward on a GPU equals its references for ${size}`, async () => {
    await check(shape);
  });
}

gpuTest("attention's backward on a GPU survives scores so low that exp(−lse) overflows", async () => {
  // Rows that fill up a tile have score 0; their weight would be exp(100), and infinite, if it were not masked.
  const shape = { B: 1, T: 33, H: 1, G: 1, D: 4 }, row = [10, 10, 10, 10, -5, -5, -5, -5, 0, 0, 0, 0];
  const { y: _, ...inputs } = saved(shape, noise(33 * 12, 1, 0.1).map((value, i) => value + row[i % 12]!));
  // The queries' common part cancels in dk: an error is relative to the terms of its sum.
  const size = largest(inputs.qkv) * largest(inputs.dy);
  await checkKernel(attentionBackwardKeyValue, { shape, inputs, tolerances: { dqkv: () => 2e-5 * size } });
});

async function check(shape: AttentionShape): Promise<void> {
  const { B, T, D } = shape, columns = packedWidth(shape), { q, k, v } = parts(shape);
  const { dot, y, ...inputs } = saved(shape, noise(B * T * columns, 1, 2)), { dy } = inputs;
  const sizes = dotSizes(shape, { dy, y });

  const cases = [[attentionBackwardQuery, { y }, [q]], [attentionBackwardKeyValue, { dot }, [k, v]]] as const;
  for (const [kernel, own, written] of cases) {
    // Unwritten parts are NaN in both, and equal.
    const [wanted] = evaluate(kernel, { shape, inputs: { ...inputs, ...own }, outputs: ["dqkv"] });
    const { dqkv } = await checkKernel(kernel, {
      shape,
      inputs: { ...inputs, ...own },
      tolerances: {
        // p carries the roundings of its score, some 1e-6; dp − dot cancels by up to ten times.
        dqkv: () => 2e-5 * Math.max(largest(dy), largest(wanted)),
        // A sum of D products, as in matmul.
        ...(kernel === attentionBackwardQuery && { dot: (_, i) => (8 + 2 * Math.sqrt(D)) * U * sizes[i]! }),
      },
    });
    if (T === 1) continue; // one key: softmax has no gradient, and what is left of dq and dk is rounding
    for (const { first, count } of written) {
      for (let head = first; head < first + count; head += D) {
        const at = { columns, first: head, count: D };
        const distance = relativeDistance(columnsOf(dqkv!, at), columnsOf(wanted, at));
        assert.ok(distance <= 2e-5, `${kernel.name}: the head at column ${head} is off by ${distance}`);
      }
    }
  }
}

/** What a forward pass leaves for the backward one, rounded as on a GPU: only the backward kernels' error is measured. */
function saved(shape: AttentionShape, qkv: Float32Array) {
  const { B, T, H, D } = shape, dy = noise(B * T * H * D, 2);
  const [y, lse] = evaluate(attention, { shape, inputs: { qkv }, outputs: ["y", "lse"] });
  const [dot] = evaluate(attentionBackwardQuery, { shape, inputs: { qkv, dy, y, lse }, outputs: ["dot"] });
  return { qkv, dy, y: Float32Array.from(y), lse: Float32Array.from(lse), dot: Float32Array.from(dot) };
}

/** Σ |dy·y| for each of the sums in `dot` (B, H, T): what their rounding is relative to. */
function dotSizes({ B, T, H, D }: AttentionShape, { dy, y }: { dy: Float32Array; y: Float32Array }): Float64Array {
  const sizes = new Float64Array(B * H * T);
  for (let i = 0; i < dy.length; i++) {
    const h = Math.floor(i / D) % H, row = Math.floor(i / D / H), b = Math.floor(row / T), t = row % T;
    sizes[(b * H + h) * T + t]! += Math.abs(dy[i]! * y[i]!);
  }
  return sizes;
}

/** The columns of q, k and v in a packed row. */
function parts({ H, G, D }: AttentionShape) {
  return {
    q: { first: 0, count: H * D },
    k: { first: H * D, count: G * D },
    v: { first: (H + G) * D, count: G * D },
  };
}
