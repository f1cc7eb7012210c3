/**
 * The few acts on files that the stores share.
 * @module
 */

export async function writeAll(file: Deno.FsFile, bytes: Uint8Array): Promise<void> {
  for (let written = 0; written < bytes.length;) written += await file.write(bytes.subarray(written));
}

/** Makes a rename outlive a power cut. Windows cannot open a folder; it orders renames itself. */
export async function syncFolder(folder: string): Promise<void> {
  if (Deno.build.os === "windows") return;
  using handle = await Deno.open(folder);
  await handle.sync();
}

export async function removeIfThere(path: string): Promise<void> {
  await nullIfAbsent(Deno.remove(path));
}

export async function nullIfAbsent<T>(work: Promise<T>): Promise<T | null> {
  try {
    return await work;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return null;
    throw error;
  }
}
