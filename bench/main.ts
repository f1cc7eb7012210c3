/**
 * `deno task bench`: runs the benchmarks and prints a table, or JSON lines with `--json`. `--only <name>` runs one; what
 * takes minutes runs no other way. `--compare <file>` sets each figure beside that of an earlier run's lines.
 *
 * Compare figures of one run only, or of runs on one quiet machine: machines are noisy.
 * @module
 */
import { Command, InvalidArgumentError } from "commander";
import { type Baseline, lineText, readBaseline } from "./baseline.ts";
import { hostFacts } from "./host.ts";
import type { Bench, BenchOptions } from "./line.ts";

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
  .option("--only <name>", `one of: ${Object.keys(BENCHES).join(", ")}`)
  .option("--json", "one JSON object a line")
  .option("--compare <file>", "JSON lines of an earlier run: prints each figure with its ratio to the figure there")
  .option("--minutes <n>", "how long, for those that run for a time", positive)
  .option("--seed <n>", "of chance, for those that have any", positive)
  .option("--quick", "one seed, for those that compare several")
  .option("--jobs <n>", "trials side by side, for those made of trials", positive)
  .parse(Deno.args, { from: "user" })
  .opts<{ only?: string; json?: boolean; compare?: string } & BenchOptions>();

if (only !== undefined && !(only in BENCHES)) {
  console.error(`Cannot run benchmark '${only}': there are ${Object.keys(BENCHES).join(", ")}`);
  Deno.exit(2);
}
const baseline: Baseline = compare === undefined ? new Map() : await readBaseline(compare).catch((error: Error) => {
  console.error(error.message);
  Deno.exit(2);
});
for (const name of only === undefined ? Object.keys(BENCHES).filter((name) => !LONG.has(name)) : [only]) {
  const bench = await BENCHES[name]!();
  const loadBefore = Number(Deno.loadavg()[0]!.toFixed(2));
  const host = { ...hostFacts(), loadBefore };
  if (!json) console.log(`\n${bench.name}: ${bench.question}`);
  for await (const line of bench.run(options)) {
    console.log(json ? JSON.stringify({ bench: name, ...host, ...line }) : lineText(name, line, baseline));
  }
}
Deno.exit(0); // a device's threads need not be waited for

function positive(given: string): number {
  const value = Number(given);
  if (Number.isFinite(value) && value > 0) return value;
  throw new InvalidArgumentError("it must be a number above 0.");
}
