import { strict as assert } from "node:assert";
import { checkKernel, gpuTest, noise, U } from "../tests/kernels/check.ts";
import { matmul, type MatmulShape } from "./matmul.ts";
import { MATRIX_TILINGS, matrixFormsFor } from "./matmul_matrix.ts";
import { matrixProduct, type MatrixUnits, SUBGROUP_LANES } from "./matrix_product.ts";
import { lanesOf, tileGrid } from "./tiling.ts";
import operation from "./matmul.wgsl" with { type: "text" };

// No machine of these tests has matrix units. Tint, which knows them, compiles the texts (tests/kernels); and all of
// them but the units' own operations is run with others that any GPU has: a square of sums lies in 32 neighbours' lanes.

const shapes: readonly MatmulShape[] = [
  { M: 131, N: 67, K: 37, TRANSPOSE_A: 0, TRANSPOSE_B: 1, BIAS: 1, RESIDUAL: 1, ACCUMULATE: 0 },
  { M: 64, N: 192, K: 33, TRANSPOSE_A: 0, TRANSPOSE_B: 0, BIAS: 0, RESIDUAL: 0, ACCUMULATE: 1 },
  { M: 5, N: 130, K: 64, TRANSPOSE_A: 1, TRANSPOSE_B: 0, BIAS: 0, RESIDUAL: 0, ACCUMULATE: 1 },
  { M: 130, N: 1, K: 1, TRANSPOSE_A: 1, TRANSPOSE_B: 1, BIAS: 0, RESIDUAL: 0, ACCUMULATE: 0 },
];

/** A square of an operand is where it begins; the lanes of a subgroup have a share of the sums each. */
const IMITATED: MatrixUnits = {
  parameters: [],
  beginning: [`let subgroup = lane / ${SUBGROUP_LANES}u;`, `let subgroup_lane = lane % ${SUBGROUP_LANES}u;`],
  sums: ({ side }) => `array<f32, ${side * side / SUBGROUP_LANES}>`,
  left: (_, offset) => offset,
  right: (_, offset) => offset,
  multiplied: (left, right, sums) => `added(${left}, ${right}, ${sums}, subgroup_lane)`,
  written: (_, offset, sums) => `write(${offset}, ${sums}, subgroup_lane)`,
};

for (const [t, tiling] of MATRIX_TILINGS.entries()) {
  const { name, BN, BK, side } = tiling;

  gpuTest(`the tiling ${name} makes products within rounding, with imitated units`, async () => {
    const f32 = { ...tiling, component: "f32" } as const, share = side * side / SUBGROUP_LANES;
    const imitation = `
      fn added(left: u32, right: u32, sums: array<f32, ${share}>, lane: u32) -> array<f32, ${share}> {
        var found = sums;
        for (var i = 0u; i < ${share}u; i++) {
          let place = i * ${SUBGROUP_LANES}u + lane;
          for (var k = 0u; k < ${side}u; k++) {
            found[i] += a_slice[left + place / ${side}u * ${BK + 4}u + k] * b_slice[right + k * ${
      BN + 4
    }u + place % ${side}u];
          }
        }
        return found;
      }
      fn write(offset: u32, sums: array<f32, ${share}>, lane: u32) {
        var found = sums;
        for (var i = 0u; i < ${share}u; i++) { results[offset + i * ${SUBGROUP_LANES}u + lane] = found[i]; }
      }`;
    const kernel = {
      ...matmul,
      name: `imitated_${name}`,
      variants: [],
      source: matrixProduct(operation, f32, { units: IMITATED }) + imitation,
      grid: ({ M, N }: MatmulShape) => tileGrid(tiling, { rows: M, columns: N }),
    };
    for (const shape of shapes.filter((_, i) => i % 2 === t % 2)) { // to compile takes seconds each
      const { M, N, K, BIAS, RESIDUAL, ACCUMULATE } = shape;
      const inputs = {
        ...{ a: noise(M * K, 1), b: noise(K * N, 2), bias: noise(BIAS === 1 ? N : 1, 3) },
        residual: noise(RESIDUAL === 1 ? M * N : 1, 4),
        ...(ACCUMULATE === 1 ? { y: noise(M * N, 5) } : {}),
      };
      // Every term is at most 1 in size.
      const tolerances = { y: () => (8 + 2 * Math.sqrt(K)) * U * (K + BIAS + RESIDUAL + ACCUMULATE) };
      await checkKernel<MatmulShape>(kernel, { shape, inputs, tolerances, inF16: false });
    }
  });

  Deno.test(`the subgroups of the tiling ${name} make all of a tile, and are whole`, () => {
    const { BM, BN, BK, subgroups: [down, across] } = tiling;
    assert.equal(lanesOf(tiling), down * across * SUBGROUP_LANES);
    for (const part of [BM / down / side, BN / across / side, BK / side]) assert.equal(part, Math.round(part));
  });
}

Deno.test("units that multiply f16 get products of operands in f16 alone", () => {
  const names = (...given: Parameters<typeof matrixFormsFor>) => matrixFormsFor(...given).map(({ name }) => name);
  const both = new Set(["subgroup-matrix", "subgroup-matrix-f16"] as const);
  assert.deepEqual(names(both, false), ["64x64x16_matrix"]);
  assert.deepEqual(names(both, true), MATRIX_TILINGS.map(({ name }) => name));
  assert.deepEqual(names(new Set(["subgroup-matrix-f16"]), false), []);
  assert.deepEqual(names(new Set(), true), []);
});
