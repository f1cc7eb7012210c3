/**
 * A peer's metrics on disk: appended to, kept over restarts, of bounded size.
 *
 * Nothing is opened before the first line, and nothing here is needed to train: whoever appends decides what a disk that
 * refuses is worth. A line that was cut off by a crash or a full disk stays alone: the next one begins on a line of its
 * own.
 * @module
 */
import { storageError } from "../p2p/store/storage_error.ts";
import { parseMetricsLine, thinnedMetrics } from "./metrics_lines.ts";
import type { MetricsLine, RoundLine } from "./metrics.ts";

/** Beyond this the older rounds are thinned out to half. */
const LARGEST_BYTES = 16 * 1024 * 1024;

export class MetricsLog implements Disposable {
  readonly #path: string;
  readonly #mostBytes: number;
  #file: Deno.FsFile | null = null;
  #sizeBytes = 0;
  /** Whether what was written last may lack its end. */
  #isTorn = false;

  constructor(path: string, { mostBytes = LARGEST_BYTES }: { readonly mostBytes?: number } = {}) {
    this.#path = path;
    this.#mostBytes = mostBytes;
  }

  /** The last round of which there is a whole line, or null. */
  last(): RoundLine | null {
    const lines = this.#read().split("\n").filter((line) => line !== "").reverse();
    for (const text of lines) {
      const line = parseMetricsLine(text);
      if (line?.kind === "round") return line;
    }
    return null;
  }

  /** @throws {StorageError} if the disk refuses; what was written before is whole. */
  append(line: MetricsLine): void {
    try {
      this.#file ??= this.#open();
      const bytes = new TextEncoder().encode(`${this.#isTorn ? "\n" : ""}${JSON.stringify(line)}\n`);
      if (this.#sizeBytes + bytes.length > this.#mostBytes) this.#file = this.#thin(this.#file);
      this.#isTorn = true;
      for (let written = 0; written < bytes.length;) written += this.#file.writeSync(bytes.subarray(written));
      this.#isTorn = false;
      this.#sizeBytes += bytes.length;
    } catch (error) {
      throw storageError(`write to ${this.#path}`, error);
    }
  }

  [Symbol.dispose](): void {
    this.#file?.close();
    this.#file = null;
  }

  #open(): Deno.FsFile {
    const file = Deno.openSync(this.#path, { create: true, append: true, read: true });
    this.#sizeBytes = file.statSync().size;
    if (this.#sizeBytes > 0) {
      const last = new Uint8Array(1);
      file.seekSync(-1, Deno.SeekMode.End);
      file.readSync(last);
      this.#isTorn = last[0] !== "\n".charCodeAt(0);
    }
    return file;
  }

  /** Replaces the file by its thinned self, as a whole or not at all. */
  #thin(file: Deno.FsFile): Deno.FsFile {
    const unfinished = `${this.#path}.writing`;
    try {
      Deno.writeTextFileSync(unfinished, thinnedMetrics(this.#read()));
      Deno.renameSync(unfinished, this.#path);
    } catch (error) {
      this.#remove(unfinished);
      throw error;
    }
    const next = this.#open();
    file.close();
    return next;
  }

  #read(): string {
    try {
      return Deno.readTextFileSync(this.#path);
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return "";
      throw storageError(`read ${this.#path}`, error);
    }
  }

  #remove(path: string): void {
    try {
      Deno.removeSync(path);
    } catch { /* it was never made: the first error is the one to tell */ }
  }
}
