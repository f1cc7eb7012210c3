/**
 * `deno task test`: prepares what the tests need, runs them and ends with `N passed, N failed, N skipped`.
 *
 * `--quick` leaves out the simulator's seeds and the swarm of real processes (for `deno task ok`); other arguments are
 * passed to `deno test`. With STARLING_REQUIRE_GPU=1 a missing adapter fails instead of skipping.
 * @module
 */
import { hasAdapter } from "./kernels/adapter.ts";

const SLOW = ["tests/sim/", "tests/swarm/"];

const quick = Deno.args.includes("--quick");
const passedOn = Deno.args.filter((argument) => argument !== "--quick");

await prepareAdapter();
const code = await runTests();
Deno.exit(code);

/** Finds or installs a WebGPU adapter: GPU tests are verified on a software driver where there is no GPU. */
async function prepareAdapter(): Promise<void> {
  if (await adapterInFreshProcess()) return;
  if (Deno.build.os === "linux" && Deno.uid() === 0 && await succeeds("apt-get", ["--version"])) {
    console.log("No WebGPU adapter found: installing the software Vulkan driver (mesa-vulkan-drivers) …");
    await succeeds("apt-get", ["update", "-qq"]);
    await succeeds("apt-get", ["install", "-y", "-qq", "mesa-vulkan-drivers", "libvulkan1"]);
    if (await adapterInFreshProcess()) return;
  }
  console.log(
    "No WebGPU adapter: GPU tests will be skipped. Install a GPU driver or a software one " +
      "(Debian and Ubuntu: apt-get install mesa-vulkan-drivers libvulkan1).",
  );
}

/** In its own process: an adapter request that found nothing is remembered by the process that made it. */
async function adapterInFreshProcess(): Promise<boolean> {
  const script = new URL("./kernels/adapter.ts", import.meta.url).href;
  const { code } = await new Deno.Command(Deno.execPath(), { args: ["run", "-A", script], stderr: "null" }).output();
  return code === 0;
}

async function succeeds(command: string, args: readonly string[]): Promise<boolean> {
  try {
    const { code } = await new Deno.Command(command, { args: [...args], stdout: "null", stderr: "null" }).output();
    return code === 0;
  } catch {
    return false;
  }
}

async function runTests(): Promise<number> {
  if (!await hasAdapter() && Deno.env.get("STARLING_REQUIRE_GPU") === "1") {
    console.error("STARLING_REQUIRE_GPU is set and there is no WebGPU adapter.");
  }
  const ignore = quick ? [`--ignore=${SLOW.join(",")}`] : [];
  const child = new Deno.Command(Deno.execPath(), {
    args: ["test", "-A", "--doc", ...ignore, ...passedOn],
    stdout: "piped",
    env: { NO_COLOR: "1" },
  }).spawn();
  let tail = "";
  for await (const chunk of child.stdout) {
    await Deno.stdout.write(chunk);
    tail = (tail + new TextDecoder().decode(chunk)).slice(-4000);
  }
  const { code } = await child.status;
  const count = (word: string) => Number(tail.match(new RegExp(`(\\d+) ${word}`))?.[1] ?? 0);
  console.log(`${count("passed")} passed, ${count("failed")} failed, ${count("ignored")} skipped`);
  return code;
}
