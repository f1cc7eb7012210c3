/**
 * The file of the Dawn library (Chrome's WebGPU, as an add-on of native code): found, or fetched once.
 *
 * It is no dependency of ours: it is 51 MB to fetch, which who does without it need not pay. So it has a folder of its
 * own in the user's cache, where `deno install` puts it, once, from the package registry. The lock file there is the one
 * below: what was fetched has these digests or is not used. It does not load the library; `dawn.ts` does.
 *
 * The one thing to know before editing: for a new version, write its number and the lock file that `deno install` makes
 * beside `MANIFEST`, and run the tests that use Dawn.
 * @module
 */
import { join } from "node:path";
import { reasonOf } from "../../p2p/reason.ts";
import { environmentVariable, userCacheFolder } from "./user_cache.ts";

export const DAWN_VERSION = "0.6.2";

/** The environment variable that names another `dawn.node`, or is `off`. */
export const DAWN_VARIABLE = "STARLING_DAWN";

/** The library cannot be had, or does not work here. */
export class NoDawnError extends Error {
  override readonly name = "NoDawnError";

  /** @param reason What follows "Dawn": "needs the permission --allow-ffi". */
  constructor(readonly reason: string) {
    super(`Cannot open a Dawn device: Dawn ${reason}. The webgpu and cpu devices do without it`);
  }
}

export interface DawnFileOptions {
  /**
   * How to get it if it is not here. "asked": somebody waits for it and said so. "brief": half a minute of fetching, and
   * not again on the day after that failed.
   */
  readonly fetching: "asked" | "brief";
  /** Told before it is fetched, for people. */
  onNotice?(message: string): void;
  /** The user's cache, and how the package gets into a folder; the defaults are right but for tests. */
  readonly cacheFolder?: string | null;
  readonly install?: (folder: string, signal: AbortSignal) => Promise<void>;
  readonly variable?: string | undefined;
}

const MINUTE_MS = 60_000, PATIENCE_MS = { asked: 15 * MINUTE_MS, brief: MINUTE_MS / 2 };
const NOT_AGAIN_MS = 24 * 60 * MINUTE_MS;

/**
 * The path of the library for this system.
 * @throws {NoDawnError} if it is not wanted, not permitted, or cannot be fetched.
 */
export async function dawnFile(options: DawnFileOptions): Promise<string> {
  const asked = "variable" in options ? options.variable : environmentVariable(DAWN_VARIABLE);
  if (asked === "off") throw new NoDawnError(`is not wanted: ${DAWN_VARIABLE} is off`);
  if (asked !== undefined && asked !== "") {
    expectPermission({ name: "ffi", path: asked }, "--allow-ffi");
    if (!await exists(asked)) throw new NoDawnError(`is not where ${DAWN_VARIABLE} says: there is no ${asked}`);
    return asked;
  }
  const cache = options.cacheFolder === undefined ? userCacheFolder() : options.cacheFolder;
  if (cache === null) throw new NoDawnError("has no place: this user has no folder for caches (set STARLING_CACHE)");
  const folder = join(cache, `dawn-${DAWN_VERSION}`), file = join(folder, ...libraryPath());
  expectPermission({ name: "ffi", path: file }, "--allow-ffi");
  if (!await exists(file)) await fetchInto(folder, options);
  if (!await exists(file)) throw new NoDawnError(`${DAWN_VERSION} has no ${file}; remove ${folder} to fetch it again`);
  return file;
}

/** In the package, for this system. @throws {NoDawnError} if it is made for no such system. */
function libraryPath(): readonly string[] {
  const { os, arch } = Deno.build, processor = arch === "x86_64" ? "x64" : "arm64";
  const system =
    { linux: `linux-${processor}`, darwin: "darwin-universal", windows: `win32-${processor}` }[os as string];
  if (system === undefined) throw new NoDawnError(`is not made for ${os}`);
  return ["node_modules", ".deno", `webgpu@${DAWN_VERSION}`, "node_modules", "webgpu", "dist", system, "dawn.node"];
}

