/**
 * A matrix product on the threads of the cpu device by the machine's own library (`blas.ts`): a step like any other,
 * whose items are blocks of y.
 *
 * The one thing to know: how y is cut follows from the shape alone. The library's bits may depend on the size of a call,
 * so every number of threads makes the same calls.
 * @module
 */
import type { MatrixProduct } from "../../kernels/kernel.ts";
import type { Sgemm } from "./blas_check.ts";
import type { Entry, Step } from "./cpu_threads.ts";

/** Rows and columns of a block at most: a larger one is hardly faster, a smaller one packs its operands for too little. */
const MOST_ROWS = 256, MOST_COLUMNS = 512;
/** Blocks are halved until there are so many, for the threads to share, or each has no more than this work. */
const ENOUGH_BLOCKS = 16, LEAST_WORK = 2 ** 24;
/** Sides of blocks are whole cache lines. */
const LINE = 16;

export interface ProductUse {
  readonly product: MatrixProduct;
  /** Addresses of the operands. */
  readonly a: number;
  readonly b: number;
  readonly y: number;
  /** The linked `ProductForm.begin`, and its arguments before the block. */
  readonly begin: number;
  readonly args: readonly number[];
}

/** The step for `productEntry`; `entry` is where that is linked. */
export function productStep(entry: number, { product, a, b, y, begin, args }: ProductUse): Omit<Step, "shared"> {
  const { M, N, K, transposesA, transposesB, begins, adds } = product, [rows, columns] = blockOf(product);
  return {
    entry,
    items: Math.ceil(M / rows) * Math.ceil(N / columns),
    args: [
      ...[M, N, K, Number(transposesA), Number(transposesB), Number(adds), rows, columns, a, b, y],
      ...[begins ? begin : -1, ...args],
    ],
  };
}

/**
 * Does blocks `start` to `stop` of what `productStep` wrote down. `entries` is the thread's list. It makes next to no
 * objects, of which a step has some hundred blocks.
 */
export function productEntry(sgemm: Sgemm, entries: readonly Entry[]): Entry {
  const call = {
    ...{ M: 0, N: 0, K: 0, adds: false },
    a: { at: 0, stride: 0, transposed: false },
    b: { at: 0, stride: 0, transposed: false },
    y: { at: 0, stride: 0 },
  };
  return (...[M, N, K, transposesA, transposesB, adds, rows, columns, a, b, y, begin, ...args]: Arguments) => {
    const stop = args.pop()!, start = args.pop()!, place = args.length - 1; // where scratch is, which is not needed
    const across = Math.ceil(N / columns);
    for (let block = start; block < stop; block++) {
      const row = Math.floor(block / across) * rows, column = block % across * columns;
      const lastRow = Math.min(M, row + rows), lastColumn = Math.min(N, column + columns);
      if (begin >= 0) {
        args[place] = row;
        args[place + 1] = lastRow;
        args[place + 2] = column;
        args[place + 3] = lastColumn;
        Reflect.apply(entries[begin]!, undefined, args);
      }
      call.M = lastRow - row;
      call.N = lastColumn - column;
      call.K = K;
      call.adds = adds === 1;
      call.a.at = a + row * (transposesA === 1 ? 1 : K) * 4;
      call.a.stride = transposesA === 1 ? M : K;
      call.a.transposed = transposesA === 1;
      call.b.at = b + column * (transposesB === 1 ? K : 1) * 4;
      call.b.stride = transposesB === 1 ? K : N;
      call.b.transposed = transposesB === 1;
      call.y.at = y + (row * N + column) * 4;
      call.y.stride = N;
      sgemm(call);
    }
  };
}

/** The numbers of a step, then the arguments of `begin`, scratch, start and stop. */
type Arguments = [...Six, ...Six, ...number[]];
type Six = [number, number, number, number, number, number];

function blockOf({ M, N, K }: MatrixProduct): [rows: number, columns: number] {
  let down = Math.ceil(M / MOST_ROWS), across = Math.ceil(N / MOST_COLUMNS);
  for (;;) {
    const rows = sideOf(M, down), columns = sideOf(N, across);
    if (down * across >= ENOUGH_BLOCKS || 2 * rows * columns * K <= LEAST_WORK) return [rows, columns];
    if (rows >= columns) down *= 2;
    else across *= 2;
  }
}

/** A side cut into so many parts. */
function sideOf(length: number, parts: number): number {
  return Math.ceil(length / parts / LINE) * LINE;
}
