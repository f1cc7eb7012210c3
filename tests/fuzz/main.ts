/**
 * Fuzzes everything that takes foreign data: `deno run -A tests/fuzz/main.ts --cases 1000000 --seed 1`.
 *
 * Prints a JSON line for each target and one for all, and every case that failed with the line that runs it again. Ends
 * with 1 if a case failed, with 2 if it was not understood.
 * @module
 */
import { parseArgs } from "node:util";
import { reasonOf } from "../../p2p/reason.ts";
import { fuzz, rerunOf, type TargetResult } from "./fuzz.ts";
import { runCases } from "./run_cases.ts";
import { targetOf, targets } from "./targets/all.ts";

const USAGE = `deno run -A tests/fuzz/main.ts [--cases N] [--seed N] [--only TARGET]… [--case N]

  --cases  how many, over all targets (100000)
  --seed   of chance (1)
  --only   this target; several times for several: ${targets.map(({ name }) => `'${name}'`).join(", ")}
  --case   runs one case of one target again`;

interface Options {
  readonly cases: number;
  readonly seed: number;
  readonly only: readonly string[];
  readonly number: number | null;
}

function parse(args: readonly string[]): Options {
  const { values } = parseArgs({
    args: [...args],
    options: {
      cases: { type: "string", default: "100000" },
      seed: { type: "string", default: "1" },
      only: { type: "string", multiple: true, default: [] },
      case: { type: "string" },
    },
  });
  const only = values.only, unknown = only.find((name) => !targets.some((target) => target.name === name));
  if (unknown !== undefined) throw new Error(`there is no target '${unknown}'`);
  if (values.case !== undefined && only.length !== 1) throw new Error("--case needs the --only of its target");
  return {
    cases: whole("--cases", values.cases),
    seed: whole("--seed", values.seed),
    only,
    number: values.case === undefined ? null : whole("--case", values.case),
  };
}

function whole(flag: string, text: string): number {
  if (/^\d+$/.test(text)) return Number(text);
  throw new Error(`${flag} must be a whole number, not '${text}'`);
}

/** Runs one case, from the beginning of its episode if others come before it in one. */
async function runAgain(name: string, seed: number, number: number): Promise<boolean> {
  const target = targetOf(name), from = number - number % target.episode;
  const { failure } = await runCases(target, { seed, from, to: number + 1 });
  console.log(failure === null ? `case ${number} of '${name}' does no harm` : failure.reason);
  return failure === null;
}

async function runAll({ cases, seed, only }: Options): Promise<boolean> {
  const startMs = performance.now();
  let toldAtMs = startMs;
  const onBatch = (done: number, total: number): void => {
    const nowMs = performance.now();
    if (nowMs - toldAtMs < 5_000) return;
    toldAtMs = nowMs;
    const leftS = Math.round((nowMs - startMs) / done * (total - done) / 1000);
    console.error(`${done} of ${total} cases, about ${leftS} s left`);
  };
  const results = await fuzz({ cases, seed, only, onBatch });
  for (const { failures, ...figures } of results) {
    console.log(JSON.stringify({ ...figures, ms: Math.round(figures.ms), failures: failures.length }));
  }
  const failures = results.flatMap(({ failures }) => failures);
  for (const failure of failures) console.error(`FAILED ${rerunOf(failure)}\n  ${failure.reason}`);
  const sum = (of: (result: TargetResult) => number) => results.reduce((sum, result) => sum + of(result), 0);
  console.log(JSON.stringify({
    ...{ target: "all", seed, cases: sum(({ cases }) => cases), accepted: sum(({ accepted }) => accepted) },
    ...{ inputBytes: sum(({ inputBytes }) => inputBytes), seconds: Math.round((performance.now() - startMs) / 1000) },
    residentBytes: Math.max(...results.map(({ residentBytes }) => residentBytes)),
    failures: failures.length,
  }));
  return failures.length === 0;
}

async function main(): Promise<number> {
  let options: Options;
  try {
    options = parse(Deno.args);
  } catch (error) {
    console.error(`Cannot fuzz: ${reasonOf(error)}\n\n${USAGE}`);
    return 2;
  }
  const { number, only, seed } = options;
  return await (number === null ? runAll(options) : runAgain(only[0]!, seed, number)) ? 0 : 1;
}

if (import.meta.main) Deno.exit(await main());
