/**
 * What a peer has found out about those that it fetches blobs from: how much may be asked of each at once, who is to
 * be left alone for a while. One value for all of a peer's fetches, because they share its line.
 *
 * **Control before bulk.** Everything between two peers goes through one connection, in order, and everything that a
 * peer receives comes through one line. So what is asked for is what control waits behind. Each answer says by its
 * delay how much was queued before it: windows grow while it comes within `QUEUE_MS` of the least delay seen, and shrink
 * when it does not (after LEDBAT, RFC 6817 §2.4.2). One window is for each donor's line, and one, for all of them, is
 * for ours: it goes by the least delayed donor, because what delays that one delays all.
 * @module
 */
import type { Clock } from "../clock.ts";
import { CHUNK_BYTES } from "../store/blob_store.ts";
import type { PeerId } from "../sync/types.ts";

/** How long bulk may queue: what a beat on the same line waits for, at most. */
const QUEUE_MS = 150;
/** Most that a window grows or shrinks, as a share of it, while one window's worth of answers comes. */
const FASTEST_CHANGE = 0.5;
const FIRST_WINDOW_BYTES = 128 * 1024;
/** Least and most bytes asked of one donor, and of all of them. */
const LEAST_BYTES = 64 * 1024, MOST_BYTES = 4 * 1024 ** 2;
const LEAST_OF_ALL_BYTES = 256 * 1024, MOST_OF_ALL_BYTES = 16 * 1024 ** 2;
/** Least bytes of a piece. */
const LEAST_PIECE_BYTES = 32 * 1024;
/** The least delay seen is forgotten by this share with each answer, so that it follows a route that changes. */
const FORGOTTEN_SHARE = 0.002;
/** For how long a donor that broke a promise is left alone the first time, and at most. */
const FIRST_SHUN_MS = 60_000, LONGEST_SHUN_MS = 3_600_000;
/** Donors remembered. */
const MOST_REMEMBERED = 256;

/** One donor's part; changed by `Donors` alone. */
interface Donor {
  readonly window: Window;
  leastMs: number;
  /** Delay of its last answer. */
  lastMs: number;
  /** Mean delay of its answers, an EMA; null before the first. */
  answerMs: number | null;
  offences: number;
  shunnedUntilMs: number;
  /** Why it is left alone. */
  offence: string;
}

