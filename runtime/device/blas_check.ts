/**
 * Whether a library's matrix products are right: odd shapes, all transposes, operands that are parts of larger matrices,
 * with and without adding, against a kernel's reference in f64.
 *
 * It tests one thread alone; a library is asked how it was built before it is called from several (`blas.ts`).
 * @module
 */
import { matmul } from "../../kernels/matmul.ts";

/** y (M, N) = op(a) (M, K) · op(b) (K, N), or y + that. */
export interface SgemmCall {
  readonly M: number;
  readonly N: number;
  readonly K: number;
  readonly a: Operand & { readonly transposed: boolean };
  readonly b: Operand & { readonly transposed: boolean };
  readonly y: Operand;
  readonly adds: boolean;
}

/** A matrix as it is stored, by rows. */
export interface Operand {
  /** Byte where it begins. */
  readonly at: number;
  /** Values from one row to the next. */
  readonly stride: number;
}

/** A product of matrices that lie in one stretch of memory. */
export type Sgemm = (call: SgemmCall) => void;

const SHAPES = [[1, 1, 1], [5, 17, 3], [16, 1, 40], [67, 131, 129]] as const;
/** Values that each operand's rows, and all operands, are apart: what lies there must be neither read nor written. */
const GAP = 3;
const U = 2 ** -24;

/** Null, or what is wrong. `open` gives the product over some bytes. */
export function whyWrong(open: (bytes: Uint8Array) => Sgemm): string | null {
  for (const [M, N, K] of SHAPES) {
    for (const transposes of [0, 1, 2, 3]) {
      for (const adds of [false, true]) {
        const shape = { M, N, K, TRANSPOSE_A: transposes & 1, TRANSPOSE_B: transposes >> 1 };
        const worst = worstOf(open, { ...shape, BIAS: 0, RESIDUAL: 0, ACCUMULATE: adds ? 1 : 0 });
        // Errors of K products walk at random: √K · √K/3 units would be typical. NaN is never below.
        if (!(worst <= (K + 4) * U)) {
          return `its product of ${M}×${K} and ${K}×${N} (transposes ${shape.TRANSPOSE_A}${shape.TRANSPOSE_B}) is wrong`;
        }
      }
    }
  }
  return null;
}

/** The largest error of one product, as a part of max(1, |value|); NaN if something beside the operands was read or written. */
function worstOf(open: (bytes: Uint8Array) => Sgemm, shape: Parameters<typeof matmul.reference>[1]): number {
  const { M, N, K, TRANSPOSE_A, TRANSPOSE_B, ACCUMULATE } = shape as Record<string, number> & typeof shape;
  const stored = {
    a: TRANSPOSE_A === 1 ? [K!, M!] as const : [M!, K!] as const,
    b: TRANSPOSE_B === 1 ? [N!, K!] as const : [K!, N!] as const,
    y: [M!, N!] as const,
  };
  const memory = new Float32Array(
    Object.values(stored).reduce((sum, [rows, columns]) => sum + rows * (columns + GAP) + GAP, GAP),
  ).fill(NaN);
  let next = GAP;
  const place = ([rows, columns]: readonly [number, number], seed: number) => {
    const start = next, stride = columns + GAP, values = new Float64Array(rows * columns);
    next += rows * stride + GAP;
    return {
      at: start * 4,
      stride,
      values,
      write() {
        values.forEach((_, i) => {
          values[i] = Math.fround(((i * 7 + seed) % 13 - 6) / 13);
          memory[start + Math.floor(i / columns) * stride + i % columns] = values[i]!;
        });
      },
      /** Reads what is there and leaves NaN behind. */
      take: () =>
        values.map((_, i) => {
          const at = start + Math.floor(i / columns) * stride + i % columns, value = memory[at]!;
          memory[at] = NaN;
          return value;
        }),
    };
  };
  const a = place(stored.a, 1), b = place(stored.b, 5), y = place(stored.y, 9);
  a.write();
  b.write();
  if (ACCUMULATE === 1) y.write();
  open(new Uint8Array(memory.buffer))({
    ...{ M: M!, N: N!, K: K!, y, adds: ACCUMULATE === 1 },
    a: { ...a, transposed: TRANSPOSE_A === 1 },
    b: { ...b, transposed: TRANSPOSE_B === 1 },
  });
  const found = y.take();
  const none = new Float64Array(1);
  matmul.reference({ a: a.values, b: b.values, bias: none, residual: none, y: y.values } as unknown as Arrays, shape);
  a.take();
  b.take();
  if (!memory.every(Number.isNaN)) return NaN; // written beside y
  return found.reduce((worst, value, i) => {
    const wanted = y.values[i]!;
    return Math.max(worst, Math.abs(value - wanted) / Math.max(1, Math.abs(wanted)));
  }, 0);
}

/** The arrays of a reference, whose names and types lose their tie in `Kernel`. */
type Arrays = Parameters<typeof matmul.reference>[0];
