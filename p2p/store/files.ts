/**
 * The few acts on files that the stores share.
 * @module
 */

/** Bytes handed to the system at a time: it copies them on the event loop's thread, which must not be held up. */
const PIECE_BYTES = 1024 * 1024;

export async function writeAll(file: Deno.FsFile, bytes: Uint8Array): Promise<void> {
  for (let written = 0; written < bytes.length;) {
    written += await file.write(bytes.subarray(written, written + PIECE_BYTES));
  }
}

/** As many of these bytes as the file has. */
export async function readAt(file: Deno.FsFile, start: number, end: number): Promise<Uint8Array<ArrayBuffer>> {
  const bytes = new Uint8Array(Math.max(0, Math.min(end, (await file.stat()).size) - start));
  await file.seek(start, Deno.SeekMode.Start);
  return bytes.subarray(0, await readInto(file, bytes));
}

/** Fills the bytes from where the file stands; returns how many it had. */
export async function readInto(file: Deno.FsFile, bytes: Uint8Array<ArrayBuffer>): Promise<number> {
  let filled = 0;
  while (filled < bytes.length) {
    const count = await file.read(bytes.subarray(filled, filled + PIECE_BYTES));
    if (count === null) break;
    filled += count;
  }
  return filled;
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