export class Donors {
  readonly #clock: Clock;
  readonly #known = new Map<PeerId, Donor>();
  readonly #all = new Window(LEAST_OF_ALL_BYTES, MOST_OF_ALL_BYTES);
  readonly #waiting = new Set<() => void>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Calls `act` whenever there is room again, until disposed; several who wait take turns in being first. */
  whenRoom(act: () => void): Disposable {
    this.#waiting.add(act);
    return { [Symbol.dispose]: () => void this.#waiting.delete(act) };
  }

  /** How large a piece may be asked of this donor now; 0 if it has enough to do, or our own line has. */
  roomFor(peer: PeerId): number {
    const { window } = this.#of(peer);
    const pieceBytes = clamp(2 ** Math.floor(Math.log2(window.bytes / 2)), LEAST_PIECE_BYTES, CHUNK_BYTES);
    return window.hasRoom(pieceBytes) && this.#all.hasRoom(pieceBytes) ? pieceBytes : 0;
  }

  /** A piece was asked for; the returned functions tell how that ended, one of them once. */
  ask(peer: PeerId, bytes: number): { readonly answered: () => void; readonly failed: () => void } {
    const donor = this.#of(peer), askedAtMs = this.#clock.now();
    const windows = [donor.window, this.#all];
    const wasFull = windows.map((window) => window.add(bytes));
    return {
      answered: () => {
        this.#measure(donor, this.#clock.now() - askedAtMs);
        const active = [donor, ...[...this.#known.values()].filter(({ window }) => window.inFlightBytes > 0)];
        const leastMs = Math.min(...active.map(({ leastMs }) => leastMs));
        const lastMs = Math.min(...active.map(({ lastMs }) => lastMs));
        const shares = [shareOf(donor.leastMs, donor.lastMs), shareOf(leastMs, lastMs)];
        windows.forEach((window, i) => {
          window.remove(bytes);
          if (shares[i]! < 0 || wasFull[i]) window.change(bytes * shares[i]!);
        });
        this.#wake();
      },
      failed: () => {
        for (const window of windows) window.remove(bytes);
        this.#wake();
      },
    };
  }

  /** Mean time that this donor's answers take, or null if it never answered. */
  answerMs(peer: PeerId): number | null {
    return this.#of(peer).answerMs;
  }

  /** It broke a promise: nothing is asked of it for a while, each time for twice as long. */
  shun(peer: PeerId, offence: string): void {
    const donor = this.#of(peer);
    const ms = Math.min(LONGEST_SHUN_MS, FIRST_SHUN_MS * 2 ** donor.offences++);
    donor.shunnedUntilMs = this.#clock.now() + ms;
    donor.offence = offence;
  }

  /** Why nothing is to be asked of this peer now, or null. */
  whyShunned(peer: PeerId): string | null {
    const donor = this.#known.get(peer);
    if (donor === undefined || donor.shunnedUntilMs <= this.#clock.now()) return null;
    const leftS = Math.ceil((donor.shunnedUntilMs - this.#clock.now()) / 1000);
    return `is not asked for ${leftS} s more, because it ${donor.offence}`;
  }

  #wake(): void {
    const [first] = this.#waiting;
    if (first !== undefined && this.#waiting.delete(first)) this.#waiting.add(first);
    for (const act of [...this.#waiting]) act();
  }

  #measure(donor: Donor, ms: number): void {
    donor.leastMs = Math.min(donor.leastMs * (1 + FORGOTTEN_SHARE), ms);
    donor.lastMs = ms;
    donor.answerMs = donor.answerMs === null ? ms : 0.75 * donor.answerMs + 0.25 * ms;
  }

  #of(peer: PeerId): Donor {
    const donor = this.#known.get(peer) ?? {
      window: new Window(LEAST_BYTES, MOST_BYTES),
      leastMs: Infinity,
      lastMs: Infinity,
      answerMs: null,
      offences: 0,
      shunnedUntilMs: 0,
      offence: "",
    };
    this.#known.delete(peer);
    this.#known.set(peer, donor); // the last used is the last forgotten
    for (const [oldest, { window }] of this.#known) {
      if (this.#known.size <= MOST_REMEMBERED) break;
      if (window.inFlightBytes === 0) this.#known.delete(oldest);
    }
    return donor;
  }
}

/** Bytes that may be under way at once. */
class Window {
  bytes = FIRST_WINDOW_BYTES;
  inFlightBytes = 0;
  readonly #leastBytes: number;
  readonly #mostBytes: number;

  constructor(leastBytes: number, mostBytes: number) {
    this.#leastBytes = leastBytes;
    this.#mostBytes = mostBytes;
  }

  /** One piece always has room, so that a window smaller than a piece stops nothing. */
  hasRoom(bytes: number): boolean {
    return this.inFlightBytes === 0 || this.inFlightBytes + bytes <= this.bytes;
  }

  /** Whether more than half of it is in use now: only then may it grow. */
  add(bytes: number): boolean {
    this.inFlightBytes += bytes;
    return this.inFlightBytes > this.bytes / 2;
  }

  remove(bytes: number): void {
    this.inFlightBytes -= bytes;
  }

  change(bytes: number): void {
    this.bytes = clamp(this.bytes + bytes, this.#leastBytes, this.#mostBytes);
  }
}

/** By how much of what was answered a window should change. */
function shareOf(leastMs: number, lastMs: number): number {
  return clamp((leastMs + QUEUE_MS) / Math.max(1, lastMs) - 1, -FASTEST_CHANGE, FASTEST_CHANGE);
}

function clamp(value: number, least: number, most: number): number {
  return Math.max(least, Math.min(most, value));
}
