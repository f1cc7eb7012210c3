import { strict as assert } from "node:assert";
import { isPeerAddress } from "./peer_address.ts";

const WREN = "12D3KooWDpJ7As7BWAwRMfu1VU2WCqNjvq387JEYKDBj4kx6nXTN";
const FINCH = "12D3KooWGbEW7yaQa2EeadzRjieYy9m6tH9teeFBv2zMsVcBtKNK";

for (
  const address of [
    `/ip4/192.168.1.7/tcp/4001/p2p/${WREN}`,
    `/ip6/::1/tcp/4001/p2p/${WREN}`,
    `/dns4/club.example/tcp/443/wss/p2p/${WREN}`,
    `/ip4/203.0.113.7/tcp/4001/p2p/${WREN}/p2p-circuit/p2p/${FINCH}`,
  ]
) {
  Deno.test(`isPeerAddress() takes ${address}`, () => assert.ok(isPeerAddress(address)));
}

for (
  const [why, text] of [
    ["a word", "nonsense"],
    ["a host with a port", "192.168.1.7:4001"],
    ["no peer id, which says who is to answer", "/ip4/192.168.1.7/tcp/4001"],
    ["a peer id that is too short", "/ip4/192.168.1.7/tcp/4001/p2p/12D3KooW"],
    ["a port beyond the last", `/ip4/192.168.1.7/tcp/70000/p2p/${WREN}`],
    ["a byte beyond 255", `/ip4/192.168.1.700/tcp/4001/p2p/${WREN}`],
    ["UDP, which is not spoken", `/ip4/192.168.1.7/udp/4001/quic-v1/p2p/${WREN}`],
    ["a relay's id alone, which leads nowhere", `/p2p/${WREN}/p2p-circuit/p2p/${FINCH}`],
  ] as const
) {
  Deno.test(`isPeerAddress() refuses ${why}`, () => assert.equal(isPeerAddress(text), false));
}
