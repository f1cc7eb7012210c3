import { strict as assert } from "node:assert";
import { connectBoth, identity } from "../../tests/conformance/transport.ts";
import { ManualClock } from "../../tests/manual_clock.ts";
import type { Digest } from "../sync/types.ts";
import { startLibp2p } from "./libp2p.ts";
import { MemoryNetwork } from "./memory.ts";
import type { Transport } from "./transport.ts";
import { watchForTwins } from "./twins.ts";

const run = "7".repeat(64) as Digest;

/** A peer that watches; what it is told is kept. */
function watcher(n: number, transport: Transport, clock: ManualClock, dialled: readonly Transport[] = []) {
  const told: string[] = [];
  const watch = watchForTwins(transport, {
    identity: identity(n),
    run,
    clock,
    dialled: dialled.map(({ peer }) => peer),
    onTwin: ({ message }) => told.push(message),
  });
  return { told, [Symbol.dispose]: () => watch[Symbol.dispose]() };
}

Deno.test("a second process with the key of a peer is told so by whom it dials, and the first one is left alone", async () => {
  const clock = new ManualClock();
  await using stack = new AsyncDisposableStack();
  const join = async (n: number) => {
    const listen = ["/ip4/127.0.0.1/tcp/0"];
    return stack.use(await startLibp2p({ identity: identity(n), run, listen, networkKey: null }));
  };
  const wren = await join(1), finch = await join(2);
  using atWren = watcher(1, wren, clock), atFinch = watcher(2, finch, clock);
  await connectBoth(wren, finch);
  const copy = await join(1);
  using atCopy = watcher(1, copy, clock, [finch]);
  const dialled = new AbortController(); // it never counts as connected: finch keeps to the connection that it has
  const dial = copy.connect(finch.addresses()[0]!, { signal: dialled.signal }).catch(() => {});
  await clock.runUntil("the copy is told", () => atCopy.told.length > 0, 20);
  dialled.abort();
  await dial;
  assert.match(
    atCopy.told[0]!,
    /another machine runs with this peer's key \(12D3.*\); 12D3.* is connected to it\. Stop/,
  );
  assert.deepEqual([atWren.told, atFinch.told], [[], []]);
});

Deno.test("nobody without the key can make a peer believe that it has a twin", async () => {
  const clock = new ManualClock(), network = new MemoryNetwork();
  const wren = network.join(identity(1).peer), liar = network.join(identity(2).peer);
  liar.onRequest("twins/1", async (from, number) => {
    const own = await liar.request(from, "twins-sign/1", number).catch(() => null);
    assert.equal(own, null, "wren signs nothing against itself");
    return identity(2).sign("0".repeat(64) as Digest);
  });
  using atWren = watcher(1, wren, clock);
  await connectBoth(wren, liar);
  for (const request of [new Uint8Array(), new Uint8Array(32), new Uint8Array(33)]) {
    await liar.request(wren.peer, "twins/1", request).catch(() => {});
    await liar.request(wren.peer, "twins-sign/1", request).catch(() => {});
  }
  const later = clock.now() + 30_000;
  await clock.runUntil("much later", () => clock.now() > later, 1000);
  assert.deepEqual(atWren.told, []);
});
