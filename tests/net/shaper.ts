/**
 * A thin, distant link on loopback: a TCP proxy that passes bytes at a rate, after a delay, or not at all.
 *
 * One link is one machine's line: all connections through it share its rate, each direction for itself. It is a proxy
 * and no router: the kernel acknowledges to the sender what waits before the link, up to its socket buffers. So who
 * writes without bound sees longer queues here than on a real line, where the sender's kernel would slow it down.
 *
 * ```ts
 * await using line = openLine({ bitsPerSecond: 10e6, delayMs: 20 });
 * const port = line.forward(4001); // dial 127.0.0.1:port instead of 127.0.0.1:4001
 * ```
 * @module
 */

export interface LineOptions {
  /** Of each direction. */
  readonly bitsPerSecond: number;
  /** One way: a round trip takes twice this. */
  readonly delayMs: number;
}

/** Bytes read at once; small, so that connections take turns on the line. */
const PIECE_BYTES = 8 * 1024;
/** Bytes that wait for their turn in one direction, as in the queue of a router. */
const QUEUE_BYTES = 64 * 1024;

/** One machine's line, until disposed. */
export interface Line extends AsyncDisposable {
  /** Bytes passed so far: from this machine, and to it. */
  readonly passed: { readonly there: number; readonly back: number };
  /**
   * Opens a port of 127.0.0.1 that leads through the line to another one: outward, from this machine to others, or
   * inward, from others to it.
   */
  forward(port: number, direction?: "outward" | "inward"): number;
  /** While dead, nothing passes and nobody is told: connections look alive, as on a cable that was cut. */
  setDead(isDead: boolean): void;
  /** Ends every connection that is open now; new ones are taken. */
  reset(): void;
}

export function openLine(options: LineOptions): Line {
  return new ShapedLine(options);
}

class ShapedLine implements Line {
  readonly #lanes: { readonly there: Lane; readonly back: Lane };
  readonly #listeners: Deno.TcpListener[] = [];
  readonly #open = new Set<Deno.TcpConn>();
  readonly #tasks = new Set<Promise<void>>();

  constructor(options: LineOptions) {
    this.#lanes = { there: new Lane(options), back: new Lane(options) };
  }

  get passed(): { readonly there: number; readonly back: number } {
    return { there: this.#lanes.there.passedBytes, back: this.#lanes.back.passedBytes };
  }

  forward(port: number, direction: "outward" | "inward" = "outward"): number {
    const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    this.#listeners.push(listener);
    const { there, back } = this.#lanes;
    const lanes = direction === "outward" ? { there, back } : { there: back, back: there };
    this.#track(this.#accept(listener, { port, ...lanes }));
    return listener.addr.port;
  }

  setDead(isDead: boolean): void {
    for (const lane of Object.values(this.#lanes)) lane.setDead(isDead);
  }

  reset(): void {
    for (const connection of this.#open) close(connection);
    this.#open.clear();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const listener of this.#listeners) listener.close();
    this.reset();
    for (const lane of Object.values(this.#lanes)) lane.end();
    while (this.#tasks.size > 0) await Promise.all(this.#tasks);
  }

  async #accept(listener: Deno.TcpListener, way: Way): Promise<void> {
    for await (const near of listener) {
      this.#open.add(near);
      this.#track(this.#join(near, way));
    }
  }

  async #join(near: Deno.TcpConn, { port, there, back }: Way): Promise<void> {
    try {
      const far = await Deno.connect({ hostname: "127.0.0.1", port });
      if (!this.#open.has(near)) return close(far); // reset meanwhile
      this.#open.add(far);
      far.setNoDelay(true);
      near.setNoDelay(true);
      await Promise.allSettled([there.carry(near, far), back.carry(far, near)]);
      this.#open.delete(far);
      close(far);
    } catch { /* nobody listens there: the near end is closed below */ }
    this.#open.delete(near);
    close(near);
  }

  #track(work: Promise<void>): void {
    const task = work.catch(() => {}).finally(() => this.#tasks.delete(task));
    this.#tasks.add(task);
  }
}

/** Where a forwarded port leads, and what carries its bytes there and back. */
interface Way {
  readonly port: number;
  readonly there: Lane;
  readonly back: Lane;
}

/** One direction of a line. */
class Lane {
  passedBytes = 0;
  readonly #bytesPerMs: number;
  readonly #delayMs: number;
  readonly #timers = new Map<ReturnType<typeof setTimeout>, () => void>();
  /** When the line has sent all that it was given. */
  #freeAtMs = 0;
  #alive: PromiseWithResolvers<void> | null = null;
  #ended = false;

  constructor({ bitsPerSecond, delayMs }: LineOptions) {
    this.#bytesPerMs = bitsPerSecond / 8000;
    this.#delayMs = delayMs;
  }

  setDead(isDead: boolean): void {
    if (!isDead) this.#alive?.resolve();
    this.#alive = isDead ? this.#alive ?? Promise.withResolvers() : null;
  }

  end(): void {
    this.#ended = true;
    this.setDead(false);
    for (const [timer, resolve] of this.#timers) {
      clearTimeout(timer);
      resolve();
    }
  }

  /** Passes everything from one connection to another until one of them ends; then ends the other. */
  async carry(from: Deno.TcpConn, to: Deno.TcpConn): Promise<void> {
    let delivered = Promise.resolve();
    try {
      for (;;) {
        const piece = new Uint8Array(PIECE_BYTES), count = await from.read(piece);
        if (count === null || this.#ended) break;
        await this.#alive?.promise;
        const now = performance.now();
        this.#freeAtMs = Math.max(now, this.#freeAtMs) + count / this.#bytesPerMs;
        const arrivesAtMs = this.#freeAtMs + this.#delayMs;
        delivered = delivered.then(() => this.#deliver(piece.subarray(0, count), to, arrivesAtMs));
        delivered.catch(() => close(from)); // the far end is gone
        await this.#until(this.#freeAtMs - QUEUE_BYTES / this.#bytesPerMs);
      }
    } finally {
      await delivered.catch(() => {});
      close(to);
    }
  }

  async #deliver(bytes: Uint8Array, to: Deno.TcpConn, atMs: number): Promise<void> {
    await this.#until(atMs);
    await this.#alive?.promise;
    for (let written = 0; written < bytes.length;) written += await to.write(bytes.subarray(written));
    this.passedBytes += bytes.length;
  }

  #until(atMs: number): Promise<void> {
    const waitMs = atMs - performance.now();
    if (waitMs <= 0 || this.#ended) return Promise.resolve();
    return new Promise((resolve) => {
      const timer = setTimeout(() => {
        this.#timers.delete(timer);
        resolve();
      }, waitMs);
      this.#timers.set(timer, resolve);
    });
  }
}

function close(connection: Deno.TcpConn): void {
  try {
    connection.close();
  } catch { /* it is closed already */ }
}
