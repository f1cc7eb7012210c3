/**
 * Real processes in network namespaces: peers that are open, behind one router or two, or behind a firewall train
 * together, and each says how it reaches each other. The table in docs/network.md is what this test measures.
 * @module
 */
import { strict as assert } from "node:assert";
import { join } from "node:path";
import { parseTicket } from "../../p2p/ticket.ts";
import type { PeerEvent } from "../../runtime/event.ts";
import { Seat, sharedRound, starling } from "../starling.ts";
import { tinyRun } from "../tiny_run.ts";
import { matrixOf, ownVerdict, type Placed, reachOf } from "./matrix.ts";
import { FORWARDED_PORT, Internet, type Place, type PlacedHost, unusable } from "./namespaces.ts";

const PLACES: readonly Place[] = ["open", "no UDP", "forwarded port", "no inbound", "NAT", "two NATs"];
/** Who can be dialled from outside; two who cannot meet through somebody who can. */
const DIALABLE: ReadonlySet<Place> = new Set(["open", "no UDP", "forwarded port"]);
const LONGEST_WAIT_MS = 90_000;

const reason = await unusable();
if (reason !== null) console.log(`tests/reach is skipped: ${reason}.`);
const test = (name: string, fn: () => Promise<void>) => Deno.test({ name, fn, ignore: reason !== null });

/** A run's folder and the peers that sit around the internet, gone when disposed. */
class Scene implements AsyncDisposable {
  readonly #stack = new AsyncDisposableStack();
  readonly #seats: Seat[] = [];
  readonly placed: Placed[] = [];
  #folder = "";
  #internet: Internet | null = null;

