/**
 * One peer's boxes: when to cut what was trained and offer it, and what the offer says about time.
 *
 * A box begins when a head is adopted. If the one before was not cut yet (this peer adopted late), its end stands:
 * otherwise a peer that lags a little would never finish a box. Training itself never stops between boxes.
 * @module
 */
import type { Ground } from "./offer.ts";

export interface Cut {
  readonly ground: Ground;
  readonly leaving: boolean;
}

export class BoxTimer {
  #endsAtMs: number | null = null;
  /** The cut that the learner is making. */
  #cut: Cut | null = null;
  #offeredAtMs: number | null = null;
  #lastOfferAtMs: number | null = null;
  #waitMs = 0;
  #intervalMs: number | null = null;

  /** A head was adopted that this peer trains on; `offered`: it has an offer on it already (after a restart). */
  open(nowMs: number, roundMs: number, offered: boolean): void {
    if (this.#offeredAtMs !== null) this.#waitMs = nowMs - this.#offeredAtMs;
    const running = this.#endsAtMs ?? Infinity;
    this.#endsAtMs = offered ? null : Math.min(running, nowMs + roundMs);
    this.#offeredAtMs = null;
  }

  /** No more boxes. */
  close(): void {
    this.#endsAtMs = null;
  }

  /** When to cut; Infinity if there is nothing to cut. */
  get deadline(): number {
    return this.#cut === null && this.#endsAtMs !== null ? this.#endsAtMs : Infinity;
  }

  get isCutting(): boolean {
    return this.#cut !== null;
  }

  cut(cut: Cut): void {
    this.#cut = cut;
    this.#endsAtMs = null;
  }

  /** The learner has cut; returns on what ground, null if it was not asked. */
  takeCut(): Cut | null {
    const cut = this.#cut;
    this.#cut = null;
    return cut;
  }

  /** An offer is made, on the present head or on the one before. Returns what the offer says about time. */
  offered(nowMs: number, { isForHead, roundMs }: { readonly isForHead: boolean; readonly roundMs: number }): {
    readonly waitMs: number;
    readonly nextMs: number;
  } {
    if (this.#lastOfferAtMs !== null) this.#intervalMs = nowMs - this.#lastOfferAtMs;
    this.#lastOfferAtMs = nowMs;
    if (isForHead) this.#offeredAtMs = nowMs;
    const waitMs = this.#waitMs;
    this.#waitMs = 0;
    return { waitMs, nextMs: this.#intervalMs ?? roundMs };
  }
}
