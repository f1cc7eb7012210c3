import { strict as assert } from "node:assert";
import { identity, RUN } from "../../tests/conformance/transport.ts";
import { startLibp2p } from "./libp2p.ts";

/** Less than after which a socket that was closed in good order is given up. */
const LONGEST_MS = 20_000;
const UPGRADE = [
  ...["GET / HTTP/1.1", "Host: a", "Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13"],
  ...["Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==", "", ""],
].join("\r\n");

/** What a browser would send as one message, its mask zero. */
function message(sizeBytes: number): Uint8Array<ArrayBuffer> {
  const header = 14, bytes = new Uint8Array(header + sizeBytes), view = new DataView(bytes.buffer);
  view.setUint16(0, 0x82ff);
  view.setBigUint64(2, BigInt(sizeBytes));
  return bytes;
}

for (const [run, networkKey] of [["an open", null], ["a private", new Uint8Array(32).fill(7)]] as const) {
  Deno.test(`a stranger of ${run} run that sends 20 MiB before any handshake loses its WebSocket`, async () => {
    await using there = await startLibp2p({
      ...{ identity: identity(0), run: RUN, networkKey },
      listen: ["/ip4/127.0.0.1/tcp/0/ws"],
    });
    const port = Number(/\/tcp\/(\d+)\//.exec(there.addresses()[0]!)![1]);
    using stranger = await Deno.connect({ hostname: "127.0.0.1", port });
    const late = setTimeout(() => stranger.close(), LONGEST_MS), some = new Uint8Array(4096);
    try {
      await writeAll(stranger, new TextEncoder().encode(UPGRADE));
      const length = await stranger.read(some);
      assert.match(new TextDecoder().decode(some.subarray(0, length!)), /^HTTP\/1.1 101 /);
      const sending = writeAll(stranger, message(20 << 20)).catch(() => {}); // it may be cut short
      // The end, or that it was torn down; closed by `late`, this throws something else.
      const end = await readAll(stranger).catch((error: unknown) => error);
      assert.ok(end === null || end instanceof Deno.errors.ConnectionReset, String(end));
      await sending;
    } finally {
      clearTimeout(late);
    }
  });
}

async function writeAll(connection: Deno.Conn, bytes: Uint8Array): Promise<void> {
  for (let written = 0; written < bytes.length;) written += await connection.write(bytes.subarray(written));
}

async function readAll(connection: Deno.Conn): Promise<null> {
  const some = new Uint8Array(4096);
  while (await connection.read(some) !== null) { /* a greeting */ }
  return null;
}
