/**
 * Dawn, opened and measured in a process of its own: a library of native code on a driver that nobody tried it with may
 * crash or hang, and then takes that process along and not a peer.
 *
 * Run alone, this file is that process: the library's path is its argument, what it found is JSON on stdout.
 * @module
 */
import { reasonOf } from "../../p2p/reason.ts";
import { openDawnDevice } from "./dawn.ts";
import { DAWN_VARIABLE, dawnFile, type DawnFileOptions, NoDawnError } from "./dawn_package.ts";
import { selfTestF16 } from "./f16.ts";
import { measureGflops } from "./probe.ts";
import { describeWebGpu } from "./webgpu.ts";

export interface DawnTrial {
  readonly description: string;
  readonly gflops: number;
  /** Null if f16 can be used there, or why not. */
  readonly f16Problem: string | null;
  /** What its self-tests found wrong, and it does without. */
  readonly faults: readonly string[];
}

export interface DawnTrialOptions extends Partial<DawnFileOptions> {
  /** What runs there; this file but for tests. */
  readonly program?: string;
}

/** Longer than any driver takes to compile a handful of kernels. */
const PATIENCE_MS = 60_000;

/**
 * Measures Dawn in another process.
 * @throws {NoDawnError} if it cannot be had, ends with an error, crashes or takes too long.
 */
export async function tryDawn(options: DawnTrialOptions = {}): Promise<DawnTrial> {
  const file = await dawnFile({ fetching: "brief", ...options }), deno = Deno.execPath();
  if (Deno.permissions.querySync({ name: "run", command: deno }).state !== "granted") {
    throw new NoDawnError(`is tried in a process of its own, which needs the permission --allow-run=${deno}`);
  }
  const signal = AbortSignal.timeout(PATIENCE_MS);
  const child = new Deno.Command(deno, {
    args: [
      "run",
      "--quiet",
      "--cached-only",
      "--allow-ffi",
      "--allow-read",
      "--allow-env",
      options.program ?? import.meta.url,
      file,
    ],
    env: { NO_COLOR: "1" },
    stdout: "piped",
    stderr: "piped",
    signal,
  });
  const { code, signal: crash, stdout, stderr } = await child.output(), text = new TextDecoder();
  if (signal.aborted) throw new NoDawnError(`was still not measured after ${PATIENCE_MS / 1000} seconds`);
  if (crash !== null) throw new NoDawnError(`crashed when it was tried (${crash})`);
  if (code !== 0) throw new NoDawnError(`broke when it was tried (${text.decode(stderr).trim().slice(-400)})`);
  const found: DawnTrial | { readonly reason: string } = JSON.parse(text.decode(stdout));
  if ("reason" in found) throw new NoDawnError(found.reason);
  return found;
}

/** In this process. */
async function tryHere(): Promise<DawnTrial> {
  await describeWebGpu(); // as in the process that takes it: the other WebGPU was there first
  await using device = await openDawnDevice();
  return {
    description: device.description,
    gflops: await measureGflops(device),
    f16Problem: await selfTestF16(device).catch((error) => `it broke (${reasonOf(error)})`),
    faults: device.faults ?? [],
  };
}

if (import.meta.main) {
  Deno.env.set(DAWN_VARIABLE, Deno.args[0]!);
  const found = await tryHere().catch((error) => {
    return { reason: error instanceof NoDawnError ? error.reason : `does not work here: ${reasonOf(error)}` };
  });
  await Deno.stdout.write(new TextEncoder().encode(JSON.stringify(found)));
}
