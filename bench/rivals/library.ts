/**
 * The machine's own library of matrix products, called directly: what the cpu device could reach at best.
 * `library.ts <file> <threads>`. Its threads are its own, where the device would have it use one.
 * @module
 */
import { openBlas } from "../../runtime/device/blas.ts";
import type { SgemmCall } from "../../runtime/device/blas_check.ts";
import { answerRequests } from "./answer.ts";

const [file, threads] = Deno.args as [string, string];
/** Of the memory that holds the result, at its beginning, and all operands; and to what these are aligned. */
const MEMORY_BYTES = 1 << 28, RESULT_BYTES = 1 << 26, ALIGNED_BYTES = 256;

interface Matrix {
  readonly at: number;
  readonly rows: number;
  readonly columns: number;
}

const blas = openBlas(file); // tells the library to use one thread
const { symbols } = Deno.dlopen(file, {
  openblas_set_num_threads: { parameters: ["i32"], result: "void", optional: true },
  MKL_Set_Threading_Layer: { parameters: ["i32"], result: "i32", optional: true },
});
if (Number(threads) > 1 && symbols.openblas_set_num_threads === null) {
  throw new Error(`${blas.name} cannot be told here to use ${threads} threads`);
}
symbols.openblas_set_num_threads?.(Number(threads));
const memory = new Uint8Array(MEMORY_BYTES), sgemm = blas.over(memory);
let next = RESULT_BYTES;

await answerRequests<Matrix>({
  about: { device: "the library called directly", threads: Number(threads), versions: blas.name },
  operand(values, rows, columns) {
    const at = next;
    next = Math.ceil((at + values.byteLength) / ALIGNED_BYTES) * ALIGNED_BYTES;
    if (next > MEMORY_BYTES) throw new Error(`Cannot place ${next - RESULT_BYTES} bytes of operands`);
    new Float32Array(memory.buffer, at, values.length).set(values);
    return Promise.resolve({ at, rows, columns });
  },
  multiply(a, b, transposes) {
    const [M, K] = transposes.a ? [a.columns, a.rows] : [a.rows, a.columns], N = transposes.b ? b.rows : b.columns;
    if (M * N * 4 > RESULT_BYTES) throw new Error(`Cannot place a result of ${M * N * 4} bytes`);
    const call: SgemmCall = {
      ...{ M, N, K, adds: false, y: { at: 0, stride: N } },
      a: { at: a.at, stride: a.columns, transposed: transposes.a },
      b: { at: b.at, stride: b.columns, transposed: transposes.b },
    };
    sgemm(call);
    return { at: 0, rows: M, columns: N };
  },
  finish: () => Promise.resolve(), // it computes before it returns
  last: ({ at, rows, columns }) => Promise.resolve(new Float32Array(memory.buffer, at, rows * columns).at(-1)!),
  free() {
    next = RESULT_BYTES; // all operands are freed together
  },
});
