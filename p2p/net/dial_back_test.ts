import { encode } from "@ipld/dag-cbor";
import { strict as assert } from "node:assert";
import { connectBoth, identity } from "../../tests/conformance/transport.ts";
import { DialBack, type Evidence, type Verdict, verdictOf } from "./dial_back.ts";
import { MemoryNetwork } from "./memory.ts";

const self = identity(0).peer;
const listening = [`/ip4/192.168.1.7/tcp/4001/p2p/${self}`, `/ip4/192.168.1.7/tcp/4002/ws/p2p/${self}`];
const gotThrough: Evidence = { tried: [{ address: `/ip4/203.0.113.5/tcp/4001/p2p/${self}`, failure: null }] };
const noAnswer: Evidence = { tried: [{ address: `/ip4/203.0.113.5/tcp/4001/p2p/${self}`, failure: "no answer" }] };

Deno.test("the verdict follows from what others found, and says what to open", () => {
  assert.equal(verdictOf([], listening).verdict, "unknown");
  assert.equal(verdictOf([gotThrough, gotThrough], listening).verdict, "reachable");
  const closed = verdictOf([noAnswer, noAnswer], listening);
  assert.equal(closed.verdict, "not reachable");
  assert.equal(closed.reason, "2 peers tried and none got through (/ip4/203.0.113.5/tcp/4001: no answer).");
  assert.match(closed.remedy!, /^Let TCP port 4001 in: .* UDP is not needed\./);
  const partly = verdictOf([gotThrough, noAnswer], listening);
  assert.equal(partly.verdict, "partly");
  assert.match(partly.reason, /^1 of 2 peers got through to this one, the others did not/);
  assert.match(verdictOf([], []).remedy!, /--listen 0\.0\.0\.0/);
  const loopback = [`/ip4/127.0.0.1/tcp/4001/p2p/${self}`];
  assert.match(verdictOf([noAnswer], loopback).remedy!, /listens on 127\.0\.0\.1 alone/);
});

/** Two linked peers with the service: what the first learns, and what the second was told to dial. */
async function pair(probe: (address: string) => Promise<void>) {
  const network = new MemoryNetwork();
  const asker = network.join(identity(0).peer), asked = network.join(identity(1).peer);
  asker.addresses = () => listening;
  await connectBoth(asker, asked);
  const told: { verdict: Verdict; confirmed: readonly string[] }[] = [];
  const dialled: string[] = [];
  const one = new DialBack({
    transport: asker,
    hostOf: () => null,
    probe: () => Promise.resolve(),
    onChange: (verdict, confirmed) => told.push({ verdict, confirmed }),
  });
  const other = new DialBack({
    transport: asked,
    hostOf: (peer) => peer === asker.peer ? "/ip4/203.0.113.5" : null,
    probe: (address) => {
      dialled.push(address);
      return probe(address);
    },
    onChange: () => {},
  });
  return {
    asker,
    asked,
    one,
    told,
    dialled,
    [Symbol.dispose]: () => [one, other].forEach((each) => each[Symbol.dispose]()),
  };
}

Deno.test("a peer is dialled back where it is seen, on the ports that it names, and learns the address", async () => {
  const forwarded = `/ip4/203.0.113.5/tcp/4001/p2p/${self}`;
  using peers = await pair((address) =>
    address === forwarded ? Promise.resolve() : Promise.reject(new Error("closed"))
  );
  await peers.one.ask(peers.asked.peer);
  assert.deepEqual(peers.dialled, [forwarded, `/ip4/203.0.113.5/tcp/4002/ws/p2p/${self}`]);
  assert.equal(peers.told.at(-1)!.verdict.verdict, "reachable");
  assert.deepEqual(peers.told.at(-1)!.confirmed, [forwarded], "an address that is not among its own interfaces");
});

Deno.test("nobody is made to knock at many ports, at others' doors, or again and again", async () => {
  using peers = await pair(() => Promise.reject(new Error("closed")));
  const ask = (request: unknown) => peers.asker.request(peers.asked.peer, "dial-back/1", encode(request));
  const port = { port: 22, ws: false };
  for (
    const wrong of [[], [{ ...port, host: "/ip4/198.51.100.1" }], Array(5).fill(port), [{ port: 0, ws: false }], "22"]
  ) {
    await assert.rejects(ask(wrong), /refused/);
  }
  assert.deepEqual(peers.dialled, []);
  await ask([port]);
  await assert.rejects(ask([port]), /refused/);
  assert.deepEqual(peers.dialled, [`/ip4/203.0.113.5/tcp/22/p2p/${self}`]);
});

/** Would be shown as the reason why nobody gets through. */
const STEERING = encode([{ address: "/ip4/203.0.113.5/tcp/1", failure: "\u001b[2Jall is well" }]);

Deno.test("an answer that is no answer, and a peer that does not serve this, are evidence of nothing", async () => {
  using peers = await pair(() => Promise.resolve());
  for (const lie of [encode("yes"), new Uint8Array([255]), encode([{ address: 1, failure: null }]), STEERING]) {
    peers.asked.onRequest("dial-back/1", () => Promise.resolve(lie));
    await peers.one.ask(peers.asked.peer);
  }
  peers.asked.onRequest("dial-back/1", () => Promise.resolve(null));
  await peers.one.ask(peers.asked.peer);
  assert.equal(peers.told.length, 0);
  const elsewhere = encode([{ address: `/ip4/198.51.100.1/tcp/1/p2p/${identity(5).peer}`, failure: null }]);
  peers.asked.onRequest("dial-back/1", () => Promise.resolve(elsewhere));
  await peers.one.ask(peers.asked.peer);
  assert.deepEqual(peers.told.at(-1)!.confirmed, [], "an address of somebody else is not taken for one's own");
});
