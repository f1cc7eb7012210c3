/**
 * What does a fold cost, in nanoseconds for each value and peer? Memory does not grow with peers, so the figure should
 * not either.
 * @module
 */
import { codecs } from "../runtime/state/codec/codecs.ts";
import { fold } from "../runtime/state/fold.ts";
import type { RuleName } from "../runtime/state/robust/rule.ts";
import { rules } from "../runtime/state/robust/rules.ts";
import { chance } from "../tests/chance.ts";
import type { Bench, BenchLine } from "./line.ts";

const LENGTH = 1_000_000, REPEATS = 7;
const OUTER = { learningRate: 0.7, momentum: 0.9 };

export const foldBench: Bench = {
  name: "fold",
  question: `how long does it take to judge and fold contributions of ${LENGTH} values?`,
  async *run(): AsyncIterable<BenchLine> {
    for (const codec of Object.values(codecs)) {
      for (const peers of [1, 8, 32]) yield await Promise.resolve(measure(codec, peers));
    }
    for (const { name } of Object.values(rules)) {
      if (name !== "median-clip") yield await Promise.resolve(measure(codecs.int8, 8, name));
    }
  },
};

/** The median of some folds, after one that is not timed. */
function measure(
  codec: (typeof codecs)[keyof typeof codecs],
  peers: number,
  robust: RuleName = "median-clip",
): BenchLine {
  const random = chance(1).next;
  const { bytes } = codec.encode(Float32Array.from({ length: LENGTH }, () => random() - 0.5));
  const parts = Array.from({ length: peers }, () => ({ bytes: bytes.slice(), weight: 1000 }));
  const weights = new Float32Array(LENGTH), momentum = new Float32Array(LENGTH);
  const times = Array.from({ length: REPEATS + 1 }, () => {
    const startMs = performance.now();
    fold({ weights, momentum, parts }, { codec, padding: [], outer: { ...OUTER, robust, screen: "drop" } });
    return performance.now() - startMs;
  });
  const ms = times.slice(1).sort((a, b) => a - b)[REPEATS >> 1]!;
  const nsPerValueAndPeer = Number((ms * 1e6 / LENGTH / peers).toFixed(2));
  return {
    name: `fold of ${peers}${robust === "median-clip" ? "" : ` by ${robust}`}`,
    codec: codec.name,
    contributionBytes: bytes.length,
    ms: Math.round(ms),
    nsPerValueAndPeer,
  };
}
