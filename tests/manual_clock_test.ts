import { strict as assert } from "node:assert";
import { MemoryNetwork } from "../p2p/net/memory.ts";
import { MemoryJournal } from "../p2p/store/journal.ts";
import { identity } from "./conformance/transport.ts";
import { ManualClock } from "./manual_clock.ts";
import { roundOf, startStubPeer } from "./stub_peer.ts";

/** A host in its first rounds, whose journal takes nothing more. */
async function failing() {
  const clock = new ManualClock(), journal = new MemoryJournal();
  const peer = await startStubPeer(0, new MemoryNetwork().join(identity(0).peer), { clock, journal });
  await clock.runUntil("round 1", () => roundOf(peer) >= 1);
  journal.append = () => Promise.reject(new Error("the disk is full"));
  return { clock, peer };
}

Deno.test("who waits for a host that fails gives up at once, with the host's own error", async () => {
  const { clock, peer } = await failing();
  await assert.rejects(clock.runUntil("round 9", () => roundOf(peer) >= 9), /^Error: Peer 0 failed: the disk is full$/);
  assert.ok(clock.now() < 60_000, `it waited until ${clock.now()} ms`);
});

Deno.test("who waits for a host to fail goes on when it has", async () => {
  const { clock, peer } = await failing();
  let hasEnded = false;
  peer.host.ended.then(() => hasEnded = true);
  await clock.runUntil("it has failed", () => hasEnded);
  const before = clock.now();
  await clock.runUntil("a second has passed", () => clock.now() >= before + 1000);
});
