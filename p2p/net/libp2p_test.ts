import { multiaddr } from "@multiformats/multiaddr";
import { strict as assert } from "node:assert";
import { connectBoth, eventOf, identity, RUN, testTransport } from "../../tests/conformance/transport.ts";
import { startLibp2p } from "./libp2p.ts";
import { Gate } from "./libp2p_gater.ts";
import { type Libp2pOptions, startNode } from "./libp2p_node.ts";
import { type Reachability, relayedAddress, type Transport, type TransportEvent } from "./transport.ts";
import { TransportError } from "./transport_error.ts";

const run = RUN;
const networkKey = new Uint8Array(32).fill(7);

function start(n: number, options: Partial<Libp2pOptions> = {}) {
  return startLibp2p({ identity: identity(n), run, listen: ["/ip4/127.0.0.1/tcp/0"], networkKey: null, ...options });
}

for (
  const [name, options] of [
    ["Libp2pTransport over TCP", {}],
    ["Libp2pTransport over WebSocket with a key", { listen: ["/ip4/127.0.0.1/tcp/0/ws"], networkKey }],
  ] as const
) {
  testTransport(name, () =>
    Promise.resolve({
      join: (n) => start(n, options),
      nowhere: (peer) => `/ip4/127.0.0.1/tcp/9${"listen" in options ? "/ws" : ""}/p2p/${peer}`,
      [Symbol.asyncDispose]: () => Promise.resolve(),
    }));
}

Deno.test("Libp2pTransport lets members of a private run meet, and nobody else", async () => {
  await using member = await start(0, { networkKey });
  await using other = await start(1, { networkKey });
  await connectBoth(other, member);
  for (const wrong of [new Uint8Array(32).fill(8), null]) {
    await using stranger = await start(2, { networkKey: wrong });
    await assert.rejects(
      stranger.connect(member.addresses()[0]!),
      /no proper answer. It may be .* or belong to a run with another key/,
    );
    assert.deepEqual(stranger.peers(), []);
    assert.deepEqual(member.peers(), [other.peer]);
  }
});

Deno.test("Libp2pTransport names the addresses that it was told to announce, and no other", async () => {
  await using there = await start(0, { announce: ["/ip4/203.0.113.7/tcp/4001"] });
  assert.deepEqual(there.addresses(), [`/ip4/203.0.113.7/tcp/4001/p2p/${there.peer}`]);
});

Deno.test("Libp2pTransport lets in who has the key and is on the list, tells others what to ask for, and lets go who is removed", async () => {
  await using member = await start(0, { networkKey });
  await using allowed = await start(1, { networkKey });
  await using unlisted = await start(2, { networkKey });
  await using stranger = await start(1, { networkKey: null });
  member.admit([allowed.peer]);
  const address = member.addresses()[0]!;
  await connectBoth(allowed, member);
  const ask = new RegExp(`it hung up when it knew who dials.*ask the run's owner .* --allow ${unlisted.peer}`);
  await assert.rejects(unlisted.connect(address), ask);
  await assert.rejects(stranger.connect(address), /no proper answer/, "who is listed and has no key");
  assert.deepEqual([member.peers(), unlisted.peers(), stranger.peers()], [[allowed.peer], [], []]);

  const gone = eventOf(allowed, "disconnected");
  member.admit([unlisted.peer]);
  await gone;
  await assert.rejects(allowed.connect(address), /it hung up when it knew who dials/);
  await connectBoth(unlisted, member);
  assert.deepEqual(member.peers(), [unlisted.peer]);
});

Deno.test("Libp2pTransport serves others while a peer holds a request open without sending it", async () => {
  await using server = await start(0);
  const { node: slow } = await startNode({ identity: identity(1), run, listen: [], networkKey: null }, new Gate());
  await using other = await start(2);
  server.onRequest("echo/1", (_, request) => Promise.resolve(new Uint8Array(request)));
  const connection = await slow.dial(multiaddr(server.addresses()[0]!));
  for (let i = 0; i < 32; i++) {
    const stream = await connection.newStream("/starling/echo/1", { maxOutboundStreams: 64 });
    stream.send(new Uint8Array([0, 15, 0, 0, 1])); // it announces nearly a mebibyte and sends one byte
  }
  await connectBoth(other, server);
  assert.deepEqual(await other.request(server.peer, "echo/1", Uint8Array.of(7)), Uint8Array.of(7));
  await slow.stop();
});

