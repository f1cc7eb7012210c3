import { type ConnectionProtector, type MessageStream, StreamMessageEvent } from "@libp2p/interface";
import { strict as assert } from "node:assert";
import xsalsa20 from "xsalsa20";
import { withCipherRoom } from "./cipher_room.ts";

Deno.test("ciphers that take turns at large messages do not drive each other's memory to its limit", () => {
  withCipherRoom(() => ({ protect: () => Promise.reject(new Error("not asked")) }));
  const message = new Uint8Array(1 << 20).map((_, i) => i),
    nonce = new Uint8Array(24),
    key = new Uint8Array(32).fill(7);
  const ciphers = [xsalsa20(nonce, key), xsalsa20(nonce, key)], back = [xsalsa20(nonce, key), xsalsa20(nonce, key)];
  for (let i = 0; i < 100; i++) { // without room, it is over after some sixty MiB
    for (const k of [0, 1]) assert.deepEqual(back[k].update(ciphers[k].update(message)), message);
  }
});

Deno.test("a protected connection hands on what arrives in pieces of at most 1 MiB, all of it and in order", async () => {
  const arrived: Uint8Array[] = [];
  const protector: ConnectionProtector = {
    protect(connection) {
      connection.addEventListener("message", ({ data }) => arrived.push(data.subarray()));
      return Promise.resolve(connection);
    },
  };
  const connection = new EventTarget() as MessageStream;
  await withCipherRoom(() => protector)({}).protect(connection);
  const large = new Uint8Array((5 << 20) + 3).map((_, i) => i % 251), small = Uint8Array.of(1, 2, 3);
  for (const data of [small, large, small]) connection.dispatchEvent(new StreamMessageEvent(data));
  assert.deepEqual(arrived.map(({ length }) => length), [3, ...Array(5).fill(1 << 20), 3, 3]);
  assert.deepEqual(
    new Uint8Array(await new Blob(arrived as Uint8Array<ArrayBuffer>[]).arrayBuffer()).subarray(3, -3),
    large,
  );
});
