/**
 * `deno task sim`: runs one seed, many, or the storm, and ends with 1 if a law is broken, with 2 if it was not
 * understood.
 * @module
 */
import { parseArgs } from "node:util";
import { reasonOf } from "../../p2p/reason.ts";
import { printCosts } from "./cost.ts";
import { LIAR_KINDS } from "./liars/kinds.ts";
import type { LiarKind } from "./liars/liar.ts";
import { runSeeds } from "./seeds.ts";
import { simulate } from "./simulate.ts";
import { measureStorm } from "./storm.ts";

const USAGE =
  `deno task sim [--seed N | --seeds A..B] [--peers M] [--rounds R] [--liar KIND] [--cells C] [--dying] [--trace]
deno task sim --storm [--seed N] [--peers M] [--hours H]
deno task sim --cost [--seed N] [--peers M] [--cells C] [--mild]

  --seed    the seed of one run (1)
  --seeds   all seeds from A to B, on all cores
  --peers   how many peers (6)
  --rounds  about how many rounds the storm lasts (10)
  --cells   most members of a cell (32)
  --dying   … of which a part is away for long, and cells meet in every second round
  --liar    gives every run liars of this kind: ${LIAR_KINDS.map((kind) => `"${kind}"`).join(", ")}
  --trace   says what happens in one run, line by line
  --storm   measures what 125 faults an hour cost 32 peers, against the same run without them
  --hours   how long that storm lasts, in virtual hours (1)
  --cost    measures what a peer pays for a round, in runs of 32, 64 … M peers (1024)
  --mild    … in mild weather, with losses and crashes; else in calm`;

interface Options {
  readonly seeds: readonly number[];
  readonly peers: number;
  readonly rounds: number;
  readonly hours: number;
  readonly liar: LiarKind | null;
  readonly trace: boolean;
  readonly storm: boolean;
  readonly cellSize: number;
  readonly isDying: boolean;
  readonly cost: boolean;
  readonly mild: boolean;
}

function parse(args: readonly string[]): Options {
  const { values } = parseArgs({
    args: [...args],
    options: {
      seed: { type: "string" },
      seeds: { type: "string" },
      peers: { type: "string" },
      rounds: { type: "string", default: "10" },
      hours: { type: "string", default: "1" },
      liar: { type: "string" },
      trace: { type: "boolean", default: false },
      storm: { type: "boolean", default: false },
      cells: { type: "string", default: "32" },
      dying: { type: "boolean", default: false },
      cost: { type: "boolean", default: false },
      mild: { type: "boolean", default: false },
    },
  });
  const [, first, last] = values.seeds?.match(/^(\d+)\.\.(\d+)$/) ?? [];
  if (values.seeds !== undefined && first === undefined) throw new Error(`--seeds is A..B, not '${values.seeds}'`);
  if (values.seeds !== undefined && values.seed !== undefined) throw new Error("--seed and --seeds exclude each other");
  const from = first === undefined ? whole("--seed", values.seed ?? "1") : whole("--seeds", first);
  const until = last === undefined ? from : whole("--seeds", last);
  if (until < from) throw new Error(`--seeds goes up, not from ${from} to ${until}`);
  return {
    seeds: Array.from({ length: until - from + 1 }, (_, i) => from + i),
    peers: whole("--peers", values.peers ?? (values.storm ? "32" : values.cost ? "1024" : "6")),
    rounds: whole("--rounds", values.rounds),
    hours: Number(values.hours) > 0 ? Number(values.hours) : whole("--hours", values.hours),
    liar: values.liar === undefined ? null : liarKind(values.liar),
    trace: values.trace,
    storm: values.storm,
    cellSize: whole("--cells", values.cells),
    isDying: values.dying,
    cost: values.cost,
    mild: values.mild,
  };
}

function liarKind(text: string): LiarKind {
  const kind = LIAR_KINDS.find((kind) => kind === text);
  if (kind === undefined) throw new Error(`--liar must be one of ${LIAR_KINDS.join(", ")}; not '${text}'`);
  return kind;
}

function whole(flag: string, text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1) throw new Error(`${flag} must be a whole number above 0, not '${text}'`);
  return value;
}

/** Prints one run; returns how many laws it broke. */
function runOne({ seeds, peers, rounds, liar, cellSize, isDying, trace }: Options): number {
  const { broken, observer, peers: all } = simulate({
    seed: seeds[0]!,
    peers,
    rounds,
    cellSize,
    isDying,
    ...liar && { liar },
  });
  if (trace) observer.trace.forEach((line) => console.log(line));
  const liars = all.filter(({ isHonest }) => !isHonest).map(({ id, liarKind }) => `${id} ${liarKind}`);
  if (liars.length > 0) console.log(`liars: ${liars.join(", ")}`);
  const heads = all.map(({ id }) => `${id} ${observer.adoptions.get(id)?.at(-1)?.chain.round ?? "-"}`);
  console.log(`rounds at the end: ${heads.join(", ")}`);
  console.log(`${JSON.stringify(observer.tally)}; digest ${observer.digest()}`);
  broken.slice(0, 20).forEach((fault) => console.log(`BROKEN ${fault}`));
  return broken.length;
}

/** Prints how far many runs have come, and each that breaks a law. */
async function runMany({ seeds, peers, rounds, liar, cellSize, isDying }: Options): Promise<number> {
  const startMs = performance.now(), everyMs = 10_000;
  let done = 0, broken = 0, roundCount = 0, toldAtMs = startMs;
  const results = await runSeeds(
    seeds.map((seed) => ({ seed, peers, rounds, cellSize, isDying, ...liar && { liar } })),
    {
      onResult: (result) => {
        done++;
        roundCount += result.rounds;
        if (result.broken.length > 0) {
          broken++;
          console.log(
            `${result.rerun} (liars: ${result.liars.join(", ") || "none"})\n  BROKEN ${
              result.broken.slice(0, 3).join("\n  BROKEN ")
            }`,
          );
        }
        const nowMs = performance.now();
        if (nowMs - toldAtMs < everyMs) return;
        toldAtMs = nowMs;
        const leftS = Math.round((nowMs - startMs) / done * (seeds.length - done) / 1000);
        console.error(`${done} of ${seeds.length} seeds, ${broken} broken, about ${leftS} s left`);
      },
    },
  );
  const tally: Record<string, number> = {};
  for (const result of results) {
    for (const [what, count] of Object.entries(result.tally)) {
      tally[what] = what === "deepest" ? Math.max(tally[what] ?? 0, count) : (tally[what] ?? 0) + count;
    }
  }
  const seconds = ((performance.now() - startMs) / 1000).toFixed(0);
  console.log(
    `${seeds.length} seeds of ${peers} peers, ${roundCount} rounds, in ${seconds} s: ${JSON.stringify(tally)}`,
  );
  console.log(`${broken} seeds broke a law`);
  return broken;
}

async function main(): Promise<number> {
  let options: Options;
  try {
    options = parse(Deno.args);
  } catch (error) {
    console.error(`Cannot simulate: ${reasonOf(error)}\n\n${USAGE}`);
    return 2;
  }
  if (options.cost) {
    const { seeds, peers: most, cellSize, mild: isMild } = options;
    return printCosts({ seed: seeds[0]!, most, cellSize, isMild }) ? 0 : 1;
  }
  if (options.storm) return measureStorm({ ...options, seed: options.seeds[0]! }) ? 0 : 1;
  const broken = options.seeds.length === 1 ? runOne(options) : await runMany(options);
  return broken === 0 ? 0 : 1;
}

if (import.meta.main) Deno.exit(await main());
