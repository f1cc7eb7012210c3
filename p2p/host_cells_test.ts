/**
 * Hosts of a run that is too large for one cell: they part into cells, hear their own alone, meet, and each cell is of
 * one mind. Cells are of two here; `tests/sim` has large ones.
 */
import { strict as assert } from "node:assert";
import { connectBoth, identity } from "../tests/conformance/transport.ts";
import { ManualClock } from "../tests/manual_clock.ts";
import { agree, roundOf, rules, startStubPeer, type StubPeer } from "../tests/stub_peer.ts";
import { startLibp2p } from "./net/libp2p.ts";
import { MemoryNetwork } from "./net/memory.ts";
import type { Transport } from "./net/transport.ts";
import { digitsOf } from "./sync/cells.ts";
import type { Digest, SyncRules } from "./sync/types.ts";
import { decodeMessage } from "./wire.ts";

const inPairs: SyncRules = { ...rules, cellSize: 2, cellRounds: 2 };

function cellOf({ host }: StubPeer): string {
  return host.status().chain?.cell ?? "";
}

/** The cells that a peer's own has met, by its own word. */
function metBy({ events }: StubPeer): ReadonlySet<string> {
  return new Set(events.flatMap((event) => event.kind === "met" ? [event.with] : []));
}

/** Peers by the name of their cell. */
function byCell(peers: readonly StubPeer[]): Map<string, StubPeer[]> {
  return Map.groupBy(peers, cellOf);
}

/** Whether each peer's work is in the last round that all of its cell have told alike, after round `least`. */
function isOneMind(cell: readonly StubPeer[], least: number): boolean {
  const last = Math.min(...cell.map(roundOf));
  if (last <= least || !agree(cell, last)) return false;
  const round = cell[0]!.events.findLast((event) => event.kind === "round" && event.round === last);
  return round?.kind === "round" && round.counted.filter(({ offer }) => offer.tokens > 0).length === cell.length;
}

/** Each cell has met another, and is of one mind some rounds later. */
async function untilMet(clock: ManualClock, peers: readonly StubPeer[], cells: readonly string[]): Promise<void> {
  await clock.runUntil("the cells are there", () => [...byCell(peers).keys()].sort().join() === cells.join());
  await clock.runUntil("each has met another", () => peers.every((peer) => metBy(peer).size > 0));
  const then = Math.max(...peers.map(roundOf));
  await clock.runUntil("each is of one mind", () => [...byCell(peers).values()].every((cell) => isOneMind(cell, then)));
}

/** Counts what reaches a peer by gossip of those who are in no cell of its own. */
function countForeign(transport: Transport, isForeign: (from: string) => boolean): () => string[] {
  const kinds: string[] = [];
  transport.onAnnouncement((bytes, from) => {
    const message = decodeMessage(bytes, rules.run);
    if (message.ok && isForeign(from)) kinds.push(message.value.kind);
  });
  return () => kinds;
}

/** Five hosts of a network in memory, when cells "0", "10" and "11" have met. */
async function fiveInThreeCells(clock: ManualClock): Promise<readonly StubPeer[]> {
  const network = new MemoryNetwork(), addresses = [`/memory/${identity(0).peer}`], peers: StubPeer[] = [];
  for (let n = 0; n < 5; n++) {
    const transport = network.join(identity(n).peer);
    peers.push(await startStubPeer(n, transport, { clock, rules: inPairs, addresses: n === 0 ? [] : addresses }));
  }
  await untilMet(clock, peers, ["0", "10", "11"]);
  return peers;
}

Deno.test("five hosts part into three cells, which hear their own alone, meet, and are each of one mind", async () => {
  const clock = new ManualClock(), peers = await fiveInThreeCells(clock);
  const [wren] = peers, own = cellOf(wren!), before = wren!.events.length;
  const foreign = countForeign(
    wren!.transport,
    (from) => !digitsOf(inPairs, from as StubPeer["host"]["peer"]).startsWith(own),
  );
  const then = roundOf(wren!);
  await clock.runUntil("some rounds go by", () => roundOf(wren!) > then + 4);
  assert.deepEqual(foreign(), [], "what others say in their cells is not heard");
  assert.ok(wren!.events.slice(before).some(({ kind }) => kind === "met"), "it meets them all the same");
  for (const peer of peers) {
    assert.deepEqual(peer.events.filter(({ kind }) => kind === "mismatch" || kind === "message refused"), []);
    assert.equal(peer.transport.peers().length, 4, "everybody is connected to the few there are");
  }
  for (const { host } of peers) assert.equal((await host.close()).kind, "closed");
});

Deno.test("hosts of two cells take over what a third leaves that is gone, and train all of it between them", async () => {
  const clock = new ManualClock(), peers = await fiveInThreeCells(clock);
  const gone = byCell(peers).get("0")!, left = peers.filter((peer) => !gone.includes(peer));
  for (const { host, transport } of gone) {
    await host.close();
    await transport[Symbol.asyncDispose]();
  }
  await clock.runUntil("they own what it owned", () => [...byCell(left).keys()].sort().join() === "*0,*1");
  const then = Math.max(...left.map(roundOf));
  await clock.runUntil("each is of one mind", () => [...byCell(left).values()].every((cell) => isOneMind(cell, then)));
  await clock.runUntil("they have met since", () => left.every((peer) => /^\*[01]$/.test([...metBy(peer)].at(-1)!)));
  for (const { host } of left) assert.equal((await host.close()).kind, "closed");
});

Deno.test("four hosts part into two cells and meet through libp2p on this machine", async () => {
  const clock = new ManualClock();
  await using stack = new AsyncDisposableStack();
  const transports: Transport[] = [];
  for (let n = 0; n < 4; n++) {
    const listen = ["/ip4/127.0.0.1/tcp/0"], networkKey = new Uint8Array(32).fill(3);
    transports.push(stack.use(await startLibp2p({ identity: identity(n), run: rules.run, listen, networkKey })));
    if (n > 0) await connectBoth(transports[n]!, transports[0]!);
  }
  const addresses = [transports[0]!.addresses()[0]!], peers: StubPeer[] = [];
  for (const [n, transport] of transports.entries()) {
    peers.push(await startStubPeer(n, transport, { clock, rules: inPairs, addresses: n === 0 ? [] : addresses }));
  }
  await untilMet(clock, peers, ["0", "1"]);
  const heads = (cell: readonly StubPeer[]): Set<Digest | undefined> =>
    new Set(cell.map(({ host }) => host.status().chain?.head));
  for (const cell of byCell(peers).values()) {
    await clock.runUntil("one head", () => heads(cell).size === 1);
  }
  for (const { host } of peers) await host.close();
});
