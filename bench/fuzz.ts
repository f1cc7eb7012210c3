/**
 * Does anything that takes foreign data throw, hang or take memory without bound? A million random and mutated inputs;
 * the same as `deno run -A tests/fuzz/main.ts --cases 1000000`, which also runs one case again.
 * @module
 */
import { fuzz, rerunOf } from "../tests/fuzz/fuzz.ts";
import type { Bench } from "./line.ts";

const CASES = 1_000_000;

export const fuzzBench: Bench = {
  name: "fuzz",
  question: `what do ${CASES} wrong inputs do?`,
  async *run({ seed = 1 }) {
    for (const { target: name, failures, mostAt: _, ...figures } of await fuzz({ cases: CASES, seed })) {
      for (const failure of failures) console.error(`${rerunOf(failure)}\n  ${failure.reason}`);
      yield { name, ...figures, failures: failures.length };
    }
  },
};
