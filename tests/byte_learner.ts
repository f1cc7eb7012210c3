/**
 * A learner without a model: its weights are a few bytes, its fold is integer arithmetic on them.
 *
 * It keeps only the last weights it made or loaded, so that hosts have to keep and load them as with a real one.
 * @module
 */
import type { Contribution, FoldOrder, Learner, TrainOrder, Verdict } from "../p2p/learner.ts";
import { blobDigest } from "../p2p/store/chunks.ts";
import type { Digest, Range } from "../p2p/sync/types.ts";

const WEIGHTS_BYTES = 1000;
const MOST_WEIGHTS = 3;
const WINDOWS_A_ROUND = 4;

export class ByteLearner implements Learner {
  readonly #seed: number;
  readonly #contextLength: number;
  readonly #weights = new Map<Digest, Uint8Array<ArrayBuffer>>();
  #order: TrainOrder | null = null;
  #untrained: Range[] = [];
  /** Rounds settled, with their fates: what tests look at. */
  readonly settled: string[] = [];

  constructor({ seed, contextLength }: { readonly seed: number; readonly contextLength: number }) {
    this.#seed = seed;
    this.#contextLength = contextLength;
  }

  initial(): Promise<Digest> {
    return this.load(new Uint8Array(WEIGHTS_BYTES));
  }

  async load(bytes: Uint8Array<ArrayBuffer>): Promise<Digest> {
    if (bytes.length !== WEIGHTS_BYTES) throw new Error(`found ${bytes.length} bytes, wanted ${WEIGHTS_BYTES}`);
    const digest = await blobDigest(bytes);
    this.#weights.delete(digest);
    this.#weights.set(digest, bytes);
    for (const oldest of this.#weights.keys()) {
      if (this.#weights.size <= MOST_WEIGHTS) break;
      this.#weights.delete(oldest);
    }
    return digest;
  }

  save(digest: Digest): Promise<Uint8Array<ArrayBuffer> | null> {
    return Promise.resolve(this.#weights.get(digest) ?? null);
  }

  train(order: TrainOrder): void {
    this.#order = order;
    this.#untrained = [...order.ranges];
  }

  contribute(): Promise<Contribution> {
    const round = this.#order?.round ?? 0;
    const ranges = this.#take(WINDOWS_A_ROUND);
    const windows = ranges.reduce((sum, { start, end }) => sum + end - start, 0);
    const bytes = new Uint8Array(300).map((_, i) => this.#seed * 13 + round * 7 + i);
    return Promise.resolve({
      round,
      bytes: windows === 0 ? null : bytes,
      tokens: windows * this.#contextLength,
      steps: windows,
      batch: windows === 0 ? 0 : 1,
      microBatch: windows === 0 ? 0 : 1,
      ranges,
      loss: windows === 0 ? 0 : 3,
      speed: 100,
      computeMs: 900,
      idleMs: 0,
    });
  }

  judge(bytes: Uint8Array<ArrayBuffer>): Promise<Verdict> {
    return Promise.resolve(
      bytes.length === 300 ? { valid: true, norm: 1 } : { valid: false, reason: `it has ${bytes.length} bytes` },
    );
  }

  async fold({ parent, parts }: FoldOrder): Promise<Digest> {
    const weights = this.#weights.get(parent);
    if (weights === undefined) throw new Error(`weights ${parent} are not held`);
    const next = weights.slice();
    for (const { bytes, weight } of parts) {
      for (let i = 0; i < next.length; i++) next[i]! += bytes[i % bytes.length]! * Math.round(weight);
    }
    return await this.load(next);
  }

  evaluate(): Promise<number> {
    return Promise.resolve(2.5);
  }

  settle(round: number, fate: string): void {
    this.settled.push(`${round} ${fate}`);
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  /** The next windows of the lease, at most so many. */
  #take(most: number): Range[] {
    const taken: Range[] = [];
    for (let left = most; left > 0 && this.#untrained.length > 0;) {
      const { start, end } = this.#untrained.shift()!;
      const cut = Math.min(end, start + left);
      taken.push({ start, end: cut });
      left -= cut - start;
      if (cut < end) this.#untrained.unshift({ start: cut, end });
    }
    return taken;
  }
}
