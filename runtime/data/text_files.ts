/**
 * A user's own text: a file, or a folder with everything below it, in pieces of bounded size.
 *
 * Files come in the order of their paths, so the same folder gives the same text everywhere. Hidden files and folders
 * and linked folders are left out. Text must be UTF-8: a file that is not is an error, never silently repaired.
 * @module
 */

/** Text that cannot be read; the message names the file. */
export class TextFilesError extends Error {
  override readonly name = "TextFilesError";
}

/** Bytes read at once; a piece of text is at most about twice as long. */
const READ_BYTES = 256 * 1024;

/**
 * The text of a file or folder. A file that does not end in a line end gets one, so that files do not run together.
 * Pieces end before white space, where no tokenizer joins.
 * @throws {TextFilesError} if there is nothing to read, or a file is not UTF-8.
 */
export async function* readTextFiles(path: string): AsyncGenerator<string> {
  const files = await listTextFiles(path);
  let isEmpty = true;
  for (const file of files) {
    for await (const piece of readTextFile(file)) {
      isEmpty = false;
      yield piece;
    }
  }
  if (isEmpty) throw new TextFilesError(`Cannot use '${path}' as text: ${describe(files.length)}; choose another`);
}

/**
 * All files that `readTextFiles` reads, in its order.
 * @throws {TextFilesError} if the path does not exist or is neither file nor folder.
 */
export async function listTextFiles(path: string): Promise<string[]> {
  const found = await stat(path);
  if (found.isFile) return [path];
  if (!found.isDirectory) throw new TextFilesError(`Cannot use '${path}' as text: it is neither a file nor a folder`);
  return (await listBelow(path)).sort();
}

async function listBelow(folder: string): Promise<string[]> {
  const files: string[] = [];
  for await (const { name, isFile, isDirectory, isSymlink } of Deno.readDir(folder)) {
    const path = `${folder}/${name}`;
    if (name.startsWith(".")) continue;
    if (isDirectory) files.push(...await listBelow(path));
    else if (isFile || (isSymlink && (await stat(path)).isFile)) files.push(path);
  }
  return files;
}

async function stat(path: string): Promise<Deno.FileInfo> {
  try {
    return await Deno.stat(path);
  } catch (cause) {
    throw new TextFilesError(`Cannot use '${path}' as text: ${(cause as Error).message}`, { cause });
  }
}

async function* readTextFile(path: string): AsyncGenerator<string> {
  using file = await Deno.open(path, { read: true });
  const decoder = new TextDecoder("utf-8", { fatal: true });
  const buffer = new Uint8Array(READ_BYTES);
  let rest = "", read = 0;
  for (;;) {
    const count = await file.read(buffer);
    rest += decode(decoder, { path, read, bytes: count === null ? undefined : buffer.subarray(0, count) });
    if (count === null) break;
    read += count;
    const end = lastWordEnd(rest);
    if (end > 0) yield rest.slice(0, end);
    rest = rest.slice(end);
  }
  if (read > 0) yield rest.endsWith("\n") ? rest : `${rest}\n`;
}

interface Part {
  readonly path: string;
  readonly read: number;
  /** Undefined at the end of the file. */
  readonly bytes: Uint8Array | undefined;
}

function decode(decoder: TextDecoder, { path, read, bytes }: Part): string {
  try {
    return bytes === undefined ? decoder.decode() : decoder.decode(bytes, { stream: true });
  } catch (cause) {
    const where = bytes === undefined ? "at its end" : `between its bytes ${read} and ${read + bytes.length}`;
    throw new TextFilesError(
      `Cannot use '${path}' as text: it is not UTF-8 ${where}; convert it, or move it out of the folder`,
      { cause },
    );
  }
}

/** Where the last word of a text begins: before the white space in front of it. 0 if it is all one word. */
function lastWordEnd(text: string): number {
  let end = text.length - 1;
  while (end > 0 && !/\s/.test(text[end]!)) end--;
  while (end > 0 && /\s/.test(text[end - 1]!)) end--;
  return end > 0 ? end : text.length < 2 * READ_BYTES ? 0 : text.length;
}

function describe(fileCount: number): string {
  if (fileCount === 0) return "there are no files in it (hidden ones are left out)";
  return fileCount === 1 ? "the file is empty" : `all ${fileCount} files in it are empty`;
}
