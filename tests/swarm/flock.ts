/**
 * A flock of real peers: processes of the command line on one tiny run, each reaching each other over a link of its own
 * that can be cut, and each of which can be killed, frozen and started again.
 *
 * Peers announce an address where nobody listens, so they meet over the links that they are told of and no other way:
 * what is cut is cut. Waits are for what peers say, each with a bound.
 * @module
 */
import { join } from "node:path";
import { runIdOf } from "../../p2p/genesis.ts";
import type { BlobStore } from "../../p2p/store/blob_store.ts";
import { openIdentity } from "../../p2p/store/key_file.ts";
import type { Digest, PeerId } from "../../p2p/sync/types.ts";
import { formatTicket } from "../../p2p/ticket.ts";
import type { PeerEvent } from "../../runtime/event.ts";
import { genesisBytes, type RunConfig } from "../../runtime/config.ts";
import { createRunFolder, openRunData } from "../../runtime/run_folder.ts";
import { expect, type RoundEvent, Seat } from "../starling.ts";
import { type Line, type LineOptions, openLine } from "../net/shaper.ts";
import { tinyRun } from "../tiny_run.ts";
import { type Audit, audit, type Chronicle, readChronicle } from "./chronicle.ts";

/** Where peers say that they can be dialled: nobody listens on the discard port. */
const NOWHERE = "/ip4/127.0.0.1/tcp/9";
const NETWORK_KEY = new Uint8Array(32).fill(0xab);

const UNLIMITED: LineOptions = { bitsPerSecond: Infinity, delayMs: 0 };
/** As short as rounds may be; on a busy machine they must be free to grow. */
export const QUICK_ROUNDS: RunConfig["rounds"] = { firstMs: 1_000, leastMs: 1_000, longestMs: 10_000 };

export interface FlockOptions {
  readonly names: readonly string[];
  /** What they train, with its data put where it belongs; a tiny run with short rounds by default. */
  readonly config?: RunConfig | ((data: BlobStore) => Promise<RunConfig>);
  /** Flags for all of them. */
  readonly flags?: readonly string[];
  /** What connects some of them to the world, both ways; the others' lines have no bounds. */
  readonly lines?: Readonly<Record<string, LineOptions>>;
}

/** How a partition shows: connections end, or nothing comes any more and nobody is told. */
export type Partition = "reset" | "silent";

/** One peer's way to another. */
interface Link {
  readonly line: Line;
  /** Where it is dialled. */
  readonly port: number;
}

interface Bird {
  readonly peer: PeerId;
  readonly port: number;
  /** What all its links pass through, if they are not unlimited. */
  readonly line: Line | null;
  /** This peer's way to each of the others. */
  readonly links: Map<string, Link>;
  /** One for each time that it was started, the last one last. */
  readonly seats: Seat[];
  isFrozen: boolean;
}

/** Makes a run and a place for each peer; starts nobody. */
export async function makeFlock(
  { names, config: wanted = tinyRun({ rounds: QUICK_ROUNDS }), flags = [], lines = {} }: FlockOptions,
): Promise<Flock> {
  const folder = await Deno.makeTempDir({ prefix: "starling-flock-" });
  const run = join(folder, "run");
  const config = typeof wanted === "function" ? await wanted(await openRunData(run)) : wanted;
  await createRunFolder(run, { config, networkKey: NETWORK_KEY });
  const birds = new Map<string, Bird>();
  for (const name of names) {
    await Deno.mkdir(join(folder, name));
    const { peer } = await openIdentity(join(folder, name, "identity.key"));
    const port = freePort(birds.size), options = lines[name], line = options === undefined ? null : openLine(options);
    birds.set(name, { peer, port, line, links: new Map(), seats: [], isFrozen: false });
  }
  for (const [name, { line, links }] of birds) {
    for (const [other, there] of birds) {
      if (other === name) continue;
      const link = openLine(UNLIMITED);
      const far = link.forward(there.line?.forward(there.port, "inward") ?? there.port);
      links.set(other, { line: link, port: line?.forward(far) ?? far });
    }
  }
  return new Flock(folder, { config, birds, flags });
}

export class Flock implements AsyncDisposable {
  readonly folder: string;
  readonly config: RunConfig;
  readonly names: readonly string[];
  readonly #birds: ReadonlyMap<string, Bird>;
  readonly #flags: readonly string[];

  constructor(folder: string, { config, birds, flags }: {
    readonly config: RunConfig;
    readonly birds: ReadonlyMap<string, Bird>;
    readonly flags: readonly string[];
  }) {
    this.folder = folder;
    this.config = config;
    this.names = [...birds.keys()];
    this.#birds = birds;
    this.#flags = flags;
  }

