/**
 * Whom one fetch asks for its blob: who is asked now and who next, who is late, and who failed and why.
 *
 * What is slow is measured against the others: nobody sets a timeout. It asks nobody itself and knows no bytes; what is
 * known of donors beyond one fetch is in `donors.ts`, and which chunk comes from whom in `chunk_copies.ts`.
 * @module
 */
import type { Clock } from "../clock.ts";
import { CHUNK_BYTES } from "../store/blob_store.ts";
import type { PeerId } from "../sync/types.ts";
import { Source } from "./chunk_copies.ts";
import type { Donors } from "./donors.ts";

/** Donors asked at once. */
const MOST_SOURCES = 8;
/** A review that comes later than this tells that this machine slept, or this process did not run. */
const SLEPT_MS = 2_000;
/** Time after which one more of those who may have the blob is asked. */
const NEXT_SOURCE_MS = 2_000;
/** An answer is overdue after this long, or this many times what the donor usually takes: others may take its chunks. */
const LEAST_OVERDUE_MS = 1_000, OVERDUE_ANSWERS = 4;
/** … and the donor is dropped after this long, or this many times what the others take, if there are others; … */
const LEAST_DROP_MS = 5_000, DROP_ANSWERS = 20;
/** … or after this long in any case. */
const STALLED_MS = 30_000;
/** A donor is too slow, if others wait for its place, below this share of the others' speed. */
const SLOW_SHARE = 0.25;

/** A donor that lied, stalled or went away in the middle. One that merely lacks the blob is not at fault. */
export interface DroppedDonor {
  readonly peer: PeerId;
  readonly reason: string;
}

export interface SourcesOptions {
  readonly clock: Clock;
  readonly donors: Donors;
  /** Nothing more is asked of this one: what it has under way is free for others. */
  readonly onForget: (source: Source) => void;
}

export class Sources implements Iterable<Source> {
  readonly #options: SourcesOptions;
  /** Asked now. */
  readonly #asked = new Map<PeerId, Source>();
  /** To be asked, the best first. */
  readonly #reserve: PeerId[] = [];
  readonly #failed = new Map<PeerId, { readonly reason: string; readonly isFault: boolean }>();
  #admittedAtMs = 0;
  #reviewedAtMs = 0;
  #isOver = false;

  constructor(options: SourcesOptions) {
    this.#options = options;
  }

  [Symbol.iterator](): Iterator<Source> {
    return this.#asked.values();
  }

  get count(): number {
    return this.#asked.size;
  }

  /** Takes in whom to ask from now on, the best first. */
  begin(peers: Iterable<PeerId>): void {
    this.#reviewedAtMs = this.#options.clock.now();
    this.#reserve.unshift(...peers);
  }

