import { strict as assert } from "node:assert";
import { encode } from "@ipld/dag-cbor";
import { MemoryNetwork } from "../p2p/net/memory.ts";
import { connectBoth, identity } from "../tests/conformance/transport.ts";
import { identityElsewhere } from "./doctor_network.ts";

const own = identity(5).peer;

/** What doctor finds among peers that answer so when they are asked whom they know. */
async function foundAmong(answers: readonly Uint8Array[]) {
  const network = new MemoryNetwork(), guest = network.join(identity(0).peer);
  for (const [n, answer] of answers.entries()) {
    const peer = network.join(identity(n + 1).peer);
    peer.onRequest("peers/1", () => Promise.resolve(answer));
    await connectBoth(guest, peer);
  }
  return await identityElsewhere(guest, own);
}

Deno.test("identityElsewhere() finds the peer that is connected to another copy of this identity", async () => {
  const list = encode([[`/ip4/192.168.1.7/tcp/4001/p2p/${identity(1).peer}`], [`/p2p/${own}`]]);
  const { result, found } = await foundAmong([encode([]), list]);
  assert.equal(result, "problem");
  assert.match(found, new RegExp(`^${identity(2).peer} is connected to ${own}`));
});

Deno.test("identityElsewhere() takes no harm from an answer that is no list", async () => {
  for (const answer of [new Uint8Array(), new Uint8Array(100).fill(0x9f), encode({ peers: own }), encode([[own, 7]])]) {
    assert.equal((await foundAmong([answer])).result, "ok");
  }
});