  /** The folder of the run. */
  get run(): string {
    return join(this.folder, "run");
  }

  /** A peer's own folder. */
  state(name: string): string {
    return join(this.folder, name);
  }

  /** Bytes that a peer sent through its line to the others, and back; null if it has none. */
  passed(name: string): Line["passed"] | null {
    return this.#bird(name).line?.passed ?? null;
  }

  peer(name: string): PeerId {
    return this.#bird(name).peer;
  }

  /** Whether a peer, as far as it has said, is connected to another now. */
  isConnected(name: string, peer: PeerId): boolean {
    const last = this.seat(name).events.findLast((event) =>
      (event.kind === "connected" || event.kind === "disconnected") && event.peer === peer
    );
    return last?.kind === "connected";
  }

  /** A peer as it was started last. */
  seat(name: string): Seat {
    return this.#bird(name).seats.at(-1)!;
  }

  /** All lives of a peer. */
  lives(name: string): readonly Seat[] {
    return this.#bird(name).seats;
  }

  /** Everybody as started last. */
  seats(): readonly Seat[] {
    return this.names.map((name) => this.seat(name));
  }

  /** Waits until these peers, or all, have adopted one record, newer than any now, after all became members. */
  async together(names = this.names): Promise<RoundEvent> {
    const seats = names.map((name) => this.seat(name));
    await Promise.all(names.map((name) => this.lives(name)[0]!.next("admitted")));
    const last = Math.max(...seats.map((seat) => seat.rounds().at(-1)?.round ?? 0));
    return (await agreement(seats, ({ round }) => round > last))[0];
  }

  /** What all journals say. */
  chronicle(): Promise<Chronicle> {
    return readChronicle(this.names.map((name) => join(this.state(name), "journal")));
  }

