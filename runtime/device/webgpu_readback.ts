/**
 * Copies parts of GPU buffers to the host: all parts of one call in one submit and one wait.
 *
 * In Deno a wait costs some 11 ms however many buffers are mapped in it, so everything that is asked for together is
 * mapped together. Staging buffers are kept for the next call. It does not know spans or devices.
 * @module
 */

export interface Part {
  readonly source: GPUBuffer;
  /** First word (4 bytes each). */
  readonly start: number;
  readonly words: number;
  /** Where to; a new array if absent. */
  readonly target?: Float32Array<ArrayBuffer>;
}

/** Larger parts are cut: a staging buffer that had to hold a whole arena would double its memory. */
const CHUNK_WORDS = 8 << 20;
const SMALLEST_WORDS = 1 << 10;
/** Staging buffers kept between calls: at most this many times `CHUNK_WORDS`. */
const KEPT_COUNT = 4;

interface Piece extends Part {
  readonly target: Float32Array<ArrayBuffer>;
}

/** One staging buffer's worth of pieces, one after the other. */
interface Load {
  readonly staging: GPUBuffer;
  readonly pieces: readonly Piece[];
}

export class Readback {
  readonly #gpu: GPUDevice;
  #kept: GPUBuffer[] = [];

  constructor(gpu: GPUDevice) {
    this.#gpu = gpu;
  }

  /** The copies are submitted before this returns: later writes and runs do not show in the result. */
  async read(parts: readonly Part[]): Promise<Float32Array<ArrayBuffer>[]> {
    const results = parts.map(({ words, target }) => target ?? new Float32Array(words));
    const loads = pack(cut(parts, results)).map((pieces) => ({ pieces, staging: this.#lease(totalWords(pieces)) }));
    this.#submit(loads);
    await Promise.all(loads.map(async ({ staging, pieces }) => {
      await staging.mapAsync(GPUMapMode.READ, 0, totalWords(pieces) * 4);
      unload(staging, pieces);
      this.#return(staging);
    }));
    return results;
  }

  destroy(): void {
    this.#kept.forEach((staging) => staging.destroy());
    this.#kept = [];
  }

  #submit(loads: readonly Load[]): void {
    const encoder = this.#gpu.createCommandEncoder({ label: "read" });
    for (const { staging, pieces } of loads) {
      let at = 0;
      for (const { source, start, words } of pieces) {
        encoder.copyBufferToBuffer(source, start * 4, staging, at * 4, words * 4);
        at += words;
      }
    }
    this.#gpu.queue.submit([encoder.finish()]);
  }

  #lease(words: number): GPUBuffer {
    const index = this.#kept.findIndex(({ size }) => size >= words * 4);
    if (index >= 0) return this.#kept.splice(index, 1)[0]!;
    let size = SMALLEST_WORDS * 4;
    while (size < words * 4) size *= 2;
    return this.#gpu.createBuffer({ label: "staging", size, usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST });
  }

  #return(staging: GPUBuffer): void {
    this.#kept.push(staging);
    this.#kept.sort((a, b) => a.size - b.size);
    if (this.#kept.length > KEPT_COUNT) this.#kept.shift()!.destroy();
  }
}

function* cut(parts: readonly Part[], results: readonly Float32Array<ArrayBuffer>[]): Iterable<Piece> {
  for (const [i, { source, start, words }] of parts.entries()) {
    for (let at = 0; at < words; at += CHUNK_WORDS) {
      const target = results[i]!.subarray(at, Math.min(words, at + CHUNK_WORDS));
      yield { source, start: start + at, words: target.length, target };
    }
  }
}

/** Groups pieces so that no group is larger than a chunk. */
function pack(pieces: Iterable<Piece>): Piece[][] {
  const groups: Piece[][] = [];
  let room = 0;
  for (const piece of pieces) {
    if (piece.words > room) {
      groups.push([]);
      room = CHUNK_WORDS;
    }
    groups.at(-1)!.push(piece);
    room -= piece.words;
  }
  return groups;
}

function unload(staging: GPUBuffer, pieces: readonly Piece[]): void {
  const mapped = new Float32Array(staging.getMappedRange(0, totalWords(pieces) * 4));
  let at = 0;
  for (const { target, words } of pieces) {
    target.set(mapped.subarray(at, at + words));
    at += words;
  }
  staging.unmap();
}

function totalWords(pieces: readonly Piece[]): number {
  return pieces.reduce((words, piece) => words + piece.words, 0);
}
