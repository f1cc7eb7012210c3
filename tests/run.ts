/**
 * `deno task test`: prepares what the tests need, runs them and ends with `N passed, N failed, N skipped`.
 *
 * `--quick` leaves out the simulator's seeds, the hostile runs, the swarm of real processes and the networks (for
 * `deno task ok`); other arguments are passed to `deno test`. With STARLING_REQUIRE_GPU=1 a missing adapter is a
 * failure, not a reason to skip.
 * @module
 */
const SLOW = ["tests/sim/", "tests/swarm/", "tests/hostile/", "tests/reach/", "tests/fuzz/"];

/** Single-threaded and on virtual time: whatever else the machine does, they give the same results. */
const SIMULATIONS = "tests/sim/";

const quick = Deno.args.includes("--quick");
const passedOn = Deno.args.filter((argument) => argument !== "--quick");

if (!await prepareAdapter() && Deno.env.get("STARLING_REQUIRE_GPU") === "1") {
  console.error("STARLING_REQUIRE_GPU is 1, so GPU tests must not be skipped.");
  Deno.exit(1);
}
if (!quick) await prepareNamespaces();
Deno.exit(await runTests());

/** Installs what `tests/reach` makes its networks with, where that is possible; it says itself what it lacks. */
async function prepareNamespaces(): Promise<void> {
  if (Deno.build.os !== "linux" || Deno.uid() !== 0) return;
  if (await succeeds("ip", ["-V"]) && await succeeds("nft", ["--version"])) return;
  if (!await succeeds("apt-get", ["--version"])) return;
  console.log("No ip or nft found: installing iproute2 and nftables …");
  await succeeds("apt-get", ["update", "-qq"]);
  await succeeds("apt-get", ["install", "-y", "-qq", "iproute2", "nftables"]);
}

/** Finds or installs a WebGPU adapter: kernels are verified on a software driver where there is no GPU. */
async function prepareAdapter(): Promise<boolean> {
  if (await hasAdapter()) return true;
  if (Deno.build.os === "linux" && Deno.uid() === 0 && await succeeds("apt-get", ["--version"])) {
    console.log("No WebGPU adapter found: installing the software Vulkan driver (mesa-vulkan-drivers) …");
    await succeeds("apt-get", ["update", "-qq"]);
    await succeeds("apt-get", ["install", "-y", "-qq", "mesa-vulkan-drivers", "libvulkan1"]);
    if (await hasAdapter()) return true;
  }
  console.log(
    "No WebGPU adapter: GPU tests will be skipped. Install a GPU driver or a software one " +
      "(Debian and Ubuntu: apt-get install mesa-vulkan-drivers libvulkan1).",
  );
  return false;
}

/** In a process of its own: one that has asked in vain does not see a driver installed later. */
function hasAdapter(): Promise<boolean> {
  return succeeds(Deno.execPath(), ["run", "-A", new URL("./kernels/adapter.ts", import.meta.url).href]);
}

async function succeeds(command: string, args: readonly string[]): Promise<boolean> {
  try {
    const { code } = await new Deno.Command(command, { args: [...args], stdout: "null", stderr: "null" }).output();
    return code === 0;
  } catch {
    return false; // no such command
  }
}

interface Counts {
  readonly passed: number;
  readonly failed: number;
  readonly ignored: number;
}

interface TestRun {
  readonly code: number;
  /** What ended the process, if it did not end by itself. */
  readonly signal: Deno.Signal | null;
  readonly counts: Counts;
  /** What it printed. */
  readonly output: string;
}

/**
 * All tests in one process, but those that use a GPU one file a process: Mesa's software driver sometimes crashes a
 * process that ends after several devices were opened in it, and now and then one that opened few. Beside these, and not
 * beside tests in real time, the simulations run.
 */
async function runTests(): Promise<number> {
  const slow = quick ? SLOW : [];
  const gpuFiles = passedOn.length > 0 ? [] : [...testFiles("")].filter(usesGpu);
  const alone = gpuFiles.filter((path) => !slow.some((folder) => path.startsWith(folder)));
  const hasSimulations = !quick && passedOn.length === 0;
  const apart = [...slow, ...gpuFiles, ...(hasSimulations ? [SIMULATIONS] : [])];
  const first = await runDenoTest([...passedOn, "--doc", ...ignoring(apart)]);
  const [simulations, gpu] = await Promise.all([
    hasSimulations ? runDenoTest([SIMULATIONS], { isQuiet: true }) : null,
    inTurn(alone, runAlone),
  ]);
  if (simulations !== null) console.log(simulations.output);
  const runs = [first, ...(simulations === null ? [] : [simulations]), ...gpu];
  const code = runs.find((run) => run.code !== 0)?.code ?? 0;
  const sum = (of: keyof Counts) => runs.reduce((total, { counts }) => total + counts[of], 0);
  if (code !== 0 && sum("failed") === 0) {
    console.log("A test process ended with an error outside its tests: see above.");
  }
  console.log(`${sum("passed")} passed, ${sum("failed")} failed, ${sum("ignored")} skipped`);
  return code;
}

async function inTurn<T, R>(items: readonly T[], work: (item: T) => Promise<R>): Promise<R[]> {
  const results: R[] = [];
  for (const item of items) results.push(await work(item));
  return results;
}

function ignoring(paths: readonly string[]): readonly string[] {
  return paths.length === 0 ? [] : [`--ignore=${paths.join(",")}`];
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

/** A file whose process crashes as it ends, after all of its tests passed, is run once more; then it must not. */
async function runAlone(path: string): Promise<TestRun> {
  const run = await runDenoTest([path]);
  if (run.signal === null || run.counts.passed === 0 || run.counts.failed > 0) return run;
  console.log(`${run.signal} ended the process of ${path} after all of its tests had passed: it is run once more.`);
  return await runDenoTest([path]);
}

/** Shows what `deno test` prints, unless it is to be quiet, and counts. */
async function runDenoTest(args: readonly string[], { isQuiet = false } = {}): Promise<TestRun> {
  const child = new Deno.Command(Deno.execPath(), {
    args: ["test", "-A", ...args],
    stdout: "piped",
    env: { NO_COLOR: "1", XDG_RUNTIME_DIR: Deno.env.get("XDG_RUNTIME_DIR") ?? "/tmp" }, // or Mesa complains
  }).spawn();
  let output = "";
  for await (const text of child.stdout.pipeThrough(new TextDecoderStream())) {
    if (!isQuiet) await Deno.stdout.write(new TextEncoder().encode(text));
    output += text;
  }
  const tail = output.slice(-4000);
  const { code, signal } = await child.status;
  const count = (word: string) => Number(tail.match(new RegExp(`(\\d+) ${word}`))?.[1] ?? 0);
  return {
    code,
    signal,
    output,
    counts: { passed: count("passed"), failed: count("failed"), ignored: count("ignored") },
  };
}
