/**
 * The other end of `rival.ts`, for rivals in JavaScript that multiply matrices: says who it is, and answers until its
 * input closes.
 * @module
 */
import { reasonOf } from "../../p2p/reason.ts";
import { type About, type Product, ramp, type Turn, type Work } from "../contest.ts";
import { readLines } from "../read_lines.ts";
import type { RivalAnswer } from "./rival.ts";

/** A library that multiplies matrices; `A` are its arrays. */
export interface Multiplier<A> {
  readonly about: About;
  /** An operand as it is stored, (rows, columns), in the library's memory. */
  operand(values: Float32Array<ArrayBuffer>, rows: number, columns: number): Promise<A>;
  multiply(a: A, b: A, transposes: { readonly a: boolean; readonly b: boolean }): A;
  /** Waits until all of these are computed, and frees them but for the last. */
  finish(results: readonly A[]): Promise<void>;
  /** The last value of a result; frees it. */
  last(result: A): Promise<number>;
  free(operand: A): void;
}

/** Results that wait to be computed, at most: a queue may grow no further. */
const MOST_UNFINISHED = 64;

/** Operands in the library's memory, of one list of products. */
interface Ready<A> {
  readonly key: string;
  readonly pairs: readonly Pair<A>[];
}

type Pair<A> = readonly [a: A, b: A, product: Product];

/** Answers requests on standard input, one after the other. */
export async function answerRequests<A>(library: Multiplier<A>): Promise<void> {
  say(library.about);
  let ready: Ready<A> = { key: "", pairs: [] };
  for await (const line of readLines(Deno.stdin.readable)) {
    try {
      const { count, ...work } = JSON.parse(line) as Work & { readonly count: number };
      if (work.kind !== "products") throw new Error(`it is not asked here to do a ${work.kind}`);
      const key = JSON.stringify(work.products);
      if (ready.key !== key) {
        for (const [a, b] of ready.pairs) [a, b].forEach((operand) => library.free(operand));
        const pairs: Pair<A>[] = [];
        for (const product of work.products) pairs.push([...await operands(library, product), product]);
        ready = { key, pairs };
      }
      say(await turn(library, ready.pairs, count));
    } catch (error) {
      say({ error: reasonOf(error) });
    }
  }
  Deno.exit(0); // a library's threads need not be waited for
}

async function operands<A>(library: Multiplier<A>, [M, N, K, tA, tB]: Product): Promise<[A, A]> {
  const [aRows, aColumns] = tA === 1 ? [K, M] : [M, K], [bRows, bColumns] = tB === 1 ? [N, K] : [K, N];
  return [
    await library.operand(ramp(M * K), aRows, aColumns),
    await library.operand(ramp(K * N), bRows, bColumns),
  ];
}

async function turn<A>(
  library: Multiplier<A>,
  pairs: readonly Pair<A>[],
  count: number,
): Promise<Turn> {
  let results: A[] = [];
  const startedAtMs = performance.now();
  for (let i = 0; i < count * pairs.length; i++) {
    const [a, b, [, , , tA, tB]] = pairs[i % pairs.length]!;
    results.push(library.multiply(a, b, { a: tA === 1, b: tB === 1 }));
    if (results.length < MOST_UNFINISHED) continue;
    await library.finish(results);
    results = [results.at(-1)!];
  }
  await library.finish(results);
  const ms = performance.now() - startedAtMs;
  return { ms, value: await library.last(results.at(-1)!) };
}

function say(answer: About | RivalAnswer): void {
  console.log(JSON.stringify(answer));
}
