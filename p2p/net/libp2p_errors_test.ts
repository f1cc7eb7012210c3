import { strict as assert } from "node:assert";
import { identity } from "../../tests/conformance/transport.ts";
import type { Digest } from "../sync/types.ts";
import { startLibp2p } from "./libp2p.ts";
import { type DialFailure, dialFailure } from "./libp2p_errors.ts";
import { TransportError } from "./transport_error.ts";

const run = "ab".repeat(32) as Digest;
const start = (n: number, networkKey: Uint8Array | null = null, listen = ["/ip4/127.0.0.1/tcp/0"]) =>
  startLibp2p({ identity: identity(n), run, listen, networkKey });
const nobody = identity(9).peer;

/** A listener that is no peer: it says something else, or nothing, until disposed. */
function stranger(says: string): Disposable & { readonly port: number } {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const open: Deno.Conn[] = [];
  (async () => {
    for await (const connection of listener) {
      if (says === "") open.push(connection);
      else await connection.write(new TextEncoder().encode(says)).catch(() => {}).then(() => connection.close());
    }
  })();
  return {
    port: listener.addr.port,
    [Symbol.dispose]() {
      listener.close();
      for (const connection of open) connection.close();
    },
  };
}

Deno.test("a dial that fails says why, by what really happens to it", async () => {
  await using wren = await start(0);
  await using finch = await start(1);
  await using keyed = await start(2, new Uint8Array(32).fill(7));
  using web = stranger("HTTP/1.1 400 Bad Request\r\n\r\n");
  await finch.connect(wren.addresses()[0]!);
  const rows: readonly (readonly [string, DialFailure])[] = [
    [`/ip4/127.0.0.1/tcp/9/p2p/${nobody}`, "refused"],
    [`/ip4/127.0.0.1/tcp/9/ws/p2p/${nobody}`, "refused"],
    [`/dns4/nowhere.invalid/tcp/4001/p2p/${nobody}`, "no such name"],
    [`/ip4/255.255.255.255/tcp/4001/p2p/${nobody}`, "no route"],
    [`/ip4/127.0.0.1/udp/4001/quic-v1/p2p/${nobody}`, "not spoken"],
    [wren.addresses()[0]!, "itself"],
    [finch.addresses()[0]!.replace(finch.peer, nobody), "another peer"],
    [`/ip4/127.0.0.1/tcp/${web.port}/p2p/${nobody}`, "hung up"],
    [`/p2p/${finch.peer}/p2p-circuit/p2p/${nobody}`, "not at the relay"],
    [`/p2p/${identity(8).peer}/p2p-circuit/p2p/${nobody}`, "no relay"],
  ];
  for (const [address, wanted] of rows) {
    const error = await wren.connect(address).then(() => null, (error: unknown) => error);
    assert.ok(error instanceof TransportError, address);
    assert.equal(dialFailure(address, error.cause, false), wanted, `${address}: ${error.message}`);
    assert.ok(error.message.startsWith(`Cannot connect to ${address}: `), error.message);
  }
  const withoutKey = keyed.connect(wren.addresses()[0]!);
  await assert.rejects(withoutKey, /belong to a run with another key/);
});

Deno.test("what never answers is told by the time it took", () => {
  const address = `/ip4/127.0.0.1/tcp/9/p2p/${nobody}`;
  assert.equal(dialFailure(address, new DOMException("", "TimeoutError"), false), "no answer");
  assert.equal(dialFailure(address, new Error("whatever"), true), "no answer");
  assert.equal(dialFailure(address, new Error("whatever"), false), "other");
  const wrapped = new Error("dial failed", { cause: Object.assign(new Error("inner"), { code: "ECONNREFUSED" }) });
  assert.equal(dialFailure(address, wrapped, false), "refused");
  assert.equal(dialFailure(address, new AggregateError([new Error("first"), wrapped]), false), "refused");
});

Deno.test("a node that cannot listen says what to do", async () => {
  await assert.rejects(start(0, null, ["/ip4/192.0.2.9/tcp/0"]), /does not have that address. Choose 0.0.0.0/);
  await assert.rejects(start(0, null, ["rubbish"]), /Addresses look like \/ip4\/0.0.0.0\/tcp\/4001/);
});

Deno.test("a WebSocket that was given up while it opened is no answer", () => {
  const givenUp = Object.assign(new Error("Could not connect to ws://127.0.0.1:9"), { name: "ConnectionFailedError" });
  assert.equal(dialFailure(`/ip4/127.0.0.1/tcp/9/ws/p2p/${nobody}`, givenUp, false), "no answer");
});
