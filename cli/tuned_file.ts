/**
 * What is known of the forms of this machine's matrix products, in a file of its user: every peer on the machine reads
 * it, and whoever measured writes it.
 *
 * It is a cache: without it, or where it cannot be written, forms are measured again.
 * @module
 */
import { join } from "node:path";
import { userCacheFolder } from "../runtime/device/user_cache.ts";
import { parseTuned, type TunedProducts, withTuned } from "../runtime/tuning/tuned_products.ts";

/** The file, or null if this user has no folder for such things. */
export function tunedPath(...where: Parameters<typeof userCacheFolder>): string | null {
  const folder = userCacheFolder(...where);
  return folder === null ? null : join(folder, "products.json");
}

/** Null if nothing is known. @param onDamage Told if there is a file that cannot be read. */
export async function loadTuned(
  onDamage: (message: string) => void,
  path = tunedPath(),
): Promise<TunedProducts | null> {
  if (path === null) return null;
  try {
    const tuned = parseTuned(await Deno.readTextFile(path));
    if (tuned === null) onDamage(`${path} is damaged, or of another version: what it was for is measured again`);
    return tuned;
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) onDamage(`Cannot read ${path}: what it is for is measured again`);
    return null;
  }
}

/**
 * Adds to the file what was found of the device that comes first. It is written beside the file, then renamed, so that a
 * reader sees the old one or the new. Throws what the disk refuses.
 */
export async function saveTuned([found]: TunedProducts, path = tunedPath()): Promise<void> {
  if (path === null || found === undefined) return;
  const products = withTuned(await loadTuned(() => {}, path), found); // damage was told of when it was read
  await Deno.mkdir(join(path, ".."), { recursive: true });
  const temporary = `${path}.${Deno.pid}`;
  await Deno.writeTextFile(temporary, `${JSON.stringify(products, null, 2)}\n`);
  await Deno.rename(temporary, path);
}
