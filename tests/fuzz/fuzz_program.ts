/**
 * Runs batches of cases, one a line: JSON comes in, JSON goes out. `fuzz_process.ts` starts it.
 * @module
 */
import { eachLine } from "../../cli/child.ts";
import { type Batch, runCases } from "./run_cases.ts";
import { targetOf } from "./targets/all.ts";

await eachLine(Deno.stdin.readable, async (line) => {
  const { target, ...cases } = JSON.parse(line) as Batch;
  console.log(JSON.stringify(await runCases(targetOf(target), cases)));
});
