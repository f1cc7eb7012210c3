import { strict as assert } from "node:assert";
import type { PeerEvent } from "./event.ts";
import { type PeerReach, reachAfter } from "./reach.ts";
import { emptyStatus, statusAfter } from "./status.ts";

const after = (events: readonly PeerEvent[]) => events.reduce<readonly PeerReach[]>(reachAfter, []);
const connected = (peer: string, relay: string | null = null): PeerEvent => ({ kind: "connected", peer, relay });
const unreachable = (peer: string): PeerEvent => ({ kind: "unreachable", peer, address: "/x", reason: "no answer" });

Deno.test("each peer has one verdict, the last, and one that is not direct says what would help", () => {
  const reach = after([unreachable("c"), connected("b"), unreachable("a"), connected("a", "b")]);
  assert.deepEqual(reach.map(({ peer, verdict, relay }) => [peer, verdict, relay]), [
    ["a", "relayed", "b"],
    ["b", "direct", null],
    ["c", "unreachable", null],
  ]);
  assert.equal(reach[0]!.reason, "no answer", "why it is not direct is remembered");
  assert.equal(reach[1]!.remedy, null);
  for (const { remedy } of [reach[0]!, reach[2]!]) assert.match(remedy!, /TCP port/);
  assert.deepEqual(after([connected("a"), { kind: "disconnected", peer: "a" }]), []);
});

Deno.test("many names of nobody do not push out who is connected", () => {
  const noise = Array.from({ length: 300 }, (_, i) => unreachable(`n${i}`));
  const reach = after([...noise.slice(0, 150), connected("z"), ...noise.slice(150)]);
  assert.equal(reach.length, 128);
  assert.ok(reach.some(({ peer, verdict }) => peer === "z" && verdict === "direct"));
});

Deno.test("a status follows links, the own verdict with its ticket, and bytes passed on", () => {
  const verdict: PeerEvent = {
    kind: "reachability",
    verdict: "not reachable",
    reason: "1 peer tried and none got through.",
    remedy: "Let TCP port 4001 in.",
    relays: ["b"],
    addresses: ["/ip4/203.0.113.5/tcp/4001/p2p/a"],
    ticket: "star1new",
  };
  const status = [
    connected("b"),
    verdict,
    { kind: "relayed", bytes: 5 } as const,
    { kind: "relayed", bytes: 7 } as const,
  ]
    .reduce(statusAfter, emptyStatus);
  assert.equal(status.reachability.verdict, "not reachable");
  assert.deepEqual(status.reachability.relays, ["b"]);
  assert.equal(status.ticket, "star1new");
  assert.equal(status.relayedBytes, 12);
  assert.deepEqual(status.reach.map(({ peer }) => peer), ["b"]);
});
