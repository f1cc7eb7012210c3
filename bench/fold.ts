/**
 * What does a fold cost, in nanoseconds for each value and peer, on one thread and on all? Memory does not grow with
 * peers, so the figure should not either.
 * @module
 */
import { codecs } from "../runtime/state/codec/codecs.ts";
import { fold } from "../runtime/state/fold.ts";
import type { RuleName } from "../runtime/state/robust/rule.ts";
import { rules } from "../runtime/state/robust/rules.ts";
import { FoldThreads } from "../runtime/worker/fold_threads.ts";
import { chance } from "../tests/chance.ts";
import type { Bench, BenchLine } from "./line.ts";
import { targetLine } from "./target.ts";

const LENGTH = 1_000_000, REPEATS = 7;
const OUTER = { learningRate: 0.7, momentum: 0.9 };

export const foldBench: Bench = {
  name: "fold",
  question: `how long does it take to judge and fold contributions of ${LENGTH} values?`,
  async *run(): AsyncIterable<BenchLine> {
    const judged = new Map<number, number>();
    for (const threads of new Set([1, Math.min(4, navigator.hardwareConcurrency)])) {
      using crew = new FoldThreads({ threadCount: threads });
      await crew.start();
      for (const codec of Object.values(codecs)) {
        for (const peers of [1, 8, 32]) {
          const line = measure({ codec, peers, crew });
          yield { ...line, threads };
          if (codec === codecs.int8 && peers === 8) judged.set(threads, line.nsPerValueAndPeer);
        }
      }
      for (const { name } of Object.values(rules)) {
        if (name !== "median-clip") yield { ...measure({ codec: codecs.int8, peers: 8, crew, robust: name }), threads };
      }
    }
    yield* targets(judged);
  },
};

/** Of a fold of 8 peers in int8, by nanoseconds on each number of threads. */
function* targets(judged: ReadonlyMap<number, number>): Generator<BenchLine> {
  const [[, alone], [threads, together]] = [[...judged][0]!, [...judged].at(-1)!], device = "cpu";
  yield targetLine("fold of 8 in int8: ns per value and peer", { device, figure: alone, wanted: { atMost: 1.5 } });
  if (threads === 1) return;
  const wanted = { atLeast: 0.9 * threads };
  yield targetLine(`fold of 8 in int8: ${threads} threads, times 1`, { device, figure: alone / together, wanted });
}

interface Setting {
  readonly codec: (typeof codecs)[keyof typeof codecs];
  readonly peers: number;
  readonly crew: FoldThreads;
  readonly robust?: RuleName;
}

/** The median of some folds, after one that is not timed. */
function measure({ codec, peers, crew, robust = "median-clip" }: Setting) {
  const random = chance(1).next;
  const { bytes } = codec.encode(Float32Array.from({ length: LENGTH }, () => random() - 0.5));
  const parts = Array.from({ length: peers }, () => ({ bytes: shared(bytes), weight: 1000 }));
  const weights = new Float32Array(shared(4 * LENGTH).buffer), momentum = new Float32Array(shared(4 * LENGTH).buffer);
  const options = { codec, padding: [], crew, outer: { ...OUTER, robust, screen: "drop" } } as const;
  const times = Array.from({ length: REPEATS + 1 }, () => {
    const startMs = performance.now();
    fold({ weights, momentum, parts }, options);
    return performance.now() - startMs;
  });
  const ms = times.slice(1).sort((a, b) => a - b)[REPEATS >> 1]!;
  const nsPerValueAndPeer = Number((ms * 1e6 / LENGTH / peers).toFixed(2));
  return {
    name: `fold of ${peers}${robust === "median-clip" ? "" : ` by ${robust}`}`,
    device: "cpu",
    codec: codec.name,
    contributionBytes: bytes.length,
    ms: Math.round(ms),
    nsPerValueAndPeer,
  };
}

/** A copy, or zeros, that all threads see. */
function shared(bytes: Uint8Array | number): Uint8Array<SharedArrayBuffer> {
  const copy = new Uint8Array(new SharedArrayBuffer(typeof bytes === "number" ? bytes : bytes.length));
  if (typeof bytes !== "number") copy.set(bytes);
  return copy;
}