Deno.test("Libp2pTransport says that a port is in use and what to do", async () => {
  await using first = await start(0);
  const port = first.addresses()[0]!.split("/")[4]!;
  const listen = [`/ip4/127.0.0.1/tcp/${port}`];
  await assert.rejects(start(1, { listen }), (error) => {
    assert.ok(error instanceof TransportError);
    assert.equal(error.kind, "no port");
    assert.equal(
      error.message,
      `Cannot listen on ${listen[0]}: the port is in use by another program. ` +
        "Choose another one, or none to have any free one.",
    );
    return true;
  });
});

Deno.test("Libp2pTransport notices when another peer than the wanted one answers", async () => {
  await using there = await start(0);
  await using here = await start(1);
  const address = there.addresses()[0]!.replace(there.peer, identity(5).peer);
  await assert.rejects(here.connect(address), /another peer answers there. Ask for a new ticket/);
});

Deno.test("a process that used libp2p ends by itself", async () => {
  const code = `import { startLibp2p } from ${JSON.stringify(import.meta.resolve("./libp2p.ts"))};
    import { identityFromSeed } from ${JSON.stringify(import.meta.resolve("../identity.ts"))};
    const transport = await startLibp2p({ identity: identityFromSeed(new Uint8Array(32)), run: "${run}",
      listen: ["/ip4/127.0.0.1/tcp/0"], networkKey: null });
    await transport[Symbol.asyncDispose]();
    console.log("closed");`;
  const folder = await Deno.makeTempDir();
  try {
    await Deno.writeTextFile(`${folder}/ends.ts`, code);
    const { code: exitCode, stdout } = await new Deno.Command(Deno.execPath(), {
      args: [
        "run",
        "-A",
        "--no-check",
        "--config",
        new URL("../../deno.json", import.meta.url).pathname,
        `${folder}/ends.ts`,
      ],
      stdout: "piped",
      signal: AbortSignal.timeout(60_000),
    }).output();
    assert.equal(new TextDecoder().decode(stdout), "closed\n");
    assert.equal(exitCode, 0);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

/** Two peers that nobody can dial, and one that both can; resolves when the first knows that it needs a relay. */
async function aroundOne(stack: AsyncDisposableStack, options: Partial<Libp2pOptions> = {}) {
  const wren = stack.use(await start(0, options));
  const finch = stack.use(await start(1, { ...options, listen: [] }));
  const robin = stack.use(await start(2, { ...options, listen: [] }));
  const verdict = Promise.withResolvers<Reachability>();
  finch.onEvent((event) => event.kind === "reachability" && verdict.resolve(event.reachability));
  await connectBoth(finch, wren);
  await connectBoth(robin, wren);
  return { wren, finch, robin, verdict: await verdict.promise };
}

/** Resolves when something is so, looked at now and after every event of a kind. */
async function until(transport: Transport, kind: TransportEvent["kind"], isSo: () => boolean): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  transport.onEvent((event) => event.kind === kind && isSo() && resolve());
  if (isSo()) resolve();
  await promise;
}

/** Tries until the other side has made its reservation, which it does not tell of. */
async function connectThrough(relay: Transport, from: Transport, to: Transport): Promise<void> {
  for (;;) {
    const failure = await from.connect(relayedAddress(relay.peer, to.peer)).then(() => null, String);
    if (failure === null) return;
    assert.match(failure, /has no place for it/);
  }
}

for (const key of [null, networkKey]) {
  const kind = key === null ? "an open" : "a private";
  Deno.test(`Libp2pTransport links two peers of ${kind} run through a third that both can dial`, async () => {
    await using stack = new AsyncDisposableStack();
    const { wren, finch, robin, verdict } = await aroundOne(stack, { networkKey: key });
    assert.equal(verdict.verdict, "not reachable");
    const heard = Promise.withResolvers<string>();
    const met = eventOf(finch, "connected", robin.peer);
    await connectThrough(wren, robin, finch);
    assert.deepEqual((await met as { link: unknown }).link, { kind: "relayed", relay: wren.peer });
    assert.deepEqual(robin.link(finch.peer), { kind: "relayed", relay: wren.peer });
    finch.onRequest(
      "echo/1",
      (from, request) => Promise.resolve(new Uint8Array([...request, from === robin.peer ? 1 : 0])),
    );
    assert.deepEqual(await robin.request(finch.peer, "echo/1", new Uint8Array([7])), new Uint8Array([7, 1]));
    finch.onAnnouncement((bytes, from) => heard.resolve(`${from} ${[...bytes]}`));
    robin.announce(new Uint8Array([1, 2]));
    assert.equal(await heard.promise, `${robin.peer} 1,2`);
    const lost = eventOf(robin, "disconnected", finch.peer);
    await wren[Symbol.asyncDispose]();
    await lost;
  });
}

Deno.test("Libp2pTransport names its way through a third peer, by which a newcomer that knows no other reaches both", async () => {
  await using stack = new AsyncDisposableStack();
  const { wren, finch } = await aroundOne(stack, { networkKey });
  const eagle = stack.use(await start(3, { networkKey, listen: [] }));
  await until(finch, "reachability", () => finch.relayedAddresses().length > 0);
  const [address, ...more] = finch.relayedAddresses();
  assert.deepEqual(more, []);
  assert.equal(address, `${wren.addresses()[0]}/p2p-circuit/p2p/${finch.peer}`);
  assert.deepEqual(finch.addresses(), [], "it is no place of its own");
  const met = eventOf(eagle, "connected", wren.peer);
  assert.equal(await eagle.connect(address!), finch.peer);
  await met;
  assert.deepEqual(eagle.link(finch.peer), { kind: "relayed", relay: wren.peer });
});

Deno.test("Libp2pTransport tells how many bytes went through it between two others, both ways, and no others", async () => {
  await using stack = new AsyncDisposableStack();
  const { wren, finch, robin } = await aroundOne(stack);
  let relayedBytes = 0;
  wren.onEvent((event) => event.kind === "relayed" && (relayedBytes += event.sizeBytes));
  finch.onRequest("echo/1", (_, request) => Promise.resolve(request));
  wren.onRequest("echo/1", (_, request) => Promise.resolve(request));
  await robin.request(wren.peer, "echo/1", new Uint8Array(500_000));
  await until(finch, "reachability", () => finch.relayedAddresses().length > 0);
  assert.equal(relayedBytes, 0, "what it answers itself, and asking for a place, is not passed on");
  await connectThrough(wren, robin, finch);
  await robin.request(finch.peer, "echo/1", new Uint8Array(500_000));
  // Beside the request and its answer: two handshakes and gossip's greetings.
  assert.ok(relayedBytes >= 1_000_000 && relayedBytes < 1_050_000, `${relayedBytes} bytes`);
});

Deno.test("Libp2pTransport relays nothing when it is told not to", async () => {
  await using stack = new AsyncDisposableStack();
  const { wren, finch, robin } = await aroundOne(stack, { relay: false });
  await assert.rejects(robin.connect(relayedAddress(wren.peer, finch.peer)), /does not relay/);
});

Deno.test("Libp2pTransport learns that others can dial it, and where", async () => {
  await using wren = await start(0);
  await using finch = await start(1);
  const verdicts = [wren, finch].map((transport) =>
    new Promise<Reachability>((resolve) =>
      transport.onEvent((event) => event.kind === "reachability" && resolve(event.reachability))
    )
  );
  await connectBoth(finch, wren);
  for (const { verdict, reason } of await Promise.all(verdicts)) {
    assert.equal(verdict, "reachable");
    assert.equal(reason, "1 peer got through to this one.");
  }
});

/** Asks one thing after the other for as long as the two are linked; what fails meanwhile is nobody's crash. */
async function askAlways(from: Transport, to: Transport): Promise<void> {
  to.onRequest("busy/1", (_, request) => Promise.resolve(request));
  const asked: Promise<unknown>[] = [];
  while (from.link(to.peer) !== null) {
    asked.push(from.request(to.peer, "busy/1", new Uint8Array(20_000)).catch(() => {}));
    await new Promise((resolve) => setTimeout(resolve, 0)); // sockets have their turn
  }
  await Promise.all(asked);
}

Deno.test("Libp2pTransport gives up a relayed link when a direct way opens, and both connect anew over it", async () => {
  await using wren = await start(0);
  await using finch = await start(1);
  await using robin = await start(2, { listen: [] });
  await connectBoth(finch, wren);
  await connectBoth(robin, wren);
  // Finch seeks a place at the relay only where nobody can dial it; robin has one, for it listens nowhere.
  await connectThrough(wren, finch, robin);
  assert.equal(robin.link(finch.peer)?.kind, "relayed");
  const apart = [eventOf(robin, "disconnected", finch.peer), eventOf(finch, "disconnected", robin.peer)];
  const asking = [askAlways(robin, finch), askAlways(finch, robin)];
  await robin.connect(finch.addresses()[0]!).catch(() => {});
  await Promise.all([...apart, ...asking]);
  await robin.connect(finch.addresses()[0]!);
  assert.deepEqual(robin.link(finch.peer), { kind: "direct" });
  const heard = Promise.withResolvers<number>();
  finch.onAnnouncement((bytes, from) => from === robin.peer && heard.resolve(bytes[0]!));
  robin.announce(new Uint8Array([5]));
  assert.equal(await heard.promise, 5);
  finch.onRequest("echo/1", (_, request) => Promise.resolve(request));
  assert.deepEqual(await robin.request(finch.peer, "echo/1", new Uint8Array([7])), new Uint8Array([7]));
});
