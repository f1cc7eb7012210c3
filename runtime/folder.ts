/**
 * Files as the rest of the runtime sees them: bytes at a position, and a flat folder of named files.
 *
 * In memory here, on disk in `folder_disk.ts`. Whoever reads formats (shards, safetensors, model folders) takes these
 * and so runs in a browser unchanged.
 * @module
 */

/** Random access to bytes. Reading is synchronous: the readers above sit in a worker and fill one batch at a time. */
export interface ByteReader {
  /** For messages: a path or what else the bytes came from. */
  readonly source: string;
  readonly sizeBytes: number;
  /**
   * Fills `into` from `position`.
   * @throws {RangeError} if the bytes asked for are not all there.
   */
  readAt(position: number, into: Uint8Array): void;
}

/** A flat folder: no paths below it. */
export interface Folder {
  /** For messages. */
  readonly source: string;
  /** Opens a file, or null if there is none of that name. */
  open(name: string): Promise<ByteReader | null>;
  /** Creates or replaces a file whole; a reader never sees half of it. */
  write(name: string, pieces: Iterable<Uint8Array>): Promise<void>;
}

/** Bytes in memory. */
export function memoryReader(bytes: Uint8Array, source = "memory"): ByteReader {
  return {
    source,
    sizeBytes: bytes.length,
    readAt(position, into) {
      expectInside({ source, sizeBytes: bytes.length }, position, into.length);
      into.set(bytes.subarray(position, position + into.length));
    },
  };
}

/** A folder in memory, and its files to look at. */
export function memoryFolder(source = "memory"): Folder & { readonly files: Map<string, Uint8Array<ArrayBuffer>> } {
  const files = new Map<string, Uint8Array<ArrayBuffer>>();
  return {
    source,
    files,
    open(name) {
      const bytes = files.get(name);
      return Promise.resolve(bytes === undefined ? null : memoryReader(bytes, `${source}/${name}`));
    },
    write(name, pieces) {
      files.set(name, joinBytes(Array.from(pieces, (piece) => piece.slice())));
      return Promise.resolve();
    },
  };
}

/** The whole of a file as text. @throws {TypeError} if it is not UTF-8. */
export function readText(reader: ByteReader): string {
  const bytes = new Uint8Array(reader.sizeBytes);
  reader.readAt(0, bytes);
  return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
}

/** @throws {RangeError} that names the source, unless `length` bytes from `position` are inside it. */
export function expectInside(
  { source, sizeBytes }: Pick<ByteReader, "source" | "sizeBytes">,
  position: number,
  length: number,
): void {
  if (Number.isSafeInteger(position) && position >= 0 && position + length <= sizeBytes) return;
  throw new RangeError(`Cannot read ${length} bytes at ${position} of ${source}: it has ${sizeBytes} bytes`);
}

/** One array after another. */
export function joinBytes(pieces: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const joined = new Uint8Array(pieces.reduce((length, piece) => length + piece.length, 0));
  let at = 0;
  for (const piece of pieces) {
    joined.set(piece, at);
    at += piece.length;
  }
  return joined;
}
