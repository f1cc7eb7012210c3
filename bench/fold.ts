/**
 * What does a fold cost, in nanoseconds for each value and peer, on one thread and on all? Memory does not grow with
 * peers, so the figure should not either.
 *
 * Whoever else works on the machine takes caches and memory away from a fold, never gives any. So the best of several
 * folds is what the code costs and the median what it cost then; and the crews take turns, so that all meet the same.
 * @module
 */
import { codecs } from "../runtime/state/codec/codecs.ts";
import { fold } from "../runtime/state/fold.ts";
import { alone, type FoldCrew } from "../runtime/state/fold_crew.ts";
import type { RuleName } from "../runtime/state/robust/rule.ts";
import { rules } from "../runtime/state/robust/rules.ts";
import { FoldThreads } from "../runtime/worker/fold_threads.ts";
import { chance } from "../tests/chance.ts";
import type { Bench, BenchLine } from "./line.ts";
import { targetLine } from "./target.ts";

const LENGTH = 1_000_000, REPEATS = 15;
/** Where the loops of JavaScript fold; elsewhere those of WebAssembly. */
const PLAIN = "cpu (JavaScript)";
const OUTER = { learningRate: 0.7, momentum: 0.9 };

export const foldBench: Bench = {
  name: "fold",
  question: `how long does it take to judge and fold contributions of ${LENGTH} values?`,
  async *run(): AsyncIterable<BenchLine> {
    const most = Math.min(4, navigator.hardwareConcurrency);
    using one = new FoldThreads({ threadCount: 1 });
    using all = new FoldThreads({ threadCount: most });
    await Promise.all([one.start(), all.start()]);
    const crews: Contestant[] = [
      { crew: alone, device: PLAIN, threads: 1 },
      { crew: one, device: deviceOf(one), threads: 1 },
      ...(most > 1 ? [{ crew: all, device: deviceOf(all), threads: most }] : []),
    ];
    for (const codec of Object.values(codecs)) {
      for (const peers of [1, 8, 32]) {
        const results = measure({ codec, peers, crews });
        yield* results;
        if (codec === codecs.int8) yield* targets(peers, results);
      }
    }
    for (const { name } of Object.values(rules)) {
      if (name !== "median-clip") yield* measure({ codec: codecs.int8, peers: 8, crews, robust: name });
    }
  },
};

interface Contestant {
  readonly crew: FoldCrew;
  readonly device: string;
  readonly threads: number;
}

function deviceOf({ isFast }: FoldThreads): string {
  return isFast ? "cpu" : PLAIN;
}

/**
 * Of folds in int8, by the best of each crew. Threads are judged by the longest fold: one of 8 is over after 4 ms, and a
 * tenth of that goes by until the others are awake.
 */
function* targets(peers: number, [, one, all]: readonly FoldLine[]): Generator<BenchLine> {
  const device = "cpu", figure = one!.nsPerValueAndPeer, what = `fold of ${peers} in int8`;
  if (peers === 8) yield targetLine(`${what}: ns per value and peer`, { device, figure, wanted: { atMost: 1.5 } });
  if (peers === 32 && all !== undefined) {
    const wanted = { atLeast: 0.9 * all.threads }, times = Number((figure / all.nsPerValueAndPeer).toFixed(2));
    yield targetLine(`${what}: ${all.threads} threads, times 1`, { device, figure: times, wanted });
  }
}

type FoldLine = BenchLine & { readonly threads: number; readonly nsPerValueAndPeer: number };

interface Setting {
  readonly codec: (typeof codecs)[keyof typeof codecs];
  readonly peers: number;
  readonly crews: readonly Contestant[];
  readonly robust?: RuleName;
}

/** A line for each crew: the best and the median of some folds, after one that is not timed. */
function measure({ codec, peers, crews, robust = "median-clip" }: Setting): FoldLine[] {
  const random = chance(1).next;
  const { bytes } = codec.encode(Float32Array.from({ length: LENGTH }, () => random() - 0.5));
  const parts = Array.from({ length: peers }, () => ({ bytes: shared(bytes), weight: 1000 }));
  const weights = new Float32Array(shared(4 * LENGTH).buffer), momentum = new Float32Array(shared(4 * LENGTH).buffer);
  const options = { codec, padding: [], outer: { ...OUTER, robust, screen: "drop" } } as const;
  const times = crews.map((): number[] => []);
  for (let repeat = 0; repeat <= REPEATS; repeat++) {
    for (const [i, { crew }] of crews.entries()) {
      const startMs = performance.now();
      fold({ weights, momentum, parts }, { ...options, crew });
      if (repeat > 0) times[i]!.push(performance.now() - startMs);
    }
  }
  return crews.map(({ device, threads }, i) => {
    const sorted = times[i]!.sort((a, b) => a - b), best = sorted[0]!, median = sorted[REPEATS >> 1]!;
    return {
      name: `fold of ${peers}${robust === "median-clip" ? "" : ` by ${robust}`}`,
      device,
      codec: codec.name,
      threads,
      contributionBytes: bytes.length,
      ms: Number(best.toFixed(1)),
      nsPerValueAndPeer: perValue(best, peers),
      medianNsPerValueAndPeer: perValue(median, peers),
    };
  });
}

function perValue(ms: number, peers: number): number {
  return Number((ms * 1e6 / LENGTH / peers).toFixed(2));
}

/** A copy, or zeros, that all threads see. */
function shared(bytes: Uint8Array | number): Uint8Array<SharedArrayBuffer> {
  const copy = new Uint8Array(new SharedArrayBuffer(typeof bytes === "number" ? bytes : bytes.length));
  if (typeof bytes !== "number") copy.set(bytes);
  return copy;
}
