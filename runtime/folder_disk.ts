/**
 * Files and folders on disk: the provider of `folder.ts` whose job is disk.
 * @module
 */
import { writeAll } from "../p2p/store/files.ts";
import { onDisk } from "../p2p/store/storage_error.ts";
import { type ByteReader, expectInside, type Folder } from "./folder.ts";

/**
 * A file for reading at any position. It must not change while it is read.
 *
 * It is open only during a read: a corpus may have more shards than a process may have open files, and opening costs
 * some microseconds.
 */
export function openFile(path: string): ByteReader {
  const sizeBytes = Deno.statSync(path).size;
  return {
    source: path,
    sizeBytes,
    readAt(position, into) {
      expectInside({ source: path, sizeBytes }, position, into.length);
      using file = Deno.openSync(path, { read: true });
      file.seekSync(position, Deno.SeekMode.Start);
      for (let filled = 0; filled < into.length;) {
        const count = file.readSync(into.subarray(filled));
        if (count === null) throw new RangeError(`Cannot read ${path}: it ended at byte ${position + filled}`);
        filled += count;
      }
    },
  };
}

/** A folder on disk; `write` makes it when it is missing, and throws a `StorageError` if the disk refuses. */
export function diskFolder(path: string): Folder {
  return {
    source: path,
    open(name) {
      try {
        return Promise.resolve(openFile(`${path}/${name}`));
      } catch (error) {
        const { NotFound, NotADirectory } = Deno.errors;
        const isAbsent = error instanceof NotFound || error instanceof NotADirectory;
        return isAbsent ? Promise.resolve(null) : Promise.reject(error);
      }
    },
    async write(name, pieces) {
      const action = `write ${path}/${name}`, unfinished = `${path}/.${name}.partial`;
      await onDisk(action, () => Deno.mkdir(path, { recursive: true }));
      try {
        await writePieces(unfinished, pieces, action);
        await onDisk(action, () => Deno.rename(unfinished, `${path}/${name}`));
      } catch (error) {
        await Deno.remove(unfinished).catch(() => {}); // the first error is the one to tell
        throw error;
      }
    },
  };
}

async function writePieces(path: string, pieces: Iterable<Uint8Array>, action: string): Promise<void> {
  using file = await onDisk(action, () => Deno.open(path, { write: true, create: true, truncate: true }));
  for (const piece of pieces) await onDisk(action, () => writeAll(file, piece));
  await onDisk(action, () => file.sync());
}