/** Into a folder beside it that is then renamed, so that a file that is here is whole. */
async function fetchInto(folder: string, options: DawnFileOptions): Promise<void> {
  const { fetching, onNotice, install = installPackage } = options, failed = `${folder}.failed`;
  if (fetching === "brief") await expectNoFreshFailure(failed);
  onNotice?.(`Fetching Dawn ${DAWN_VERSION} (51 MB, once) …`);
  const temporary = `${folder}.${Deno.pid}`;
  try {
    await Deno.mkdir(temporary, { recursive: true });
    await Deno.writeTextFile(join(temporary, "deno.json"), MANIFEST);
    await Deno.writeTextFile(join(temporary, "deno.lock"), LOCK);
    await install(temporary, AbortSignal.timeout(PATIENCE_MS[fetching]));
    await Deno.rename(temporary, folder).catch(async (error) => {
      if (!await exists(folder)) throw error; // else another process was faster
    });
    await Deno.remove(failed).catch(() => {}); // there seldom is one
  } catch (error) {
    await Deno.writeTextFile(failed, "").catch(() => {}); // then it is tried again sooner
    throw new NoDawnError(`could not be fetched (${reasonOf(error)})`);
  } finally {
    await Deno.remove(temporary, { recursive: true }).catch(() => {}); // it is not there any more if all went well
  }
}

async function expectNoFreshFailure(failed: string): Promise<void> {
  const triedMs = await Deno.stat(failed).then(({ mtime }) => mtime?.getTime() ?? 0, () => 0);
  if (Date.now() - triedMs >= NOT_AGAIN_MS) return;
  throw new NoDawnError(
    "could not be fetched when that was tried last, less than a day ago; --device dawn tries again",
  );
}

/** Deno is asked to install what the manifest names. Throws what it says. */
async function installPackage(cwd: string, signal: AbortSignal): Promise<void> {
  if (Deno.build.standalone) throw new Error("a compiled program has no Deno to fetch it with");
  const deno = Deno.execPath();
  expectPermission({ name: "run", command: deno }, `--allow-run=${deno}`);
  const args = ["install", "--quiet", "--frozen"];
  const { code, stderr } = await new Deno.Command(deno, { args, cwd, signal, stdout: "null", stderr: "piped" })
    .output();
  if (signal.aborted) throw new Error("it took too long");
  if (code === 0) return;
  const said = new TextDecoder().decode(stderr).split(/Stack backtrace/)[0]!;
  throw new Error(said.split("\n").map((line) => line.trim()).filter((line) => line !== "").join(" ").slice(0, 400));
}

function expectPermission(permission: Deno.PermissionDescriptor, flag: string): void {
  if (Deno.permissions.querySync(permission).state === "granted") return;
  throw new NoDawnError(`needs the permission ${flag}`);
}

async function exists(path: string): Promise<boolean> {
  return await Deno.stat(path).then(() => true, () => false);
}

const MANIFEST = JSON.stringify({ nodeModulesDir: "auto", imports: { webgpu: `npm:webgpu@${DAWN_VERSION}` } });

const LOCK = JSON.stringify({
  version: "5",
  specifiers: { [`npm:webgpu@${DAWN_VERSION}`]: DAWN_VERSION },
  npm: {
    "@webgpu/types@0.1.74": {
      integrity: "sha512-lgiI4hbuLcI9unnm2cL/tvCaQU45dp0xcLWJh5uB/9MBGvIA4F8XIk7nSiBeg+K4xWGYwgZKn80LmERI5CxoTA==",
    },
    "debug@4.4.3": {
      integrity: "sha512-RGwwWnwQvkVfavKVt22FGLw+xYSdzARwm0ru6DhTVA3umU5hZc28V3kO4stgYryrTlLpuvgI9GiijltAjNbcqA==",
      dependencies: ["ms"],
    },
    "ms@2.1.3": {
      integrity: "sha512-6FlzubTLZG3J2a/NVCAleEhjzq5oxgHyaCU9yYXvcLsvoVaHJq/s5xXI6/XXP6tz7R9xAOtHnSO/tXtF3WRTlA==",
    },
    [`webgpu@${DAWN_VERSION}`]: {
      integrity: "sha512-3L4GfmqJLvYUIEWJngEQY+2HQiUlAFkg8+P8NDDj3Xx5hHHIFO/r8JW+ynfqBj7kHN4mbnwO74uB+lrRtLhp4Q==",
      dependencies: ["@webgpu/types", "debug"],
      scripts: true,
    },
  },
  workspace: { dependencies: [`npm:webgpu@${DAWN_VERSION}`] },
});
