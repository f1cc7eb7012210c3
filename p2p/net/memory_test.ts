import { strict as assert } from "node:assert";
import { connectBoth, eventOf, identity, testTransport } from "../../tests/conformance/transport.ts";
import { MemoryNetwork } from "./memory.ts";

testTransport("MemoryTransport", () => {
  const network = new MemoryNetwork();
  return Promise.resolve({
    join: (n) => Promise.resolve(network.join(identity(n).peer)),
    nowhere: (peer) => `/memory/${peer}`,
    [Symbol.asyncDispose]: () => Promise.resolve(),
  });
});

Deno.test("MemoryNetwork separates two peers when their link is cut, and lets them meet again when it is mended", async () => {
  const network = new MemoryNetwork();
  const a = network.join(identity(0).peer), b = network.join(identity(1).peer);
  await connectBoth(a, b);
  const gone = eventOf(a, "disconnected");
  network.cut(a.peer, b.peer);
  await gone;
  assert.deepEqual(a.peers(), []);
  await assert.rejects(a.connect(b.addresses()[0]!), /no link/);
  network.mend(b.peer, a.peer);
  await connectBoth(a, b);
  assert.deepEqual(b.peers(), [a.peer]);
});

Deno.test("MemoryNetwork delivers in the order of the sends, whoever sends", async () => {
  const network = new MemoryNetwork();
  const [a, b, c] = [0, 1, 2].map((n) => network.join(identity(n).peer)) as [
    ReturnType<MemoryNetwork["join"]>,
    ReturnType<MemoryNetwork["join"]>,
    ReturnType<MemoryNetwork["join"]>,
  ];
  await connectBoth(a, c);
  await connectBoth(b, c);
  const heard: number[] = [];
  const all = Promise.withResolvers<void>();
  c.onAnnouncement(([n]) => {
    heard.push(n!);
    if (heard.length === 6) all.resolve();
  });
  for (let n = 0; n < 6; n++) (n % 2 === 0 ? a : b).announce(new Uint8Array([n]));
  await all.promise;
  assert.deepEqual(heard, [0, 1, 2, 3, 4, 5]);
});
