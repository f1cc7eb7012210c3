/**
 * A clock that goes on only when everybody has nothing left to do, and then straight to the next alarm.
 *
 * So work takes no time but what is said to take it, nobody is late by chance, and a run of many hosts ends the same
 * every time. It knows that somebody is at work because promises are held, or what they use is watched.
 * @module
 */
import { sha256 } from "@noble/hashes/sha2.js";
import type { Clock } from "../../p2p/clock.ts";

/** Turns of the event loop without anything open before time goes on: an answer may lead to the next call. */
const QUIET_TURNS = 2;

interface Alarm {
  readonly atMs: number;
  readonly act: () => void;
}

export class QuietClock implements Clock {
  readonly #alarms = new Set<Alarm>();
  #nowMs = 0;
  #open = 0;

  now(): number {
    return this.#nowMs;
  }

  alarm(atMs: number, act: () => void): Disposable {
    const alarm = { atMs, act };
    this.#alarms.add(alarm);
    return { [Symbol.dispose]: () => void this.#alarms.delete(alarm) };
  }

  /** Time stands still while this promise is open. */
  hold<T>(work: Promise<T>): Promise<T> {
    this.#open++;
    const done = () => void this.#open--;
    work.then(done, done);
    return work;
  }

  /** Resolves when it is this time: what takes time ends with it. Not to be awaited by anything that is held. */
  async reach(atMs: number): Promise<void> {
    if (atMs > this.#nowMs) await new Promise<void>((resolve) => this.alarm(atMs, resolve));
  }

  /** The same object; time stands still while a promise of one of its methods is open. */
  watch<T extends object>(target: T): T {
    return new Proxy(target, {
      get: (_, key) => {
        const member: unknown = Reflect.get(target, key, target);
        if (typeof member !== "function") return member;
        return (...given: unknown[]): unknown => {
          const result: unknown = Reflect.apply(member, target, given);
          return result instanceof Promise ? this.hold(result) : result;
        };
      },
    });
  }

  /** Goes from alarm to alarm until something has come true. */
  async runUntil(what: string, isTrue: () => boolean, mostMs: number): Promise<void> {
    while (!isTrue()) {
      for (let quiet = 0; quiet < QUIET_TURNS; quiet++) {
        await new Promise((resolve) => setTimeout(resolve));
        if (this.#open > 0) quiet = -1;
      }
      if (isTrue()) return;
      if (this.#nowMs > mostMs) throw new Error(`Waited in vain for ${mostMs} ms until ${what}`);
      this.#goOn(what);
    }
  }

  #goOn(what: string): void {
    const nextMs = Math.min(...[...this.#alarms].map(({ atMs }) => atMs));
    if (nextMs === Infinity) throw new Error(`Waited in vain until ${what}: nobody has anything left to do`);
    this.#nowMs = Math.max(this.#nowMs, nextMs);
    for (const alarm of [...this.#alarms]) {
      if (alarm.atMs <= this.#nowMs && this.#alarms.delete(alarm)) alarm.act();
    }
  }
}

/**
 * Has digests computed at once, on this thread, until disposed. On others they would come back in an order of chance, and
 * who is first at one moment of virtual time would be chance as well.
 */
export function digestsInOrder(): Disposable {
  const { subtle } = crypto, digest = subtle.digest.bind(subtle);
  subtle.digest = (algorithm, data) => {
    if (algorithm !== "SHA-256") return digest(algorithm, data);
    const bytes = ArrayBuffer.isView(data) ? new Uint8Array(data.buffer, data.byteOffset, data.byteLength) : data;
    return Promise.resolve(sha256(new Uint8Array(bytes)).slice().buffer);
  };
  return { [Symbol.dispose]: () => void (subtle.digest = digest) };
}