  static async open(): Promise<Scene> {
    const scene = new Scene();
    scene.#folder = await Deno.makeTempDir({ prefix: "starling-reach-" });
    scene.#stack.defer(() => Deno.remove(scene.#folder, { recursive: true }));
    scene.#internet = scene.#stack.use(await Internet.make());
    await Deno.mkdir(join(scene.#folder, "run"));
    await Deno.writeTextFile(join(scene.#folder, "run/run.json"), JSON.stringify(tinyRun()));
    await Deno.writeTextFile(join(scene.#folder, "run/network.key"), "ab".repeat(32) + "\n");
    return scene;
  }

  /** A host without a peer. */
  at(place: Place): Promise<PlacedHost> {
    return this.#internet!.place(place);
  }

  /** Where a peer may keep its files. */
  path(name: string): string {
    return join(this.#folder, name);
  }

  /** Starts a peer at a place of its own; it dials `peers`. */
  sit(place: Place, peers: readonly string[]): Promise<Placed & { readonly address: string }> {
    const dials = peers.flatMap((address) => ["--peer", address]);
    return this.#run(place, (name) => ["start", this.path("run"), "--state", this.path(name), ...dials]);
  }

  /** Starts a peer that has nothing but a ticket. */
  join(place: Place, ticket: string): Promise<Placed> {
    return this.#run(place, (name) => ["join", ticket, "--folder", this.path(name)]);
  }

  async #run(place: Place, args: (name: string) => readonly string[]): Promise<Placed & { readonly address: string }> {
    const { name, publicAddress, enter } = await this.at(place);
    const own = ["--name", place, "--throttle", "20", "--port", `${FORWARDED_PORT}`];
    const seat = new Seat([...args(name), ...own], enter);
    this.#seats.push(seat);
    const { peer } = await seat.next("started");
    const placed = { place, seat, peer, address: `/ip4/${publicAddress}/tcp/${FORWARDED_PORT}/p2p/${peer}` };
    this.placed.push(placed);
    return placed;
  }

  /** Waits for something that follows from what the peers say. */
  async until(what: string, holds: () => boolean): Promise<void> {
    const late = Promise.withResolvers<void>(), timer = setTimeout(late.resolve, LONGEST_WAIT_MS);
    const deadlineMs = Date.now() + LONGEST_WAIT_MS;
    try {
      while (Date.now() < deadlineMs) {
        const changed = Promise.race([...this.placed.map(({ seat }) => seat.changed), late.promise]);
        if (holds()) return;
        await changed;
      }
      throw new Error(`Waited ${LONGEST_WAIT_MS} ms for: ${what}\n${matrixOf(this.placed)}\n${this.account()}`);
    } finally {
      clearTimeout(timer);
    }
  }

  /** What each peer said of links, with places for peer ids. */
  account(): string {
    const lines = ({ place, seat }: Placed) =>
      seat.events.filter(({ kind }) => ["connected", "disconnected", "unreachable", "reachability"].includes(kind))
        .map((event) => `${place}: ${JSON.stringify({ ...event, addresses: undefined, ticket: undefined })}`)
        .concat(`${place} on standard error: ${seat.child.complaint()}`);
    const text = this.placed.flatMap(lines).join("\n");
    return this.placed.reduce((sofar, { peer, place }) => sofar.replaceAll(peer, `<${place}>`), text);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#seats.map((seat) => seat[Symbol.asyncDispose]()));
    await this.#stack.disposeAsync();
  }
}

test("peers at every kind of place train together, each pair directly or through another, as the docs say", async () => {
  await using scene = await Scene.open();
  const open = await scene.sit("open", []);
  await Promise.all(PLACES.slice(1).map((place) => scene.sit(place, [open.address])));
  const all = PLACES.map((place) => scene.placed.find((placed) => placed.place === place)!);
  const pairs = all.flatMap((a) => all.filter((b) => b !== a).map((b) => [a, b] as const));
  const wanted = (a: Placed, b: Placed) => DIALABLE.has(a.place) || DIALABLE.has(b.place) ? "direct" : "relayed";
  await scene.until(
    "every pair's link, and every peer's own verdict",
    () =>
      pairs.every(([a, b]) => reachOf(a, b) === wanted(a, b)) &&
      all.every((placed) => ownVerdict(placed) === (DIALABLE.has(placed.place) ? "reachable" : "not reachable")),
  );

  const linkedAtRound = Math.max(...open.seat.said("round").map((event) => event.kind === "round" ? event.round : 0));
  const counted = () =>
    new Set(
      open.seat.events.flatMap((event) => event.kind === "round" && event.round > linkedAtRound ? event.members : [])
        .filter(({ tokens }) => tokens > 0).map(({ peer }) => peer),
    );
  await scene.until("a contribution of each is counted", () => counted().size === all.length);
  const seats = all.map(({ seat }) => seat);
  const rounds = await sharedRound(seats, ({ round, peers }) => round > linkedAtRound && peers === all.length);
  assert.equal(new Set(rounds.map(({ digest }) => digest)).size, 1, "one state everywhere");
  const relayed = all.filter(({ seat }) => seat.said("relayed").length > 0).map(({ place }) => place);
  assert.ok(relayed.length > 0 && relayed.every((place) => DIALABLE.has(place)), `relays: ${relayed}`);

  const matrix = matrixOf(all);
  console.log(matrix);
  const docs = await Deno.readTextFile(new URL("../../docs/network.md", import.meta.url));
  assert.ok(docs.includes(matrix), "docs/network.md shows another table than the one just measured");
});

test("the ticket of a peer that nobody can dial leads to it through another, also who knows nothing else", async () => {
  await using scene = await Scene.open();
  const open = await scene.sit("open", []), behind = await scene.sit("NAT", [open.address]);
  const isThrough = (event: PeerEvent) => event.kind === "reachability" && event.relays.includes(open.peer);
  const told = await behind.seat.event(isThrough, "a place at the relay");
  const ticket = told.kind === "reachability" ? told.ticket! : "";
  const parsed = parseTicket(ticket);
  const ways = parsed.ok ? parsed.ticket.addresses : [];
  assert.equal(ways[1], `${open.address}/p2p-circuit/p2p/${behind.peer}`, `${ways}`);

  const joiner = await scene.join("two NATs", ticket);
  await scene.until(
    "it reaches both",
    () => reachOf(joiner, behind) === "relayed" && reachOf(joiner, open) === "direct",
  );
  await joiner.seat.round(({ members }) => members.some(({ peer, tokens }) => peer === joiner.peer && tokens > 0));
});

/** What `starling doctor` finds at a host, by check, and its exit code. */
async function doctorAt({ enter }: PlacedHost, args: readonly string[]) {
  const { code, out } = await starling(["doctor", ...args, "--no-mdns", "--json"], {}, enter);
  const lines = out.trim().split("\n").map((line): Record<string, string> => JSON.parse(line));
  const finding = (check: string) => lines.find((line) => line["check"]?.startsWith(check)) ?? {};
  return { code, finding, out };
}

test("two behind routers meet nobody without a third: both say so, and doctor says what to do", async () => {
  await using scene = await Scene.open();
  const far = await scene.sit("NAT", []);
  const near = await scene.sit("two NATs", [far.address]);
  const [ticket] = [far.seat.said("started")[0]].map((event) => event?.kind === "started" ? event.ticket! : "");
  await scene.until("the verdict", () => reachOf(near, far) === "unreachable");

  const home = await scene.at("NAT"), known = ["--peer", far.address, "--folder", scene.path("home")];
  const alone = await doctorAt(home, [ticket!, ...known]);
  assert.equal(alone.code, 5, alone.out);
  assert.match(alone.finding(`dial ${far.address}`)["found"]!, /^no answer: .* firewall or router/);
  assert.equal(alone.finding("peers")["result"], "problem");

  const open = await scene.sit("open", []);
  const [behind, outside] = await Promise.all([
    doctorAt(home, [scene.path("run"), "--state", scene.path("home"), "--peer", open.address]),
    doctorAt(await scene.at("open"), [scene.path("run"), "--state", scene.path("outside"), "--peer", open.address]),
  ]);
  assert.equal(behind.code, 0, behind.out);
  assert.match(behind.finding("others can dial")["found"]!, /^not reachable: 1 peer tried .*through/);
  assert.match(behind.finding("others can dial")["remedy"]!, /TCP port/);
  assert.equal(outside.code, 0, outside.out);
  assert.equal(outside.finding("others can dial")["result"], "ok", outside.out);
});
