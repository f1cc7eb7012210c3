/**
 * A file that several read or write at once, each at places of its own: it is open as long as somebody needs it.
 *
 * Opening, asking for the size and moving to a place cost as much as reading a chunk does, so they are spared where one
 * act follows another. Acts on one file happen in the order in which they were asked for.
 * @module
 */
import { readInto, writeAll } from "./files.ts";

export class SharedFile {
  readonly #path: string;
  readonly #options: Deno.OpenOptions;
  #open: Promise<Deno.FsFile> | null = null;
  /** Of the open file: where it stands, and its size when it was first asked for. */
  #position = 0;
  #sizeBytes: number | null = null;
  #users = 0;
  #lastTurn: Promise<unknown> = Promise.resolve();

  constructor(path: string, options: Deno.OpenOptions) {
    this.#path = path;
    this.#options = options;
  }

  /**
   * Bytes `start ≤ i < end`, as many as the file has. Nobody may write to it meanwhile.
   * @throws {Error} what the system says, as `Deno.errors.NotFound`.
   */
  read(start: number, end: number): Promise<Uint8Array<ArrayBuffer>> {
    return this.#inTurn(async (file) => {
      const sizeBytes = this.#sizeBytes ??= (await file.stat()).size;
      const bytes = new Uint8Array(Math.max(0, Math.min(end, sizeBytes) - start));
      await this.#moveTo(file, start);
      const count = await readInto(file, bytes);
      this.#position = start + count;
      return bytes.subarray(0, count);
    });
  }

  /** @throws {Error} what the system says. */
  write(start: number, bytes: Uint8Array): Promise<void> {
    return this.#inTurn(async (file) => {
      await this.#moveTo(file, start);
      await writeAll(file, bytes);
      this.#position = start + bytes.length;
    });
  }

  async #moveTo(file: Deno.FsFile, position: number): Promise<void> {
    if (this.#position !== position) await file.seek(position, Deno.SeekMode.Start);
    this.#position = NaN; // until what follows has gone well
  }

  async #inTurn<T>(act: (file: Deno.FsFile) => Promise<T>): Promise<T> {
    this.#users++;
    const turn = this.#lastTurn.then(async () => act(await this.#opened()));
    this.#lastTurn = turn.catch(() => {}); // whoever waits for it hears
    try {
      return await turn;
    } finally {
      if (--this.#users === 0) {
        const open = this.#open;
        this.#open = null; // whoever comes meanwhile opens it again
        (await open?.catch(() => null))?.close();
      }
    }
  }

  #opened(): Promise<Deno.FsFile> {
    if (this.#open === null) [this.#position, this.#sizeBytes] = [0, null];
    return this.#open ??= Deno.open(this.#path, this.#options);
  }
}