  /**
   * Waits until all agree on a record more than `rounds` after the present one, so that what was offered until now is
   * settled, and audits the history of that.
   */
  async audit(rounds: number): Promise<Audit & { readonly record: RoundEvent }> {
    const settledRound = Math.max(...this.seats().map((seat) => seat.rounds().at(-1)?.round ?? 0));
    let record = await this.#agreedAfter(0); // one after the other: rounds of a fork that was given up may be far ahead
    while (record.round <= settledRound + rounds) record = await this.#agreedAfter(record.round);
    const isTold = (author: PeerId, round: number) => {
      const name = this.names.find((name) => this.peer(name) === author)!;
      return this.lives(name).flatMap((seat) => seat.said("offer")).some((event) =>
        event.kind === "offer" && event.round === round && (event.fate === "lost" || event.fate === "unknown")
      );
    };
    const found = audit(await this.chronicle(), { head: record.head as Digest, settledRound, isTold });
    return { ...found, faults: [...found.faults, ...this.#unlike()], record };
  }

  /** Starts a peer, or starts it again: it dials whoever was started before. The first one of all founds the run. */
  start(name: string): Seat {
    const started = this.names.filter((other) => other !== name && this.lives(other).length > 0);
    return this.#sit(name, ["start", this.run, ...this.#waysTo(started, name).flatMap((way) => ["--peer", way])]);
  }

  /** Lets a peer join by a ticket, with nothing but its key. */
  async join(name: string): Promise<Seat> {
    const run = await runIdOf(genesisBytes(this.config)),
      addresses = this.#waysTo(this.names.filter((other) => other !== name), name);
    const ticket = formatTicket({ run, name: this.config.name, addresses, networkKey: NETWORK_KEY });
    return this.#sit(name, ["join", ticket, "--folder", join(this.state(name), "run")]);
  }

  /** Ends a peer at once, as a power cut would. */
  async kill(name: string): Promise<void> {
    const { child } = this.seat(name);
    child.kill();
    await child.ended;
    this.#bird(name).isFrozen = false;
  }

  /** Stops a peer's time. */
  freeze(name: string): void {
    Deno.kill(this.seat(name).child.pid, "SIGSTOP");
    this.#bird(name).isFrozen = true;
  }

  thaw(name: string): void {
    if (!this.#bird(name).isFrozen) return;
    Deno.kill(this.seat(name).child.pid, "SIGCONT");
    this.#bird(name).isFrozen = false;
  }

  /** Lets only peers of one group reach each other. */
  split(groups: readonly (readonly string[])[], partition: Partition): void {
    for (const [name, { links }] of this.#birds) {
      const group = groups.find((names) => names.includes(name)) ?? [];
      for (const [other, { line }] of links) {
        line.setDead(!group.includes(other));
        if (partition === "reset" && !group.includes(other)) line.reset();
      }
    }
  }

  heal(): void {
    for (const { links } of this.#birds.values()) links.forEach(({ line }) => line.setDead(false));
  }

  /** Resolves when one of these peers says something new of one of these kinds. */
  async happens(kinds: readonly PeerEvent["kind"][], names: readonly string[]): Promise<void> {
    const seats = names.map((name) => this.seat(name));
    const count = () => seats.reduce((sum, seat) => sum + kinds.reduce((n, kind) => n + seat.count(kind), 0), 0);
    const before = count();
    await expect(`${kinds.join(" or ")} of ${names.join(" or ")}`, seats, () => count() > before || null);
  }

  /** For a failed test: the last that each said. */
  account(): string {
    return this.names.flatMap((name) =>
      this.lives(name).map((seat, life) => `--- ${name}, life ${life + 1}\n${seat.account()}`)
    ).join("\n");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.names.forEach((name) => this.thaw(name));
    const birds = [...this.#birds.values()];
    const seats = birds.flatMap(({ seats }) => seats);
    seats.forEach(({ child }) => child.kill()); // nobody needs their last words
    await Promise.all(seats.map(({ child }) => child.ended));
    const lines = birds.flatMap(({ line, links }) => [line, ...[...links.values()].map(({ line }) => line)]);
    await Promise.all(lines.map((line) => line?.[Symbol.asyncDispose]()));
    await Deno.remove(this.folder, { recursive: true });
  }

  /** Each record is waited for by itself: how long a round takes is the machine's affair. */
  async #agreedAfter(last: number): Promise<RoundEvent> {
    return (await agreement(this.seats(), ({ round }) => round > last))[0];
  }

  /** How a peer reaches others. */
  #waysTo(others: readonly string[], name: string): readonly string[] {
    const { links } = this.#bird(name);
    return others.map((other) => `/ip4/127.0.0.1/tcp/${links.get(other)!.port}/p2p/${this.peer(other)}`);
  }

  #sit(name: string, command: readonly string[]): Seat {
    const bird = this.#bird(name);
    const place = ["--state", this.state(name), "--name", name, "--port", String(bird.port), "--announce", NOWHERE];
    const seat = new Seat([...command, ...place, ...this.#flags]);
    bird.seats.push(seat);
    bird.isFrozen = false;
    return seat;
  }

  /** Law 3: who adopts a record folds it to the same state, in whatever life. */
  #unlike(): readonly string[] {
    const states = new Map<string, string>();
    const rounds = this.names.flatMap((name) => this.lives(name).flatMap((seat) => seat.rounds()));
    return rounds.filter(({ head, digest }) => {
      if (!states.has(head)) states.set(head, digest);
      return states.get(head) !== digest;
    }).map(({ round, head }) => `record ${head} of round ${round} became two states`);
  }

  #bird(name: string): Bird {
    const bird = this.#birds.get(name);
    if (bird === undefined) throw new RangeError(`There is no peer '${name}' among ${this.names.join(", ")}`);
    return bird;
  }
}

/** Runs with a flock; if that fails, says what its peers said last. */
export async function withFlock(options: FlockOptions, use: (flock: Flock) => Promise<void>): Promise<void> {
  await using flock = await makeFlock(options);
  try {
    await use(flock);
  } catch (error) {
    console.error(flock.account());
    throw error;
  }
}

/** Of one record: what each of some peers said when it adopted that. */
export type Agreement = readonly [RoundEvent, ...RoundEvent[]];

/**
 * The first record that all of these peers say they have adopted in their present lives, or will, and that is wanted.
 * It is not yet their last word: two histories may cross.
 */
export async function agreement(
  seats: readonly Seat[],
  wanted: (round: RoundEvent) => boolean = () => true,
): Promise<Agreement> {
  return await expect(`a record that all adopt: ${wanted}`, seats, () => {
    const [first, ...others] = seats.map((seat) => seat.rounds());
    for (const round of first!.filter(wanted)) {
      const same = others.map((rounds) => rounds.find(({ head }) => head === round.head));
      if (same.every((other) => other !== undefined)) return [round, ...same];
    }
    return null;
  });
}

/** A port below those that the system gives to whoever asks for any, and of this process's own part of them. */
function freePort(nth: number): number {
  for (let tried = 0; tried < 64; tried++) {
    const port = 10_000 + (Deno.pid * 64 + nth * 7 + tried) % 22_000;
    try {
      Deno.listen({ hostname: "127.0.0.1", port }).close();
      return port;
    } catch { /* taken */ }
  }
  throw new Error("Cannot find a free port for a peer: 64 were tried");
}
