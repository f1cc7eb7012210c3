import { strict as assert } from "node:assert";
import { identityFromSeed } from "../identity.ts";
import { MemoryNetwork } from "./memory.ts";
import { metered } from "./metered.ts";

Deno.test("a metered transport counts requests, answers and announcements, both ways", async () => {
  const network = new MemoryNetwork();
  const [one, other] = [1, 2].map((seed) => network.join(identityFromSeed(new Uint8Array(32).fill(seed)).peer));
  await using a = metered(one!);
  await using b = metered(other!);
  const heard = Promise.withResolvers<void>();
  b.onAnnouncement(() => heard.resolve());
  b.onRequest("echo/1", (_, request) => Promise.resolve(request.length === 1 ? null : new Uint8Array(50)));
  await a.connect(b.addresses()[0]!);
  a.announce(new Uint8Array(7));
  await heard.promise;
  await a.request(b.peer, "echo/1", new Uint8Array(20));
  await assert.rejects(a.request(b.peer, "echo/1", new Uint8Array(1)));
  assert.deepEqual(a.traffic(), { upBytes: 28, downBytes: 50 });
  assert.deepEqual(b.traffic(), { upBytes: 50, downBytes: 28 });
});
