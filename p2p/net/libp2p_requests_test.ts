import type { Connection, Stream } from "@libp2p/interface";
import { multiaddr } from "@multiformats/multiaddr";
import { strict as assert } from "node:assert";
import { connectBoth, identity, RUN } from "../../tests/conformance/transport.ts";
import { ManualClock } from "../../tests/manual_clock.ts";
import { readFrame, sendFrame } from "./frame.ts";
import { startLibp2p } from "./libp2p.ts";
import { Gate } from "./libp2p_gater.ts";
import { type StarlingNode, startNode } from "./libp2p_node.ts";
import { LARGEST_MESSAGE_BYTES, type Transport } from "./transport.ts";
import { failureOf } from "./transport_error.ts";

/** Nothing may move for so long, and a request last for so long. */
const SILENCE_MS = 20_000, WHOLE_MS = 120_000;
/** A pause of whoever takes an answer slowly. */
const SLOW_MS = 15_000;
/** Requests of one protocol that one peer may have open. */
const SLOTS = 64;
/** A request under way has two alarms: for its silence and for all of it. */
const ALARMS = 2;

/** A peer whose requests go by a clock that is turned by hand, and a node connected to it that does what it likes. */
async function scene(stack: AsyncDisposableStack) {
  const clock = new ManualClock(), listen = ["/ip4/127.0.0.1/tcp/0"];
  const peer = stack.use(await startLibp2p({ identity: identity(0), run: RUN, listen, networkKey: null, clock }));
  peer.onRequest("echo/1", (_, request) => Promise.resolve(request));
  peer.onRequest("large/1", () => Promise.resolve(new Uint8Array(LARGEST_MESSAGE_BYTES)));
  const { node } = await startNode({ identity: identity(1), run: RUN, listen: [], networkKey: null }, new Gate());
  stack.defer(() => node.stop());
  const connection = await node.dial(multiaddr(peer.addresses()[0]!));
  await until("they know each other", () => peer.peers().includes(identity(1).peer));
  await until("nothing is asked any more", () => clock.alarmCount === 0);
  return { clock, peer, node, connection };
}