  /** Takes in who may have the blob by now. Who lacked it before, or was gone, is asked again. */
  add(peers: readonly PeerId[]): void {
    for (const peer of peers) {
      if (!this.#asked.has(peer) && !this.#reserve.includes(peer)) this.#reserve.push(peer);
    }
  }

  /** Takes the next one from those who wait, if there is one and a place for it. */
  admit(): boolean {
    const { clock, donors } = this.#options;
    while (this.#asked.size < MOST_SOURCES) {
      const peer = this.#reserve.shift();
      if (peer === undefined) return false;
      const shunned = donors.whyShunned(peer);
      if (shunned !== null) {
        this.#failed.set(peer, { reason: shunned, isFault: false });
        continue;
      }
      this.#admittedAtMs = clock.now();
      this.#asked.set(peer, new Source(peer, this.#admittedAtMs));
      return true;
    }
    return false;
  }

  /** One that was not asked for the chunk list yet. */
  withoutList(): Source | undefined {
    return [...this].find(({ listAsked }) => !listAsked);
  }

  /** Drops who is too late. */
  dropLate(): void {
    const nowMs = this.#options.clock.now(), sleptMs = nowMs - this.#reviewedAtMs;
    this.#reviewedAtMs = nowMs;
    if (sleptMs > SLEPT_MS) { for (const source of this) source.forgive(sleptMs); }
    for (const source of [...this]) {
      const owedMs = source.owedMs(nowMs);
      if (owedMs >= STALLED_MS) this.shun(source, `was too slow: it owes an answer for ${seconds(owedMs)}`);
      else if (owedMs >= this.#dropAfterMs(source)) {
        this.drop(source, `was too slow: it owes an answer for ${seconds(owedMs)}, and others gave theirs`, true);
      }
    }
  }

  /** Whether the last one to come in has had the time for a chunk list. */
  get isListLate(): boolean {
    return this.#options.clock.now() - this.#admittedAtMs >= LEAST_OVERDUE_MS;
  }

  /** Takes in one more when it takes long, in the place of the slowest if there is no other. */
  admitInTime(): void {
    const nowMs = this.#options.clock.now();
    if (nowMs - this.#admittedAtMs < NEXT_SOURCE_MS || this.#reserve.length === 0) return;
    if (this.#asked.size >= MOST_SOURCES) this.#retireSlowest(nowMs);
    this.admit();
  }

  isOverdue(source: Source): boolean {
    const { clock, donors } = this.#options, usualMs = donors.answerMs(source.peer) ?? 0;
    return source.owedMs(clock.now()) > Math.max(LEAST_OVERDUE_MS, OVERDUE_ANSWERS * usualMs);
  }

  /** The donor broke a promise: it is left alone by other fetches, too. */
  shun(source: Source, reason: string): void {
    if (!this.#isOver && this.#asked.has(source.peer)) this.#options.donors.shun(source.peer, reason);
    this.drop(source, reason, true);
  }

  /** The first reason counts: what fails after it may only be its consequence, and an abort is nobody's fault. */
  drop(source: Source, reason: string, isFault: boolean): void {
    if (this.#isOver || this.#asked.get(source.peer) !== source) return;
    this.#failed.set(source.peer, { reason, isFault });
    this.#forget(source);
  }

  /** The fetch is over: what fails from now on is its doing. */
  close(): void {
    this.#isOver = true;
  }

  /** Those at fault. */
  dropped(): readonly DroppedDonor[] {
    return [...this.#failed].filter(([, { isFault }]) => isFault).map(([peer, { reason }]) => ({ peer, reason }));
  }

  /** Why nobody gave the blob. */
  whyNobody(): string {
    if (this.#failed.size === 0) return "nobody is known to have it";
    return [...this.#failed].map(([peer, { reason }]) => `${peer} ${reason}`).join("; ");
  }

  /** Only against others that give can one be too slow. */
  #dropAfterMs(source: Source): number {
    const others = [...this].filter((other) => other !== source && other.hasGiven)
      .map(({ peer }) => this.#options.donors.answerMs(peer) ?? 0).sort((a, b) => a - b);
    if (others.length === 0) return Infinity;
    return Math.max(LEAST_DROP_MS, DROP_ANSWERS * others[Math.floor(others.length / 2)]!);
  }

  /** Whoever waits to be asked takes the place of one that is far slower than the others. */
  #retireSlowest(nowMs: number): void {
    const bySpeed = [...this]
      .map((source) => ({ source, ms: source.expectMs(CHUNK_BYTES, nowMs) }))
      .sort((a, b) => a.ms - b.ms);
    const slowest = bySpeed.at(-1)!, middle = bySpeed[Math.floor(bySpeed.length / 2)]!;
    if (slowest.ms * SLOW_SHARE < middle.ms) return;
    this.#forget(slowest.source);
    this.#reserve.push(slowest.source.peer); // should the others fail
  }

  #forget(source: Source): void {
    this.#asked.delete(source.peer);
    this.#options.onForget(source);
  }
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`;
}
