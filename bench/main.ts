/**
 * `deno task bench`: runs the benchmarks and prints a table, or JSON lines with `--json`. `--only <name>` runs one, or
 * `speed`: all that need no minutes, which is what runs if nothing is asked for. `--compare <file>` sets each figure
 * beside that of an earlier run's lines.
 *
 * Compare figures of one run only, or of runs on one quiet machine: machines are noisy.
 * @module
 */
import { Command, InvalidArgumentError, Option } from "commander";
import { type Baseline, lineText, missingFrom, readBaseline } from "./baseline.ts";
import { hostFacts } from "./host.ts";
import type { Bench, BenchLine, BenchOptions } from "./line.ts";

/** Loaded one by one, so that `--only` starts nothing else. */
const BENCHES: Readonly<Record<string, () => Promise<Bench>>> = {
  matmul: async () => (await import("./matmul.ts")).matmulBench,
  kernels: async () => (await import("./kernels.ts")).kernelsBench,
  step: async () => (await import("./step.ts")).stepBench,
  growth: async () => (await import("./growth.ts")).growthBench,
  memory: async () => (await import("./memory.ts")).memoryBench,
  noise: async () => (await import("./noise.ts")).noiseBench,
  f16: async () => (await import("./f16.ts")).f16Bench,
  fold: async () => (await import("./fold.ts")).foldBench,
  codec: async () => (await import("./codec.ts")).codecBench,
  contribution: async () => (await import("./contribution.ts")).contributionBench,
  unequal: async () => (await import("./unequal.ts")).unequalBench,
  lag: async () => (await import("./lag.ts")).lagBench,
  blobs: async () => (await import("./blobs.ts")).blobsBench,
  gossip: async () => (await import("./gossip.ts")).gossipBench,
  "round-trip": async () => (await import("./round_trip.ts")).roundTripBench,
  cbs: async () => (await import("./cbs.ts")).cbsBench,
  hostile: async () => (await import("./hostile.ts")).hostileBench,
  balance: async () => (await import("./balance.ts")).balanceBench,
  policies: async () => (await import("./policies.ts")).policiesBench,
  adloco: async () => (await import("./adloco.ts")).adlocoBench,
  "one-machine": async () => (await import("./one_machine.ts")).oneMachineBench,
  "demo-size": async () => (await import("./demo_size.ts")).demoSizeBench,
  ewa: async () => (await import("./ewa.ts")).ewaBench,
  averaging: async () => (await import("./averaging.ts")).averagingBench,
  "codec-cost": async () => (await import("./codec_cost.ts")).codecCostBench,
  fuzz: async () => (await import("./fuzz.ts")).fuzzBench,
  demo: async () => (await import("./demo.ts")).demoBench,
  recovery: async () => (await import("./recovery.ts")).recoveryBench,
  partition: async () => (await import("./partition.ts")).partitionBench,
  storm: async () => (await import("./storm.ts")).stormBench,
  join: async () => (await import("./join.ts")).joinBench,
  wan: async () => (await import("./wan.ts")).wanBench,
  soak: async () => (await import("./soak.ts")).soakBench,
};

/** All that are not long: the one run that fills the tables of speed. */
const SPEED = "speed";

/** Take minutes or hours: run only if asked for. */
const LONG: ReadonlySet<string> = new Set([
  "f16",
  "cbs",
  "fuzz",
  "balance",
  "policies",
  "adloco",
  "one-machine",
  "demo-size",
  "ewa",
  "averaging",
  "codec-cost",
  "demo",
  "hostile",
  "unequal",
  "recovery",
  "partition",
  "storm",
  "join",
  "wan",
  "soak",
]);

const { only, json, compare, ...options } = new Command("bench")
  .option("--only <name>", `one of: ${[SPEED, ...Object.keys(BENCHES)].join(", ")}`)
  .option("--json", "one JSON object a line")
  .addOption(
    new Option(
      "--compare <file>",
      "JSON lines of an earlier run: prints each figure with its ratio to the figure there",
    )
      .conflicts("json"),
  )
  .option("--minutes <n>", "how long, for those that run for a time", positive)
  .option("--seed <n>", "of chance, for those that have any", positive)
  .option("--quick", "one seed, for those that compare several")
  .option("--jobs <n>", "trials side by side, for those made of trials", positive)
  .parse(Deno.args, { from: "user" })
  .opts<{ only?: string; json?: boolean; compare?: string } & BenchOptions>();

const names = only === undefined || only === SPEED ? Object.keys(BENCHES).filter((name) => !LONG.has(name)) : [only];
if (!names.every((name) => name in BENCHES)) {
  console.error(`Cannot run benchmark '${only}': there are ${[SPEED, ...Object.keys(BENCHES)].join(", ")}`);
  Deno.exit(2);
}
const baseline: Baseline = compare === undefined ? new Map() : await readBaseline(compare).catch((error: Error) => {
  console.error(error.message);
  Deno.exit(2);
});
let exitCode = 0;
const lines: (BenchLine & { readonly bench: string })[] = [];
for (const name of names) {
  const bench = await BENCHES[name]!();
  const loadBefore = Number(Deno.loadavg()[0]!.toFixed(2));
  const host = { ...hostFacts(), loadBefore };
  if (!json) console.log(`\n${bench.name}: ${bench.question}`);
  try {
    for await (const line of bench.run(options)) {
      console.log(json ? JSON.stringify({ bench: name, ...host, ...line }) : lineText(name, line, baseline));
      lines.push({ bench: name, ...line });
    }
  } catch (error) {
    if (names.length === 1) throw error;
    console.error(`Benchmark '${name}' failed, and the others go on:`, error);
    exitCode = 1;
  }
}
const missing = missingFrom(lines, baseline);
if (missing.length > 0) console.log(`\nIn ${compare} and not in this run:\n  ${missing.join("\n  ")}`);
Deno.exit(exitCode); // a device's threads need not be waited for

function positive(given: string): number {
  const value = Number(given);
  if (Number.isFinite(value) && value > 0) return value;
  throw new InvalidArgumentError("it must be a number above 0.");
}
