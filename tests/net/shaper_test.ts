import { strict as assert } from "node:assert";
import { openLine } from "./shaper.ts";

Deno.test("a line passes bytes unchanged, no faster than its rate and no sooner than its delay", async () => {
  await using place = echoServer();
  await using line = openLine({ bitsPerSecond: 8e6, delayMs: 20 });
  using connection = await Deno.connect({ hostname: "127.0.0.1", port: line.forward(place.port) });
  const sent = new Uint8Array(200_000).map((_, i) => i * 7 % 251), got = new Uint8Array(sent.length);
  const startMs = performance.now();
  const writing = writeAll(connection, sent);
  for (let filled = 0; filled < got.length;) filled += (await connection.read(got.subarray(filled)))!;
  const tookMs = performance.now() - startMs;
  await writing;
  assert.deepEqual(got, sent);
  // 200 kB take 200 ms each way, of which all but the first piece overlap, and 20 ms of delay each way.
  assert.ok(tookMs >= 235, `${tookMs} ms`);
  assert.deepEqual(line.passed, { there: sent.length, back: sent.length });
});

Deno.test("a dead line passes nothing and loses nothing", async () => {
  await using place = echoServer();
  await using line = openLine({ bitsPerSecond: 1e9, delayMs: 0 });
  using connection = await Deno.connect({ hostname: "127.0.0.1", port: line.forward(place.port) });
  await writeAll(connection, Uint8Array.of(1));
  assert.equal(await connection.read(new Uint8Array(1)), 1);
  line.setDead(true);
  await writeAll(connection, Uint8Array.of(2));
  let answered = false;
  const answer = connection.read(new Uint8Array(1)).then(() => answered = true);
  using direct = await Deno.connect({ hostname: "127.0.0.1", port: place.port });
  await writeAll(direct, Uint8Array.of(3)); // the time of a round trip beside it
  await direct.read(new Uint8Array(1));
  assert.equal(answered, false);
  line.setDead(false);
  await answer;
});

Deno.test("a line that is reset ends its connections and takes new ones", async () => {
  await using place = echoServer();
  await using line = openLine({ bitsPerSecond: 1e9, delayMs: 1 });
  const port = line.forward(place.port);
  using first = await Deno.connect({ hostname: "127.0.0.1", port });
  await writeAll(first, Uint8Array.of(1));
  await first.read(new Uint8Array(1));
  line.reset();
  assert.equal(await first.read(new Uint8Array(1)).catch(() => null), null);
  using second = await Deno.connect({ hostname: "127.0.0.1", port });
  await writeAll(second, Uint8Array.of(1));
  assert.equal(await second.read(new Uint8Array(1)), 1);
});

function echoServer() {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const echo = async (): Promise<void> => {
    const all: Promise<void>[] = [];
    for await (const connection of listener) {
      all.push(connection.readable.pipeTo(connection.writable).catch(() => {}));
    }
    await Promise.all(all);
  };
  const over = echo();
  return {
    port: listener.addr.port,
    async [Symbol.asyncDispose]() {
      listener.close();
      await over;
    },
  };
}

async function writeAll(connection: Deno.TcpConn, bytes: Uint8Array): Promise<void> {
  for (let written = 0; written < bytes.length;) written += await connection.write(bytes.subarray(written));
}
