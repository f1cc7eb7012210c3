/**
 * Real processes, real libp2p on loopback, the command line as a user types it: three peers train, one is killed and
 * comes back, one joins late by ticket. Waits are for events, each with a bound.
 * @module
 */
import { strict as assert } from "node:assert";
import { join } from "node:path";
import { type Child, startChild } from "../../cli/child.ts";
import type { PeerEvent } from "../../runtime/event.ts";
import { tinyRun } from "../tiny_run.ts";

const LONGEST_WAIT_MS = 90_000;

type Round = Extract<PeerEvent, { kind: "round" }>;
type Started = Extract<PeerEvent, { kind: "started" }>;

Deno.test("three peers train, one is killed and returns, one joins late: one digest, and the loss has fallen", async () => {
  const folder = await Deno.makeTempDir({ prefix: "starling-swarm-" });
  const run = join(folder, "run");
  await Deno.mkdir(run);
  await Deno.writeTextFile(join(run, "run.json"), JSON.stringify(tinyRun()));
  await Deno.writeTextFile(join(run, "network.key"), "ab".repeat(32) + "\n");
  const seats = new Map<string, Seat>();
  const sit = (name: string, args: readonly string[]) => {
    const seat = new Seat([...args, "--state", join(folder, name), "--name", name, ...LOCAL]);
    seats.set(name, seat);
    return seat;
  };

  try {
    const wren = sit("wren", ["start", run]);
    const { addresses, ticket } = await wren.next("started") as Started;
    const meet = ["--peer", addresses[0]!];
    const finch = sit("finch", ["start", run, ...meet]);
    const robin = sit("robin", ["start", run, ...meet, "--throttle", "50"]);
    const firstLoss = (await wren.round(({ loss }) => loss !== null)).loss!;
    const together = await wren.round(({ peers }) => peers === 3);
    assert.equal((await finch.round(({ round }) => round === together.round)).digest, together.digest);
    assert.equal((await robin.round(({ round }) => round === together.round)).digest, together.digest);

    finch.child.kill();
    await finch.child.ended;
    const without = await wren.round(({ round, peers }) => round > together.round && peers === 2);
    const again = sit("finch", ["start", run, ...meet]);
    const back = await again.round(({ round }) => round > without.round);
    assert.ok(back.round > together.round, "finch goes on from the history it knew");

    const heron = sit("heron", ["join", ticket, "--folder", join(folder, "heron-run")]);
    await heron.next("admitted");
    const all = await wren.round(({ peers }) => peers === 4);
    for (const seat of [again, robin, heron]) {
      assert.equal((await seat.round(({ round }) => round === all.round)).digest, all.digest);
    }
    assert.ok(all.loss! < firstLoss * 0.95, `loss fell from ${firstLoss} to ${all.loss}`);
  } catch (error) {
    for (const [name, seat] of seats) console.error(`--- ${name}\n${seat.account()}`);
    throw error;
  } finally {
    for (const { child } of seats.values()) child.interrupt();
    await Promise.all([...seats.values()].map(({ child }) => child[Symbol.asyncDispose]()));
    await Deno.remove(folder, { recursive: true });
  }
});

const LOCAL = ["--device", "cpu", "--threads", "1", "--listen", "127.0.0.1", "--no-mdns"];

/** A peer process and all that it has said. */
class Seat {
  readonly child: Child;
  readonly #events: PeerEvent[] = [];
  #wake = Promise.withResolvers<void>();

  constructor(args: readonly string[]) {
    const wake = () => {
      this.#wake.resolve();
      this.#wake = Promise.withResolvers<void>();
    };
    this.child = startChild({
      args,
      onEvent: (event) => {
        this.#events.push(event);
        wake();
      },
    });
    this.child.ended.then(wake);
  }

  next(kind: PeerEvent["kind"]): Promise<PeerEvent> {
    return this.#find((event) => event.kind === kind, kind);
  }

  round(wanted: (round: Round) => boolean): Promise<Round> {
    const isWanted = (event: PeerEvent): event is Round => event.kind === "round" && wanted(event);
    return this.#find(isWanted, `a round with ${wanted}`) as Promise<Round>;
  }

  account(): string {
    return [...this.#events.slice(-12).map((event) => JSON.stringify(event)), this.child.complaint()].join("\n");
  }

  async #find(wanted: (event: PeerEvent) => boolean, what: string): Promise<PeerEvent> {
    let over = false;
    const late = Promise.withResolvers<void>();
    const timer = setTimeout(late.resolve, LONGEST_WAIT_MS);
    this.child.ended.then(() => over = true);
    try {
      for (const deadline = Date.now() + LONGEST_WAIT_MS;;) {
        const found = this.#events.find(wanted);
        if (found !== undefined) return found;
        if (over) throw new Error(`the process ended before ${what}`);
        if (Date.now() >= deadline) throw new Error(`waited ${LONGEST_WAIT_MS} ms for ${what}`);
        await Promise.race([this.#wake.promise, late.promise]);
      }
    } finally {
      clearTimeout(timer);
    }
  }
}
