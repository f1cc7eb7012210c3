/**
 * Where this user keeps what can be found out or fetched again. Nothing in it need be there.
 * @module
 */
import { join } from "node:path";

/** Says where the program keeps such things; for tests, and for who wants it elsewhere. */
const FOLDER_VARIABLE = "STARLING_CACHE";

/** The folder, or null if this user has none. It may not exist yet. */
export function userCacheFolder(
  environment: (name: string) => string | undefined = environmentVariable,
  os: typeof Deno.build.os = Deno.build.os,
): string | null {
  const inside = (variable: string, ...path: string[]) => {
    const folder = environment(variable);
    return folder === undefined || folder === "" ? null : join(folder, ...path);
  };
  const asked = inside(FOLDER_VARIABLE);
  if (asked !== null) return asked;
  if (os === "windows") return inside("LOCALAPPDATA", "starling");
  if (os === "darwin") return inside("HOME", "Library", "Caches", "starling");
  return inside("XDG_CACHE_HOME", "starling") ?? inside("HOME", ".cache", "starling");
}

/** A variable of the environment; undefined where there is none, or it may not be read. Asks for no permission. */
export function environmentVariable(name: string): string | undefined {
  const { state } = Deno.permissions.querySync({ name: "env", variable: name });
  return state === "granted" ? Deno.env.get(name) : undefined;
}
