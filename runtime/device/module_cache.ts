/**
 * WebAssembly that was compiled before, in the user's cache: compiling takes seconds of a processor, and every process
 * that computes needs the same modules.
 *
 * It does not compile. Where there is no cache, where it may not be read, or where what is in it is damaged, it is as if
 * nothing had been compiled before; only time is lost. Needed are the permissions to read and write that folder, and they
 * are not asked for.
 *
 * The one thing to know before editing: a file is named by the digest of all that the bytes in it depend on, and begins
 * with the digest of these bytes.
 * @module
 */
import { join } from "node:path";
import { userCacheFolder } from "./user_cache.ts";

/** The least recently written are removed beyond that; a module has some 50 kB. */
const MOST_MODULES = 200;

const DIGEST_BYTES = 32;

type Bytes = Uint8Array<ArrayBuffer>;

/**
 * The module of these sources: from the cache, or compiled and then kept.
 * @param sources All that it depends on: sources, flags, the compiler's version.
 */
export async function cachedModule(
  sources: string,
  compile: () => Promise<Bytes>,
  cache: string | null = userCacheFolder(),
): Promise<Bytes> {
  if (cache === null) return await compile();
  const folder = join(cache, "wasm"), name = hex(await digest(new TextEncoder().encode(sources)));
  const kept = await read(join(folder, name));
  if (kept !== null) return kept;
  const bytes = await compile();
  await keep(folder, name, bytes).catch(() => {}); // a disk that is full: it is compiled again
  return bytes;
}

async function read(path: string): Promise<Bytes | null> {
  if (!isGranted("read", path)) return null;
  const file = await Deno.readFile(path).catch(() => null);
  if (file === null) return null;
  const bytes = file.slice(DIGEST_BYTES);
  return hex(file.subarray(0, DIGEST_BYTES)) === hex(await digest(bytes)) ? bytes : null;
}

/** Beside its place and then renamed, so that a reader sees nothing or all of it. */
async function keep(folder: string, name: string, bytes: Bytes): Promise<void> {
  if (!isGranted("read", folder) || !isGranted("write", folder)) return;
  await Deno.mkdir(folder, { recursive: true });
  const temporary = join(folder, `${crypto.randomUUID()}.part`), contents = new Uint8Array(DIGEST_BYTES + bytes.length);
  contents.set(await digest(bytes));
  contents.set(bytes, DIGEST_BYTES);
  try {
    await Deno.writeFile(temporary, contents);
    await Deno.rename(temporary, join(folder, name));
  } finally {
    await Deno.remove(temporary).catch(() => {}); // it is there only if something failed
  }
  await removeOldest(folder);
}

/** Parts that a killed process left are among them. */
async function removeOldest(folder: string): Promise<void> {
  const names = [...Deno.readDirSync(folder)].map(({ name }) => name);
  if (names.length <= MOST_MODULES) return;
  const writtenMs = new Map<string, number>();
  for (const name of names) writtenMs.set(name, (await Deno.stat(join(folder, name))).mtime?.getTime() ?? 0);
  names.sort((a, b) => writtenMs.get(a)! - writtenMs.get(b)!);
  for (const name of names.slice(0, -MOST_MODULES)) await Deno.remove(join(folder, name));
}

function isGranted(name: "read" | "write", path: string): boolean {
  return Deno.permissions.querySync({ name, path }).state === "granted";
}

async function digest(bytes: Bytes): Promise<Bytes> {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
}

function hex(bytes: Bytes): string {
  return bytes.toHex();
}
