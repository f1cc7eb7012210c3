/**
 * `deno task test`: prepares what the tests need, runs them and ends with `N passed, N failed, N skipped`.
 *
 * `--quick` leaves out the simulator's seeds, the hostile runs, the swarm of real processes, the networks and Dawn (for
 * `deno task ok`); other arguments are passed to `deno test`. With STARLING_REQUIRE_GPU=1 a missing adapter is a
 * failure, not a reason to skip.
 *
 * The one thing to know before editing: tests run in lanes beside each other. Tests in real time are all in one lane, so
 * that no two of them train at once; what can wait for ever yields to all others; and hosts come first, beside nothing
 * else.
 * @module
 */
import { prepareAdapter, prepareDawn, prepareNamespaces } from "./preparation.ts";
import { type Counts, runDenoTest, type TestRun } from "./test_process.ts";

const SLOW = [
  ...["tests/sim/", "tests/swarm/", "tests/hostile/", "tests/reach/", "tests/fuzz/"],
  "tests/conformance/dawn_device_test.ts",
];

/** Real processes that train, and real networks. */
const REAL_TIME = ["tests/swarm/", "tests/reach/"];

/**
 * Hosts whose clock goes on with every turn of the event loop: what else they wait for (files, digests) is late by that
 * clock on a busy machine.
 */
const HOSTS = ["p2p/", "tests/driven/", "tests/fuzz/", "tests/hostile/"];

/** On virtual time: whatever else the machine does, and however long they take, they give the same results. */
const SIMULATIONS = "tests/sim/";

/** Kernels are tested on Dawn too, but those that take SwiftShader more than some seconds; Tint compiles them anyway. */
const SLOW_ON_DAWN = /attention_backward|matmul_(epilogues|forms|matrix)/;

const quick = Deno.args.includes("--quick");
const passedOn = Deno.args.filter((argument) => argument !== "--quick");

if (!await prepareAdapter() && Deno.env.get("STARLING_REQUIRE_GPU") === "1") {
  console.error("STARLING_REQUIRE_GPU is 1, so GPU tests must not be skipped.");
  Deno.exit(1);
}
if (!quick) await prepareNamespaces();
Deno.exit(report(passedOn.length > 0 ? [await runDenoTest(["--doc", ...passedOn])] : await runLanes()));

/**
 * Files that use a GPU have a process each: Mesa's software driver sometimes crashes a process that ends after several
 * devices were opened in it, and now and then one that opened few.
 */
async function runLanes(): Promise<readonly TestRun[]> {
  const { code } = await new Deno.Command(Deno.execPath(), { args: ["check", "--quiet"], stderr: "inherit" }).output();
  if (code !== 0) Deno.exit(code); // it has said what is wrong

  const apart = [...HOSTS, ...quick ? SLOW : [...REAL_TIME, SIMULATIONS]];
  const gpuFiles = [...testFiles("")].filter((path) => !apart.some((start) => path.startsWith(start)) && usesGpu(path));
  const dawn = quick || !await prepareDawn() ? [] : gpuFiles.filter(hasKernelsForDawn);

  const simulations = quick ? [] : [runDenoTest(["--no-check", SIMULATIONS], { isPatient: true })];
  const hosts = await runDenoTest(["--doc", ...HOSTS.filter((folder) => !quick || !SLOW.includes(folder))]);
  const units = ["--doc", `--ignore=${[...apart, ...gpuFiles].join(",")}`]; // the examples' types are looked at here
  const lanes = [
    inTurn([
      () => runDenoTest(units),
      ...gpuFiles.map((path) => () => runAlone(path)),
      ...dawn.map((path) => () => runAlone(path, { STARLING_TEST_GPU: "dawn" })),
    ]),
    ...quick ? [] : [inTurn([() => runDenoTest(["--no-check", ...REAL_TIME])])],
  ];
  return [hosts, ...(await Promise.all(lanes)).flat(), ...await Promise.all(simulations)];
}

async function inTurn(runs: readonly (() => Promise<TestRun>)[]): Promise<readonly TestRun[]> {
  const results: TestRun[] = [];
  for (const run of runs) results.push(await run());
  return results;
}

function* testFiles(folder: string): Generator<string> {
  for (const { name, isDirectory } of Deno.readDirSync(folder === "" ? "." : folder)) {
    if (name.startsWith(".")) continue;
    if (isDirectory) yield* testFiles(`${folder}${name}/`);
    else if (name.endsWith("_test.ts")) yield `${folder}${name}`;
  }
}

function usesGpu(path: string): boolean {
  return /\b(gpuTest|openWebGpuDevice|openDawnDevice|describeWebGpu)\b/.test(Deno.readTextFileSync(path));
}

/** Whether its tests ask `tests/kernels/check.ts` for the device, which may be Dawn's. */
function hasKernelsForDawn(path: string): boolean {
  return path.startsWith("kernels/") && !SLOW_ON_DAWN.test(path) && /\bgpuTest\b/.test(Deno.readTextFileSync(path));
}

/** A file whose process crashes as it ends, after all of its tests passed, is run once more; then it must not. */
async function runAlone(path: string, env: Readonly<Record<string, string>> = {}): Promise<TestRun> {
  const run = await runDenoTest(["--no-check", path], { env });
  if (run.signal === null || run.counts.passed === 0 || run.counts.failed > 0) return run;
  console.log(`${run.signal} ended the process of ${path} after all of its tests had passed: it is run once more.`);
  return await runDenoTest(["--no-check", path], { env });
}

/** Prints the sums; the exit code. */
function report(runs: readonly TestRun[]): number {
  const code = runs.find((run) => run.code !== 0)?.code ?? 0;
  const sum = (of: keyof Counts) => runs.reduce((total, { counts }) => total + counts[of], 0);
  if (code !== 0 && sum("failed") === 0) {
    console.log("A test process ended with an error outside its tests: see above.");
  }
  console.log(`${sum("passed")} passed, ${sum("failed")} failed, ${sum("ignored")} skipped`);
  return code;
}
