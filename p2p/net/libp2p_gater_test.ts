import { strict as assert } from "node:assert";
import type { Connection, MultiaddrConnection, PeerId as Libp2pPeerId } from "@libp2p/interface";
import { peerIdFromString } from "@libp2p/peer-id";
import { multiaddr } from "@multiformats/multiaddr";
import { identity } from "../../tests/conformance/transport.ts";
import { Gate } from "./libp2p_gater.ts";

function peer(n: number): Libp2pPeerId {
  return peerIdFromString(identity(n).peer);
}

/** What a gate sees of a connection. */
function from(address: string, n: number): Connection & MultiaddrConnection {
  return { remoteAddr: multiaddr(address), remotePeer: peer(n) } as unknown as Connection & MultiaddrConnection;
}

const HOST = "/ip4/203.0.113.5/tcp/4001", NEIGHBOUR = "/ip4/203.0.113.6/tcp/4001";

Deno.test("a gate denies dials and connections of whom it does not admit, both ways", () => {
  const gate = new Gate(), { gater } = gate;
  assert.equal(gater.denyDialPeer!(peer(1)), false);
  gate.admit([identity(1).peer]);
  const connection = from(HOST, 2);
  assert.deepEqual([1, 2].map((n) => gater.denyDialPeer!(peer(n))), [false, true]);
  assert.deepEqual([1, 2].map((n) => gater.denyInboundEncryptedConnection!(peer(n), connection)), [false, true]);
  assert.deepEqual([1, 2].map((n) => gater.denyOutboundEncryptedConnection!(peer(n), connection)), [false, true]);
});

Deno.test("a gate lets 32 identities of one host in, and those of other hosts and of this machine as well", () => {
  const gate = new Gate(), { gater } = gate, open: Connection[] = [];
  gate.watch(() => open);
  for (let n = 0; n < 32; n++) {
    assert.equal(gater.denyInboundEncryptedConnection!(peer(n), from(HOST, n)), false);
    open.push(from(HOST, n));
  }
  const denied = (n: number, address: string) => gater.denyInboundEncryptedConnection!(peer(n), from(address, n));
  assert.equal(denied(40, HOST), true);
  assert.equal(denied(3, HOST), false, "it is connected already");
  assert.equal(denied(40, NEIGHBOUR), false);
  for (let n = 0; n < 40; n++) open.push(from("/ip4/127.0.0.1/tcp/9", n));
  assert.equal(denied(50, "/ip4/127.0.0.1/tcp/9"), false);
});

Deno.test("a gate denies the 65th connection of one host before any handshake", () => {
  const gate = new Gate(), { gater } = gate, open: Connection[] = [];
  gate.watch(() => open);
  for (let i = 0; i < 64; i++) open.push(from(HOST, 1));
  assert.equal(gater.denyInboundConnection!(from(HOST, 1)), true);
  assert.equal(gater.denyInboundConnection!(from(NEIGHBOUR, 1)), false);
});
