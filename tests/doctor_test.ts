/**
 * `starling doctor` as a user meets it: what is right, what is wrong at each address of a ticket, and the exit code.
 * @module
 */
import { strict as assert } from "node:assert";
import { join } from "node:path";
import { runIdOf, serveGenesis } from "../p2p/genesis.ts";
import { identityFromSeed } from "../p2p/identity.ts";
import { systemClock } from "../p2p/clock.ts";
import { startLibp2p } from "../p2p/net/libp2p.ts";
import { keepConnected } from "../p2p/net/mesh.ts";
import { formatTicket, type Ticket } from "../p2p/ticket.ts";
import { genesisBytes } from "../runtime/config.ts";
import { openStateFolder } from "../runtime/run_folder.ts";
import { emptyStatus } from "../runtime/status.ts";
import { starling } from "./starling.ts";
import { tinyRun } from "./tiny_run.ts";

const KEY = new Uint8Array(32).fill(7);
const identity = (n: number) => identityFromSeed(new Uint8Array(32).fill(n));
const LISTEN = ["/ip4/127.0.0.1/tcp/0"];

interface Line {
  readonly kind: string;
  readonly check?: string;
  readonly result?: string;
  readonly found?: string;
  readonly remedy?: string | null;
  readonly ok?: boolean;
}

/** What doctor finds, by the beginning of a check's name, and its exit code. */
async function doctor(args: readonly string[]) {
  const { code, out, err } = await starling(["doctor", ...args, "--listen", "127.0.0.1", "--no-mdns", "--json"]);
  const lines = out.trim().split("\n").map((line): Line => JSON.parse(line));
  const finding = (check: string): Line => lines.find((line) => line.check?.startsWith(check)) ?? { kind: "none" };
  return { code, finding, verdict: lines.at(-1)!, all: `${out}${err}` };
}

/** A peer of the tiny run that serves what doctor asks for, a ticket to it, and a folder. */
async function open() {
  const stack = new AsyncDisposableStack();
  const config = tinyRun(), genesis = genesisBytes(config), run = await runIdOf(genesis);
  const transport = stack.use(await startLibp2p({ identity: identity(1), run, listen: LISTEN, networkKey: KEY }));
  serveGenesis(transport, genesis);
  stack.use(keepConnected(transport, { run, addresses: [], clock: systemClock, onUnreachable: () => {} }));
  const folder = await Deno.makeTempDir();
  stack.defer(() => Deno.remove(folder, { recursive: true }));
  const ticket: Ticket = { run, name: "tiny", addresses: [transport.addresses()[0]!], networkKey: KEY };
  return { ticket, transport, folder, run, stack, [Symbol.asyncDispose]: () => stack.disposeAsync() };
}

Deno.test("doctor finds nothing wrong where nothing is, and says how the line is and whether others can dial", async () => {
  await using place = await open();
  const found = await doctor([formatTicket(place.ticket), "--folder", join(place.folder, "new")]);
  assert.equal(found.code, 0, found.all);
  for (const check of ["deno", "device", "disk", "listen", "dial", "peers", "configuration", "line"]) {
    assert.equal(found.finding(check).result, "ok", `${check}: ${found.all}`);
  }
  assert.match(found.finding("line").found!, /^round trip about [\d.]+ ms/);
  assert.equal(found.finding("others can dial").result, "ok", found.all);
  assert.equal(found.verdict.ok, true);
});

Deno.test("doctor tells every way in which an address can be wrong from the others", async () => {
  await using place = await open();
  const other = place.stack.use(
    await startLibp2p({
      identity: identity(2),
      run: place.run,
      listen: LISTEN,
      networkKey: new Uint8Array(32).fill(8),
    }),
  );
  const web = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, () => new Response("no peer"));
  place.stack.defer(() => web.shutdown());
  const good = place.transport.addresses()[0]!, peer = place.transport.peer;
  const rows: readonly (readonly [string, RegExp])[] = [
    [`/ip4/127.0.0.1/tcp/9/p2p/${peer}`, /^refused/],
    [`/dns4/nowhere.invalid/tcp/4001/p2p/${peer}`, /^the name is not known/],
    [good.replace(peer, identity(9).peer), /^another peer answers there/],
    [other.addresses()[0]!, /^a peer of a private run with another key/],
    [`/ip4/127.0.0.1/tcp/${web.addr.port}/p2p/${peer}`, /^connected, but this is no peer \(it says "HTTP/],
    [`/ip4/127.0.0.1/udp/4001/quic-v1/p2p/${peer}`, /^that kind of address is not spoken here/],
  ];
  const ticket = formatTicket({ ...place.ticket, addresses: rows.map(([address]) => address) });
  const found = await doctor([ticket, "--folder", join(place.folder, "new")]);
  for (const [address, says] of rows) {
    const { result, found: text, remedy } = found.finding(`dial ${address}`);
    assert.equal(result, "problem", found.all);
    assert.match(text!, says);
    assert.ok(remedy, `${address} has a remedy`);
  }
  assert.equal(found.code, 5);
  assert.equal(found.finding("peers").result, "problem");
});

Deno.test("doctor takes a list of members for no problem, and names the peer that the owner is to let in", async () => {
  await using place = await open();
  place.transport.admit([]);
  const found = await doctor([formatTicket(place.ticket), "--folder", join(place.folder, "new")]);
  assert.equal(found.code, 0, found.all);
  assert.match(found.finding("dial").found!, /lets no guest in: the run has a list of members/);
  assert.match(found.finding("dial").remedy!, /^'starling join' makes this machine's peer and says its id/);
  assert.equal(found.finding("peers").result, "note");
});

Deno.test("doctor finds nothing wrong beside a running peer that was told of nobody, or only of peers that are off", async () => {
  await using place = await open();
  const { folder, transport, ticket } = place, statePath = join(folder, "peer");
  await Deno.writeTextFile(join(folder, "run.json"), JSON.stringify(tinyRun()));
  await Deno.writeTextFile(join(folder, "network.key"), `${"07".repeat(32)}\n`);
  const state = place.stack.use(await openStateFolder(statePath, { now: new Date(0) }));
  const off = `/ip4/127.0.0.1/tcp/9/p2p/${identity(9).peer}`;
  for (const dials of [[], [off]]) {
    await state.writeStatus({ ...emptyStatus, run: ticket.run, addresses: transport.addresses(), dials });
    const found = await doctor([folder]);
    assert.equal(found.code, 0, found.all);
    assert.equal(found.finding("peers").result, "ok", found.all);
    if (dials.length > 0) assert.equal(found.finding(`dial ${off}`).result, "note", found.all);
  }
  // All that it has announced is an address beyond this machine.
  await state.writeStatus({
    ...emptyStatus,
    run: ticket.run,
    addresses: [`/ip4/203.0.113.7/tcp/9/p2p/${transport.peer}`],
  });
  const found = await doctor([folder]);
  assert.equal(found.code, 0, found.all);
  assert.match(found.finding("peers").found!, /no address to dial is known/);
});

Deno.test("doctor takes what is neither ticket nor run, and a folder that cannot be written, for problems", async () => {
  const file = await Deno.makeTempFile();
  try {
    const [damaged, neither] = await Promise.all([doctor(["star1abc"]), doctor([file])]);
    for (const found of [damaged, neither]) {
      assert.equal(found.code, 5);
      assert.equal(found.finding("ticket").result, "problem", found.all);
    }
    assert.match(damaged.finding("ticket").found!, /damaged/);
    assert.match(neither.finding("ticket").found!, /is no run's folder/);
  } finally {
    await Deno.remove(file);
  }
});