/** Lets the event loop turn, while no time passes, until something has come true. */
async function until(what: string, isTrue: () => boolean): Promise<void> {
  for (let turns = 0; !isTrue(); turns++) {
    if (turns > 5_000) throw new Error(`Waited in vain for ${turns} turns of the event loop until ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 0));
  }
}

function open(connection: Connection, name = "echo/1"): Promise<Stream> {
  return connection.newStream(`/starling/${name}`, { maxOutboundStreams: 2 * SLOTS });
}

/** Asks and is answered: whatever was sent before on the same connection has come through as well. */
async function exchange(connection: Connection, clock: ManualClock): Promise<void> {
  const before = clock.alarmCount, stream = await open(connection);
  sendFrame(stream, Uint8Array.of(7));
  const answer = await readFrame(stream, { mostBytes: 2, signal: new AbortController().signal });
  assert.deepEqual(answer, Uint8Array.of(1, 7));
  await stream.close();
  await until("the answered request is over", () => clock.alarmCount <= before);
}

const isOver = ({ status }: Stream): boolean => status === "reset";

for (
  const [what, bytes] of [
    ["nothing", []],
    ["half a length", [0, 0]],
    ["half a frame", [0, 0, 0, 4, 1, 2]],
  ] as const
) {
  Deno.test(`a request of which ${what} comes is reset after 20 s, and leaves nothing behind`, async () => {
    await using stack = new AsyncDisposableStack();
    const { clock, connection } = await scene(stack);
    const stream = await open(connection);
    if (bytes.length > 0) stream.send(Uint8Array.from(bytes));
    await until("it is served", () => clock.alarmCount === ALARMS);
    await exchange(connection, clock);
    clock.advance(SILENCE_MS - 1);
    await exchange(connection, clock);
    assert.equal(stream.status, "open");
    clock.advance(1);
    await until("it is reset", () => isOver(stream));
    assert.equal(clock.alarmCount, 0);
    await exchange(connection, clock);
  });
}

Deno.test("a request of which a byte comes now and then is reset after two minutes", async () => {
  await using stack = new AsyncDisposableStack();
  const { clock, connection } = await scene(stack);
  const stream = await open(connection);
  stream.send(Uint8Array.of(0, 0, 0, 200));
  await until("it is served", () => clock.alarmCount === ALARMS);
  for (let passedMs = 0; passedMs < WHOLE_MS; passedMs += SILENCE_MS / 2) {
    stream.send(Uint8Array.of(1));
    await exchange(connection, clock);
    assert.equal(stream.status, "open", `after ${passedMs} ms`);
    clock.advance(SILENCE_MS / 2);
  }
  await until("it is reset", () => isOver(stream));
  assert.equal(clock.alarmCount, 0);
});

Deno.test("a peer that holds all its slots holds nobody else's, and has them again when its silence was long enough", async () => {
  await using stack = new AsyncDisposableStack();
  const { clock, peer, connection } = await scene(stack);
  const streams = await Promise.all(Array.from({ length: SLOTS }, () => open(connection)));
  await until("all are served", () => clock.alarmCount === SLOTS * ALARMS);
  const one = await open(connection);
  await until("one more is reset at once", () => isOver(one));

  const other = stack.use(await startLibp2p({ identity: identity(2), run: RUN, listen: [], networkKey: null }));
  await connectBoth(other, peer);
  assert.deepEqual(await other.request(peer.peer, "echo/1", Uint8Array.of(7)), Uint8Array.of(7));

  clock.advance(SILENCE_MS);
  await until("all are reset", () => streams.every(isOver));
  await until("nothing is left of them", () => clock.alarmCount === 0);
  await exchange(connection, clock);
});

Deno.test("an answer that is not taken is thrown away after 20 s, and one that is taken slowly arrives", async () => {
  await using stack = new AsyncDisposableStack();
  const { clock, connection } = await scene(stack);
  const [deaf, slow] = [await open(connection, "large/1"), await open(connection, "large/1")];
  let takenBytes = 0;
  slow.addEventListener("message", ({ data }) => takenBytes += data.byteLength);
  for (const stream of [deaf, slow]) {
    stream.pause(); // no more is sent than fits its window
    sendFrame(stream, new Uint8Array());
  }
  await until("both are served", () => clock.alarmCount === 2 * ALARMS);
  await exchange(connection, clock);
  const wholeBytes = 4 + 1 + LARGEST_MESSAGE_BYTES;
  for (let passedMs = SLOW_MS;; passedMs += SLOW_MS) {
    assert.ok(passedMs < WHOLE_MS, `${takenBytes} bytes came in ${passedMs} ms`);
    clock.advance(SLOW_MS);
    await exchange(connection, clock);
    assert.equal(isOver(deaf), passedMs >= SILENCE_MS, `after ${passedMs} ms`);
    slow.resume();
    if (takenBytes === wholeBytes) break;
    slow.pause();
    await exchange(connection, clock);
  }
  assert.ok(isOver(deaf));
  assert.equal(slow.status, "open");
  await slow.close();
  await until("both are over", () => clock.alarmCount === 0);
});

Deno.test("an asker that has its answer and keeps its end of the stream open loses it after 20 s", async () => {
  await using stack = new AsyncDisposableStack();
  const { clock, connection } = await scene(stack);
  const stream = await open(connection);
  sendFrame(stream, Uint8Array.of(7));
  await readFrame(stream, { mostBytes: 2, signal: new AbortController().signal });
  await until("it is kept", () => clock.alarmCount === ALARMS);
  clock.advance(SILENCE_MS);
  await until("it is reset", () => isOver(stream));
  assert.equal(clock.alarmCount, 0);
});

/** What a node makes of a request, and its streams. */
async function serve(node: StarlingNode, act: (stream: Stream) => void): Promise<Stream[]> {
  const streams: Stream[] = [];
  await node.handle("/starling/slow/1", (stream) => {
    streams.push(stream);
    act(stream);
  });
  return streams;
}

function ask(peer: Transport): Promise<unknown> {
  return peer.request(identity(1).peer, "slow/1", Uint8Array.of(7)).then(() => "answered", failureOf);
}

for (const [what, bytes] of [["nothing", []], ["half a frame", [0, 0, 0, 4, 1]]] as const) {
  Deno.test(`a request to which ${what} comes back is given up after 20 s as late`, async () => {
    await using stack = new AsyncDisposableStack();
    const { clock, peer, node, connection } = await scene(stack);
    const streams = await serve(node, (stream) => void (bytes.length > 0 && stream.send(Uint8Array.from(bytes))));
    let failure: unknown = null;
    void ask(peer).then((found) => failure = found);
    await until("it is asked", () => streams.length === 1);
    await exchange(connection, clock);
    clock.advance(SILENCE_MS - 1);
    await exchange(connection, clock);
    assert.equal(failure, null);
    clock.advance(1);
    await until("it is given up", () => failure !== null);
    assert.equal(failure, "late");
    assert.equal(clock.alarmCount, 0);
    await until("the other side is rid of it, too", () => isOver(streams[0]!));
  });
}

Deno.test("a request to which a byte comes back now and then is given up after two minutes as late", async () => {
  await using stack = new AsyncDisposableStack();
  const { clock, peer, node, connection } = await scene(stack);
  const streams = await serve(node, (stream) => void stream.send(Uint8Array.of(0, 0, 0, 200)));
  let failure: unknown = null;
  void ask(peer).then((found) => failure = found);
  await until("it is asked", () => streams.length === 1);
  for (let passedMs = 0; passedMs < WHOLE_MS; passedMs += SILENCE_MS / 2) {
    streams[0]!.send(Uint8Array.of(1));
    await exchange(connection, clock);
    assert.equal(failure, null, `after ${passedMs} ms`);
    clock.advance(SILENCE_MS / 2);
  }
  await until("it is given up", () => failure !== null);
  assert.equal(failure, "late");
  assert.equal(clock.alarmCount, 0);
});

Deno.test("a server that answers and keeps its end of the stream open loses it after 20 s; the answer counts", async () => {
  await using stack = new AsyncDisposableStack();
  const { clock, peer, node } = await scene(stack);
  const streams = await serve(node, (stream) => sendFrame(stream, Uint8Array.of(1)));
  assert.equal(await ask(peer), "answered");
  assert.equal(clock.alarmCount, 1, "the stream's end");
  clock.advance(SILENCE_MS);
  await until("it is reset", () => isOver(streams[0]!));
  assert.equal(clock.alarmCount, 0);
});

function askOneOfMany(peer: Transport, request: number): Promise<Uint8Array> {
  return peer.request(identity(1).peer, "slow/1", Uint8Array.of(request), { isOneOfMany: true });
}

/** Answers all requests of a stream with what they ask. */
async function echo(stream: Stream): Promise<void> {
  const signal = new AbortController().signal;
  for (;;) {
    const request = await readFrame(stream, { mostBytes: 9, signal }).catch(() => null);
    if (request === null) return void await stream.close();
    sendFrame(stream, Uint8Array.of(1), request);
  }
}

Deno.test("one of many requests goes on the stream of the one before, which ends after 5 s without another", async () => {
  await using stack = new AsyncDisposableStack();
  const { clock, peer, node, connection } = await scene(stack);
  const streams = await serve(node, echo);
  for (const i of [1, 2, 3]) {
    assert.deepEqual(await askOneOfMany(peer, i), Uint8Array.of(i));
    clock.advance(4_999);
    await exchange(connection, clock);
    assert.deepEqual([streams.length, streams[0]!.status], [1, "open"]);
  }
  clock.advance(1);
  await until("it is over", () => clock.alarmCount === 0);
  assert.equal(streams[0]!.status, "closed");
  assert.deepEqual(await askOneOfMany(peer, 4), Uint8Array.of(4));
  assert.equal(streams.length, 2);
});

Deno.test("requests that are under way together have a stream each, and those after them no more", async () => {
  await using stack = new AsyncDisposableStack();
  const { peer, node } = await scene(stack);
  const streams = await serve(node, echo);
  for (let i = 0; i < 3; i++) {
    const answers = await Promise.all([10, 11, 12].map((request) => askOneOfMany(peer, request)));
    assert.deepEqual(answers, [10, 11, 12].map((request) => Uint8Array.of(request)));
  }
  assert.equal(streams.length, 3);
});

for (
  const [what, act] of [
    ["ends it", (stream: Stream) => void stream.close()],
    ["resets it", (stream: Stream) => stream.abort(new Error("no more"))],
    ["sends what nobody asked for", (stream: Stream) => void stream.send(Uint8Array.of(1))],
  ] as const
) {
  Deno.test(`a stream that waits for a request is not used again when its server ${what}`, async () => {
    await using stack = new AsyncDisposableStack();
    const { clock, peer, node, connection } = await scene(stack);
    const streams = await serve(node, echo);
    await askOneOfMany(peer, 1);
    act(streams[0]!);
    await exchange(connection, clock);
    assert.deepEqual(await askOneOfMany(peer, 2), Uint8Array.of(2));
    assert.equal(streams.length, 2);
  });
}

Deno.test("a peer answers many requests on one stream, each with its own two minutes", async () => {
  await using stack = new AsyncDisposableStack();
  const { clock, connection } = await scene(stack);
  const stream = await open(connection), signal = new AbortController().signal;
  for (let passedMs = 0; passedMs < 2 * WHOLE_MS; passedMs += SLOW_MS) {
    sendFrame(stream, Uint8Array.of(passedMs / SLOW_MS));
    assert.deepEqual(await readFrame(stream, { mostBytes: 2, signal }), Uint8Array.of(1, passedMs / SLOW_MS));
    clock.advance(SLOW_MS);
  }
  clock.advance(SILENCE_MS - SLOW_MS);
  await until("it is reset", () => isOver(stream));
  assert.equal(clock.alarmCount, 0);
});

Deno.test("an address where somebody takes the connection and says nothing is given up after 15 s", async () => {
  const clock = new ManualClock();
  using mute = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  await using here = await startLibp2p({ identity: identity(0), run: RUN, listen: [], networkKey: null, clock });
  const address = `/ip4/127.0.0.1/tcp/${mute.addr.port}/p2p/${identity(1).peer}`;
  let failure: unknown = null;
  void here.connect(address).catch((error: unknown) => failure = error);
  using taken = await mute.accept();
  const greeting = new Uint8Array(4096);
  assert.ok(await taken.read(greeting) !== null);
  clock.advance(14_999);
  await new Promise((resolve) => setTimeout(resolve, 0));
  assert.equal(failure, null);
  clock.advance(1);
  await until("it is given up", () => failure !== null);
  assert.equal(failureOf(failure), "unreachable");
  assert.match(String(failure), /no proper answer. It may be behind a firewall/);
  while (await taken.read(greeting).catch(() => null) !== null); // until it is hung up
  assert.equal(clock.alarmCount, 0);
  assert.deepEqual(here.peers(), []);
});
