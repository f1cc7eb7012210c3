/**
 * One peer a state folder: a lock held by the operating system, so that it ends with the process however that ends.
 *
 * The file's text (who holds it, since when) is only for the message; the lock is what counts.
 * @module
 */
import { nullIfAbsent } from "./files.ts";
import { onDisk } from "./storage_error.ts";

/** Another peer uses the folder. */
export class StateInUseError extends Error {
  override readonly name = "StateInUseError";
}

/**
 * Creates the folder if absent and locks it until disposed.
 * @throws {StateInUseError} saying which process holds it.
 * @throws {StorageError}
 */
export async function lockState(folder: string, options: { readonly now: Date }): Promise<Disposable> {
  const file = await onDisk(`open the state folder ${folder}`, async () => {
    await Deno.mkdir(folder, { recursive: true });
    return await Deno.open(`${folder}/lock`, { read: true, write: true, create: true });
  });
  try {
    if (!await file.tryLock(true)) {
      throw new StateInUseError(
        `Cannot start: state folder ${JSON.stringify(folder)} is in use by another peer${await holder(file)}.\n` +
          "Stop that one, or give this one its own folder with --state.",
      );
    }
    await onDisk(`write ${folder}/lock`, async () => {
      await file.truncate(0);
      await file.write(new TextEncoder().encode(`pid ${Deno.pid}, since ${clockTime(options.now)}`));
    });
  } catch (error) {
    file.close();
    throw error;
  }
  return { [Symbol.dispose]: () => file.close() };
}

/**
 * Whether somebody holds the lock of a folder now. It writes nothing: the folder may be one that can only be read.
 * @throws {StorageError}
 */
export function isLocked(folder: string): Promise<boolean> {
  return onDisk(`look at ${folder}/lock`, async () => {
    using file = await nullIfAbsent(Deno.open(`${folder}/lock`));
    return file !== null && !await file.tryLock(false);
  });
}

/** What the holder wrote, in brackets; empty where a locked file cannot be read (Windows) or it has just been taken. */
async function holder(file: Deno.FsFile): Promise<string> {
  const bytes = new Uint8Array(80);
  const count = await file.read(bytes).catch(() => null);
  const text = new TextDecoder().decode(bytes.subarray(0, count ?? 0));
  return /^pid \d+, since [\d: -]+$/.test(text) ? ` (${text})` : "";
}

/** Local date and time to the minute: 2026-05-01 13:40. */
function clockTime(now: Date): string {
  const two = (n: number) => String(n).padStart(2, "0");
  return `${now.getFullYear()}-${two(now.getMonth() + 1)}-${two(now.getDate())} ` +
    `${two(now.getHours())}:${two(now.getMinutes())}`;
}
