/**
 * Matrix product with all that a linear layer and its gradients need: y = op(a)·op(b) (+ bias) (+ residual or y).
 *
 * op(a) is (M, K) and op(b) is (K, N); a transposed operand is stored the other way round, so that no kernel ever moves
 * a matrix. With weights W (out, in): x·Wᵀ is TRANSPOSE_B, dx = dy·W is neither, dW = dyᵀ·x is TRANSPOSE_A.
 * It knows no batches, strides or activation functions.
 *
 * There is one kernel for each tiling, all with this contract: `matmulForms`. `matmul` is the one to take where nobody
 * chose.
 * @module
 */
import { defineKernel, type Kernel, reads, readsStored, writesStored } from "./kernel.ts";
import { productVariants, tiledProduct } from "./tiled_product.ts";
import { DEFAULT_TILING, forEachTiling, tileGrid } from "./tiling.ts";
import source from "./matmul.wgsl" with { type: "text" };
import wasmSource from "./matmul.as" with { type: "text" };

export type MatmulShape = {
  /** Rows of y. */
  readonly M: number;
  /** Columns of y. */
  readonly N: number;
  /** Length of the sums. */
  readonly K: number;
  /** 1: `a` is stored (K, M). */
  readonly TRANSPOSE_A: number;
  /** 1: `b` is stored (N, K). */
  readonly TRANSPOSE_B: number;
  /** 1: adds `bias` (N) to every row. */
  readonly BIAS: number;
  /** 1: adds `residual` (M, N), which stays as it is: a backward pass still needs the stream before the layer. */
  readonly RESIDUAL: number;
  /** 1: adds to what `y` holds, a gradient or a stream that nobody needs any more. Not together with RESIDUAL. */
  readonly ACCUMULATE: number;
};

/** By name of their tiling. */
export const matmulForms: ReadonlyMap<string, Kernel<MatmulShape>> = forEachTiling(
  "matmul",
  (tiling, name) =>
    defineKernel<MatmulShape>()({
      name,
      source: tiledProduct(source, tiling),
      variants: productVariants(source, tiling, {
        sides: ({ N, ...shape }) => ({ ...shape, columns: N }),
        mixes: true,
      }),
      bindings: {
        a: readsStored<MatmulShape>(({ M, K }) => M * K),
        b: readsStored<MatmulShape>(({ K, N }) => K * N),
        bias: reads<MatmulShape>(({ BIAS, N }) => BIAS === 1 ? N : 1),
        residual: reads<MatmulShape>(({ RESIDUAL, M, N }) => RESIDUAL === 1 ? M * N : 1),
        y: writesStored<MatmulShape>(({ M, N }) => M * N),
      },
      grid: ({ M, N }) => tileGrid(tiling, { rows: M, columns: N }),
      flops: ({ M, N, K }) => 2 * M * N * K,
      reference({ a, b, bias, residual, y }, { M, N, K, TRANSPOSE_A, TRANSPOSE_B, BIAS, RESIDUAL, ACCUMULATE }) {
        for (let m = 0; m < M; m++) {
          for (let n = 0; n < N; n++) {
            let sum = 0;
            for (let k = 0; k < K; k++) {
              const left = TRANSPOSE_A === 1 ? a[k * M + m]! : a[m * K + k]!;
              const right = TRANSPOSE_B === 1 ? b[n * K + k]! : b[k * N + n]!;
              sum += left * right;
            }
            if (BIAS === 1) sum += bias[n]!;
            if (RESIDUAL === 1) sum += residual[m * N + n]!;
            y[m * N + n] = sum + (ACCUMULATE === 1 ? y[m * N + n]! : 0);
          }
        }
      },
      wasm: {
        source: wasmSource,
        entry: "matmul",
        args: (
          { M, N, K, TRANSPOSE_A, TRANSPOSE_B, BIAS, RESIDUAL, ACCUMULATE },
        ) => [M, N, K, TRANSPOSE_A, TRANSPOSE_B, BIAS, RESIDUAL, ACCUMULATE],
        items: ({ M, N }) => Math.ceil(M / 64) * Math.ceil(N / 128),
        scratchWords: () => 256 * (64 + 128) + 5 * 8,
        product: {
          begin: "matmul_begin",
          of: ({ M, N, K, TRANSPOSE_A, TRANSPOSE_B, BIAS, RESIDUAL, ACCUMULATE }) => ({
            ...{ M, N, K, transposesA: TRANSPOSE_A === 1, transposesB: TRANSPOSE_B === 1 },
            begins: BIAS + RESIDUAL > 0,
            adds: BIAS + RESIDUAL + ACCUMULATE > 0,
          }),
        },
      },
    }),
);

export const matmul: Kernel<MatmulShape> = matmulForms.get(DEFAULT_TILING.name)!;
