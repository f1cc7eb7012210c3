/**
 * The program as a user runs it: a command in a process of its own, and peers that can be watched.
 * @module
 */
import { type Child, startChild } from "../cli/child.ts";
import type { PeerEvent } from "../runtime/event.ts";

const MAIN = new URL("../cli/main.ts", import.meta.url).href;
/** For anything that a peer does: many times what a busy machine needs. */
const LONGEST_WAIT_MS = 300_000;

/** Flags that keep a test's peer on one thread and off the network. */
const COMPUTING_LOCALLY = ["--device", "cpu", "--threads", "1", "--no-mdns"];
export const LOCAL = [...COMPUTING_LOCALLY, "--listen", "127.0.0.1"];

const PASSING: ReadonlySet<PeerEvent["kind"]> = new Set(["progress", "fetching"]);

export type RoundEvent = Extract<PeerEvent, { kind: "round" }>;

/** Runs a command to its end; `through` another command if that is given. */
export async function starling(
  args: readonly string[],
  environment: Readonly<Record<string, string>> = {},
  through: readonly string[] = [],
): Promise<{ code: number; out: string; err: string }> {
  const [command, ...rest] = [...through, Deno.execPath(), "run", "-A", "--quiet", MAIN, ...args];
  const { code, stdout, stderr } = await new Deno.Command(command!, {
    args: rest,
    stdin: "null",
    env: { NO_COLOR: "1", ...environment },
  }).output();
  return { code, out: new TextDecoder().decode(stdout), err: new TextDecoder().decode(stderr) };
}

/** A peer process and all that it has said. */
export class Seat implements AsyncDisposable {
  readonly child: Child;
  /** All that it has said. */
  readonly events: PeerEvent[] = [];
  #isOver = false;
  readonly #counts = new Map<PeerEvent["kind"], number>();
  #sweepAt = 10_000;
  #wake = Promise.withResolvers<void>();

  /** `elsewhere`: it runs through another command, and its network is not this machine's. */
  constructor(args: readonly string[], elsewhere: readonly string[] | null = null) {
    const wake = () => {
      this.#wake.resolve();
      this.#wake = Promise.withResolvers<void>();
    };
    this.child = startChild({
      args: [...args, ...(elsewhere === null ? LOCAL : COMPUTING_LOCALLY)],
      through: elsewhere ?? [],
      onEvent: (event) => {
        this.#take(event);
        wake();
      },
    });
    this.child.ended.then(() => {
      this.#isOver = true;
      wake();
    });
  }

  /** Whether the process has ended. */
  get isOver(): boolean {
    return this.#isOver;
  }

  /** How often it said something of a kind. */
  count(kind: PeerEvent["kind"]): number {
    return this.#counts.get(kind) ?? 0;
  }

  /** The first event of a kind that is wanted, said or yet to come. */
  next<K extends PeerEvent["kind"]>(
    kind: K,
    wanted: (event: Extract<PeerEvent, { kind: K }>) => boolean = () => true,
  ): Promise<Extract<PeerEvent, { kind: K }>> {
    const isKind = (event: PeerEvent): event is Extract<PeerEvent, { kind: K }> => event.kind === kind;
    return this.#find(
      (event): event is Extract<PeerEvent, { kind: K }> => isKind(event) && wanted(event),
      `${kind}: ${wanted}`,
    );
  }

  /** The first round that is wanted, said or yet to come. */
  round(wanted: (round: RoundEvent) => boolean): Promise<RoundEvent> {
    return this.#find((event): event is RoundEvent => event.kind === "round" && wanted(event), `round: ${wanted}`);
  }

  /** The first event that is wanted, said or yet to come. */
  event(wanted: (event: PeerEvent) => boolean, what: string): Promise<PeerEvent> {
    return this.#find((event): event is PeerEvent => wanted(event), what);
  }

  said(kind: PeerEvent["kind"]): readonly PeerEvent[] {
    return this.events.filter((event) => event.kind === kind);
  }

  /** Every state that it adopted, in order. */
  rounds(): readonly RoundEvent[] {
    return this.events.filter((event) => event.kind === "round");
  }

  /** Resolves at the next event, or when the process ends. */
  get changed(): Promise<void> {
    return this.#wake.promise;
  }

  /** For a failed test: the last that it said. */
  account(): string {
    return [
      ...this.events.filter(({ kind }) => !PASSING.has(kind)).slice(-12).map((event) => JSON.stringify(event)),
      this.child.complaint(),
    ].join("\n");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.child[Symbol.asyncDispose]();
  }

  /** Keeps all that it says; but of what it says many times a second, only the last, lest a long test fill the memory. */
  #take(event: PeerEvent): void {
    this.#counts.set(event.kind, this.count(event.kind) + 1);
    this.events.push(event);
    if (this.events.length < this.#sweepAt) return;
    this.events.splice(
      0,
      Infinity,
      ...this.events.filter(({ kind }, i) => !PASSING.has(kind) || i > this.#sweepAt - 1000),
    );
    this.#sweepAt = 2 * this.events.length + 10_000;
  }

  async #find<E extends PeerEvent>(wanted: (event: PeerEvent) => event is E, what: string): Promise<E> {
    return await expect(what, [this], () => this.events.find(wanted) ?? null);
  }
}

/**
 * What each of the peers said of one round: the first that all of them have said, or will, and that is wanted of each. A
 * peer that lags may pass over a round, so which one it is cannot be known before; and one that is cut off for a moment
 * may close a round of the same number on its own, so who wants equal states says what a round of them all is.
 */
export async function sharedRound(
  seats: readonly Seat[],
  wanted: (round: RoundEvent) => boolean,
): Promise<readonly RoundEvent[]> {
  return await expect(`a round that all have: ${wanted}`, seats, () => {
    const [first, ...others] = seats.map((seat) => seat.rounds());
    for (const round of first!.filter(wanted)) {
      const same = others.flatMap((rounds) =>
        rounds.find((other) => other.round === round.round && wanted(other)) ?? []
      );
      if (same.length === others.length) return [round, ...same];
    }
    return null;
  });
}

/** Looks again whenever one of the peers says something; fails after a time that no healthy peer needs. */
export async function expect<T>(what: string, seats: readonly Seat[], look: () => T | null): Promise<T> {
  const late = Promise.withResolvers<void>(), timer = setTimeout(late.resolve, LONGEST_WAIT_MS);
  const deadlineMs = Date.now() + LONGEST_WAIT_MS;
  try {
    for (;;) {
      const changed = Promise.race([...seats.map((seat) => seat.changed), late.promise]);
      const found = look();
      if (found !== null) return found;
      const over = seats.find(({ isOver }) => isOver);
      if (over !== undefined) throw new Error(`A process ended before ${what}:\n${over.account()}`);
      if (Date.now() >= deadlineMs) {
        const accounts = seats.map((seat) => seat.account()).join("\n---\n");
        throw new Error(`Waited ${LONGEST_WAIT_MS} ms for ${what}:\n${accounts}`);
      }
      await changed;
    }
  } finally {
    clearTimeout(timer);
  }
}
