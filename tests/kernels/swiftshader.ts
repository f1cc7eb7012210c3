/**
 * SwiftShader, Chromium's Vulkan driver in software: for tests of Dawn where it finds no GPU.
 *
 * It is looked for in an installed Chromium and in the user's cache, where `fetchSwiftShader` puts it. That installs no
 * browser: of a package of Debian's, which apt has checked, two files are kept. Run alone, this file fetches it.
 *
 * The one thing to know before editing: only processes that test Dawn may see it. The WebGPU that is built into Deno
 * finds Mesa's driver, which has f16 and is faster.
 * @module
 */
import { join } from "node:path";
import { userCacheFolder } from "../../runtime/device/user_cache.ts";

/** Tells Vulkan which drivers there are: manifests, in place of all that are installed. */
export const DRIVER_VARIABLE = "VK_ICD_FILENAMES";

const PACKAGE = "chromium-common", FOLDER = "usr/lib/chromium";
const MANIFEST = "vk_swiftshader_icd.json", LIBRARY = "libvk_swiftshader.so";

/** The path of its manifest, or null if it is not here. */
export function findSwiftShader(): string | null {
  for (const folder of [`/${FOLDER}`, cacheFolder()]) {
    if (folder !== null && [MANIFEST, LIBRARY].every((name) => isFile(join(folder, name)))) {
      return join(folder, MANIFEST);
    }
  }
  return null;
}

/**
 * Takes it out of Debian's package, 31 MB to download, 5 MB kept.
 * @throws {Error} if there is no such package, or no place to keep it.
 */
export async function fetchSwiftShader(): Promise<void> {
  const kept = cacheFolder();
  if (kept === null) throw new Error("this user has no folder for caches (set STARLING_CACHE)");
  const work = `${kept}.${Deno.pid}`;
  await Deno.mkdir(work, { recursive: true });
  try {
    if (!await succeeds("apt-get", ["download", "-qq", PACKAGE], work)) { // its lists may be older than its mirror
      await succeeds("apt-get", ["update", "-qq"], work);
      await expectSuccess("apt-get", ["download", "-qq", PACKAGE], work);
    }
    const archive = [...Deno.readDirSync(work)].find(({ name }) => name.endsWith(".deb"));
    if (archive === undefined) throw new Error(`apt-get has downloaded no package ${PACKAGE}`);
    await expectSuccess("dpkg-deb", ["--extract", archive.name, "unpacked"], work);
    const small = join(work, "small");
    await Deno.mkdir(small);
    for (const name of [MANIFEST, LIBRARY]) await Deno.rename(join(work, "unpacked", FOLDER, name), join(small, name));
    await Deno.remove(kept, { recursive: true }).catch(() => {}); // there seldom is one
    await Deno.rename(small, kept);
  } finally {
    await Deno.remove(work, { recursive: true });
  }
}

function cacheFolder(): string | null {
  const cache = userCacheFolder();
  return cache === null ? null : join(cache, "swiftshader");
}

function isFile(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false; // it is not there
  }
}

async function succeeds(command: string, args: readonly string[], cwd: string): Promise<boolean> {
  return await expectSuccess(command, args, cwd).then(() => true, () => false);
}

async function expectSuccess(command: string, args: readonly string[], cwd: string): Promise<void> {
  const { code, stderr } = await new Deno.Command(command, { args: [...args], cwd, stdout: "null", stderr: "piped" })
    .output();
  if (code !== 0) throw new Error(`${command} ends with ${code}: ${new TextDecoder().decode(stderr).trim()}`);
}

if (import.meta.main) {
  if (findSwiftShader() === null) await fetchSwiftShader();
  console.log(findSwiftShader());
}
