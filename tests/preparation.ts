/**
 * What tests need of a machine beside Deno, installed where that is possible: Debian or Ubuntu, as root. Where it is not,
 * people are told what to install, and the tests that need it are skipped with the reason.
 * @module
 */
import { findDawn } from "./kernels/dawn.ts";
import { fetchSwiftShader } from "./kernels/swiftshader.ts";
import { reasonOf } from "../p2p/reason.ts";

/** Installs what `tests/reach` makes its networks with; it says itself what it lacks. */
export async function prepareNamespaces(): Promise<void> {
  if (await succeeds("ip", ["-V"]) && await succeeds("nft", ["--version"])) return;
  if (!await mayInstall()) return;
  console.log("No ip or nft found: installing iproute2 and nftables …");
  await install(["iproute2", "nftables"]);
}

/** Finds or installs a WebGPU adapter: kernels are verified on a software driver where there is no GPU. */
export async function prepareAdapter(): Promise<boolean> {
  if (await hasAdapter()) return true;
  if (await mayInstall()) {
    console.log("No WebGPU adapter found: installing the software Vulkan driver (mesa-vulkan-drivers) …");
    await install(["mesa-vulkan-drivers", "libvulkan1"]);
    if (await hasAdapter()) return true;
  }
  console.log(
    "No WebGPU adapter: GPU tests will be skipped. Install a GPU driver or a software one " +
      "(Debian and Ubuntu: apt-get install mesa-vulkan-drivers libvulkan1).",
  );
  return false;
}

/** Finds something that Dawn computes on, or fetches it. False, and said, if the tests of Dawn will be skipped. */
export async function prepareDawn(): Promise<boolean> {
  let found = await findDawn();
  if (!found.ok && found.lacksDriver && await mayInstall()) {
    console.log("Dawn finds no GPU that it can use: fetching Chromium's software driver (31 MB, once) …");
    await fetchSwiftShader().catch((error) => console.log(`It could not be fetched: ${reasonOf(error)}`));
    found = await findDawn();
  }
  console.log(found.ok ? `Dawn is tested on ${found.description}.` : `Dawn is not tested: ${found.problem}.`);
  return found.ok;
}

/** In a process of its own: one that has asked in vain does not see a driver installed later. */
function hasAdapter(): Promise<boolean> {
  return succeeds(Deno.execPath(), ["run", "-A", new URL("./kernels/adapter.ts", import.meta.url).href]);
}

async function mayInstall(): Promise<boolean> {
  return Deno.build.os === "linux" && Deno.uid() === 0 && await succeeds("apt-get", ["--version"]);
}

async function install(packages: readonly string[]): Promise<void> {
  await succeeds("apt-get", ["update", "-qq"]);
  await succeeds("apt-get", ["install", "-y", "-qq", ...packages]);
}

/** Whether a program is here and ends well. */
export async function succeeds(command: string, args: readonly string[]): Promise<boolean> {
  try {
    const { code } = await new Deno.Command(command, { args: [...args], stdout: "null", stderr: "null" }).output();
    return code === 0;
  } catch {
    return false; // no such command
  }
}
