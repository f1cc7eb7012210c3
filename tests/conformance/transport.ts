/**
 * What every transport must do. Providers call `testTransport` from their own tests.
 *
 * Deno's sanitizers watch every test: a timer, socket or task that a closed transport leaves behind fails it.
 * @module
 */
import { strict as assert } from "node:assert";
import { identityFromSeed } from "../../p2p/identity.ts";
import {
  LARGEST_ANNOUNCEMENT_BYTES,
  LARGEST_MESSAGE_BYTES,
  type Transport,
  type TransportEvent,
} from "../../p2p/net/transport.ts";
import { TransportError } from "../../p2p/net/transport_error.ts";
import { digitsOf } from "../../p2p/sync/cells.ts";
import type { Digest, PeerId } from "../../p2p/sync/types.ts";

/** A network in which peers can be started; peer `n` has the key `identity(n)`. */
export interface TransportPlace extends AsyncDisposable {
  join(n: number): Promise<Transport>;
  /** An address where nobody listens, in the form of this network. */
  nowhere(peer: PeerId): string;
}

/** The run that all take part in. */
export const RUN = "ab".repeat(32) as Digest;

/** The key of the n-th peer of a test. */
export function identity(n: number) {
  return identityFromSeed(new Uint8Array(32).fill(n + 1));
}

export function testTransport(name: string, place: () => Promise<TransportPlace>): void {
  const test = (sentence: string, count: number, body: (peers: Transport[], there: TransportPlace) => Promise<void>) =>
    Deno.test(`${name} ${sentence}`, async () => {
      await using there = await place();
      await using stack = new AsyncDisposableStack();
      const peers: Transport[] = [];
      for (let n = 0; n < count; n++) peers.push(stack.use(await there.join(n)));
      await body(peers, there);
    });

  test("gives addresses that end in the peer's id, and connects to them", 2, async ([a, b]) => {
    assert.ok(a!.addresses().length > 0);
    for (const address of a!.addresses()) assert.ok(address.endsWith(`/${a!.peer}`), address);
    assert.deepEqual(a!.peers(), []);
    const events = [eventOf(a!, "connected"), eventOf(b!, "connected")];
    assert.equal(await b!.connect(a!.addresses()[0]!), a!.peer);
    const [atA, atB] = await Promise.all(events);
    assert.equal(atA!.peer, b!.peer);
    assert.equal(atB!.peer, a!.peer);
    assert.deepEqual([a!.peers(), b!.peers()], [[b!.peer], [a!.peer]]);
    assert.equal(await b!.connect(a!.addresses()[0]!), a!.peer);
    assert.deepEqual(b!.peers(), [a!.peer]);
  });

  test("announces to every connected peer once, and not to itself", 3, async (peers) => {
    await connectAll(peers);
    const heard = peers.map((peer) => listen(peer));
    for (const peer of peers) {
      for (let i = 0; i < 5; i++) peer.announce(text(`${peer.peer} ${i}`));
    }
    const wanted = (self: Transport) =>
      peers.filter((peer) => peer !== self).flatMap(({ peer }) => [0, 1, 2, 3, 4].map((i) => `${peer} ${peer} ${i}`));
    for (const [i, peer] of peers.entries()) {
      await heard[i]!.until(10);
      assert.deepEqual(heard[i]!.all.toSorted(), wanted(peer).sort());
    }
  });

  test("passes announcements on to those who are not connected to the sender", 3, async ([a, b, c]) => {
    await connectBoth(a!, b!);
    await connectBoth(b!, c!);
    const heard = listen(c!);
    c!.onRequest("pace/1", () => Promise.resolve(new Uint8Array()));
    // A mesh takes a moment to form; announcements before that may be lost, but none may come twice.
    for (let i = 0; heard.all.length === 0; i++) {
      a!.announce(text(`number ${i}`));
      await b!.request(c!.peer, "pace/1", new Uint8Array());
    }
    assert.equal(new Set(heard.all).size, heard.all.length);
    assert.ok(heard.all[0]!.startsWith(`${a!.peer} number `));
  });

  test("hears what is announced to its cell and to those that it is a part of, and nothing else", 3, async (peers) => {
    await connectAll(peers);
    const [c, a, b] = peers as [Transport, Transport, Transport], [atC, atA, atB] = [c, a, b].map(listen);
    for (const [peer, cell] of [[c, "01"], [a, "100"], [b, "10"]] as const) {
      assert.ok(digitsOf({ run: RUN }, peer.peer).startsWith(cell), "a peer is in no other cells");
      peer.hear(cell);
    }
    c.onRequest("pace/1", () => Promise.resolve(new Uint8Array()));
    // Who listens to what spreads like everything else.
    for (let i = 0; atB!.all.length === 0; i++) {
      a.announce(text(`to ten, ${i}`), "10");
      await b.request(c.peer, "pace/1", new Uint8Array());
    }
    a.announce(text("to its part of ten"), "100");
    a.announce(text("to all"));
    await atB!.heard(`${a.peer} to all`);
    await atC!.heard(`${a.peer} to all`);
    assert.deepEqual(atC!.all, [`${a.peer} to all`]);
    assert.ok(!atB!.all.includes(`${a.peer} to its part of ten`));
    b.announce(text("to ten"), "10");
    await atA!.heard(`${b.peer} to ten`);

    a.hear(""); // as when a cell takes over the part of another that is gone
    b.announce(text("to ten again"), "10");
    b.announce(text("to all"));
    await atA!.heard(`${b.peer} to all`);
    assert.ok(!atA!.all.includes(`${b.peer} to ten again`));
  });

  test("lets go of a peer that it disconnects, and either may connect again", 2, async ([a, b]) => {
    await connectBoth(a!, b!);
    const events = [eventOf(a!, "disconnected"), eventOf(b!, "disconnected")];
    a!.disconnect(b!.peer);
    assert.deepEqual(a!.peers(), []);
    await Promise.all(events);
    assert.deepEqual(b!.peers(), []);
    a!.disconnect(b!.peer); // which is nothing now
    await connectBoth(b!, a!);
  });

  test("refuses an announcement larger than the largest, and sends one as large", 2, async ([a, b]) => {
    await connectBoth(a!, b!);
    assert.throws(() => a!.announce(new Uint8Array(LARGEST_ANNOUNCEMENT_BYTES + 1)), RangeError);
    const heard = Promise.withResolvers<number>();
    b!.onAnnouncement((bytes) => heard.resolve(bytes.length));
    a!.announce(new Uint8Array(LARGEST_ANNOUNCEMENT_BYTES));
    assert.equal(await heard.promise, LARGEST_ANNOUNCEMENT_BYTES);
  });

  test("announces into an empty room without an error", 1, async ([a]) => {
    a!.announce(text("hello?"));
    await Promise.resolve();
  });

  test("asks and answers in both directions, and tells who asks", 2, async ([a, b]) => {
    await connectBoth(a!, b!);
    for (const peer of [a!, b!]) {
      peer.onRequest("echo/1", (from, request) => Promise.resolve(text(`${from}: ${read(request)}`)));
    }
    assert.equal(read(await a!.request(b!.peer, "echo/1", text("hi"))), `${a!.peer}: hi`);
    assert.equal(read(await b!.request(a!.peer, "echo/1", text("ho"))), `${b!.peer}: ho`);
    assert.equal(read(await b!.request(a!.peer, "echo/1", text(""))), `${b!.peer}: `);
  });

  test("carries requests and answers of the largest size, and no larger", 2, async ([a, b]) => {
    await connectBoth(a!, b!);
    const sent = new Uint8Array(LARGEST_MESSAGE_BYTES).map((_, i) => i * 7 % 251);
    b!.onRequest("same/1", (_, request) => Promise.resolve(request));
    b!.onRequest("more/1", (_, request) => Promise.resolve(new Uint8Array(request.length + 1)));
    assert.deepEqual(await a!.request(b!.peer, "same/1", sent), sent);
    await rejects(a!.request(b!.peer, "same/1", new Uint8Array(LARGEST_MESSAGE_BYTES + 1)), "invalid");
    await assert.rejects(a!.request(b!.peer, "more/1", sent));
  });

  test("answers many requests at once, each with its own answer", 2, async ([a, b]) => {
    await connectBoth(a!, b!);
    const all = Promise.withResolvers<void>();
    let waiting = 0;
    b!.onRequest("wait/1", async (_, request) => {
      if (++waiting === 20) all.resolve();
      await all.promise;
      return request;
    });
    const answers = Array.from({ length: 20 }, (_, i) => a!.request(b!.peer, "wait/1", text(`${i}`)));
    assert.deepEqual((await Promise.all(answers)).map(read), Array.from({ length: 20 }, (_, i) => `${i}`));
  });

  test("tells the asker that it is refused: by null, by an error, by not serving", 2, async ([a, b]) => {
    await connectBoth(a!, b!);
    b!.onRequest("null/1", () => Promise.resolve(null));
    b!.onRequest("error/1", () => Promise.reject(new Error("not for you")));
    b!.onRequest("throw/1", () => {
      throw new Error("at once");
    });
    for (const protocol of ["null/1", "error/1", "throw/1", "unknown/1"]) {
      const error = await rejects(a!.request(b!.peer, protocol, text("?")), "refused");
      assert.ok(error.message.startsWith(`Cannot ask ${b!.peer} for ${protocol}: `), error.message);
    }
  });

  test("fails a request to somebody who is not connected, at once", 1, async ([a]) => {
    await rejects(a!.request(identity(7).peer, "echo/1", text("?")), "gone");
  });

  test("fails open requests when the other peer goes, and says that it went", 2, async ([a, b]) => {
    await connectBoth(a!, b!);
    const asked = Promise.withResolvers<void>();
    b!.onRequest("never/1", () => {
      asked.resolve();
      return new Promise(() => {});
    });
    const gone = eventOf(a!, "disconnected");
    const request = rejects(a!.request(b!.peer, "never/1", text("?")), "gone");
    await asked.promise;
    await Promise.all([b![Symbol.asyncDispose](), request]);
    assert.equal((await gone).peer, b!.peer);
    assert.deepEqual(a!.peers(), []);
    await rejects(a!.request(b!.peer, "never/1", text("?")), "gone");
  });

  test("ends a request whose signal aborts, before it is sent or while it waits", 2, async ([a, b]) => {
    await connectBoth(a!, b!);
    const asked = Promise.withResolvers<void>(), release = Promise.withResolvers<null>();
    b!.onRequest("never/1", () => {
      asked.resolve();
      return release.promise;
    });
    await rejects(a!.request(b!.peer, "never/1", text("?"), { signal: AbortSignal.abort() }), "aborted");
    const controller = new AbortController();
    const request = rejects(a!.request(b!.peer, "never/1", text("?"), { signal: controller.signal }), "aborted");
    await asked.promise;
    controller.abort();
    await request;
    release.resolve(null);
    b!.onRequest("echo/1", (_, bytes) => Promise.resolve(bytes));
    assert.equal(read(await a!.request(b!.peer, "echo/1", text("still here"))), "still here");
  });

  test("says what was tried when nobody can be reached", 2, async ([a, b], there) => {
    const address = there.nowhere(identity(9).peer);
    const error = await rejects(a!.connect(address), "unreachable");
    assert.ok(error.message.startsWith(`Cannot connect to ${address}: `), error.message);
    await rejects(a!.connect("no address at all"), "unreachable");
    await rejects(a!.connect(b!.addresses()[0]!, { signal: AbortSignal.abort() }), "aborted");
  });

  test("connects only whom it admits, whoever dials, and lets others go", 3, async ([a, b, c]) => {
    await connectBoth(b!, a!);
    await connectBoth(c!, a!);
    const gone = [eventOf(a!, "disconnected", c!.peer), eventOf(c!, "disconnected", a!.peer)];
    a!.admit([b!.peer]);
    await Promise.all(gone);
    assert.deepEqual(a!.peers(), [b!.peer]);
    await assert.rejects(c!.connect(a!.addresses()[0]!));
    await assert.rejects(a!.connect(c!.addresses()[0]!));
    assert.deepEqual([a!.peers(), c!.peers()], [[b!.peer], []]);
    await rejects(c!.request(a!.peer, "echo/1", text("?")), "gone");
    a!.admit(null);
    await connectBoth(c!, a!);
    assert.equal(a!.peers().length, 2);
  });

  test("hears nothing from whom it does not admit, also by way of others", 3, async ([a, b, c]) => {
    a!.admit([b!.peer]);
    await connectBoth(b!, a!);
    await connectBoth(c!, b!);
    const heard = listen(a!), between = listen(b!);
    c!.announce(text("from a stranger"));
    await between.until(1);
    b!.announce(text("from a member"));
    await heard.until(1);
    assert.deepEqual(heard.all, [`${b!.peer} from a member`]);
  });

  test("ends everything when closed, twice as well as once", 2, async ([a, b]) => {
    await connectBoth(a!, b!);
    const gone = eventOf(b!, "disconnected");
    const address = b!.addresses()[0]!;
    await a![Symbol.asyncDispose]();
    await a![Symbol.asyncDispose]();
    await gone;
    assert.deepEqual(b!.peers(), []);
    a!.announce(text("anybody?"));
    await rejects(a!.request(b!.peer, "echo/1", text("?")), "closed");
    await rejects(a!.connect(address), "closed");
  });

  test("lets a peer that was closed come back under its name", 2, async ([a, b], there) => {
    await connectBoth(a!, b!);
    const gone = eventOf(a!, "disconnected");
    await b![Symbol.asyncDispose]();
    await gone;
    await using again = await there.join(1);
    await connectBoth(again, a!);
    assert.deepEqual(a!.peers(), [again.peer]);
  });
}

/** Connects and waits until both have noticed. */
export async function connectBoth(from: Transport, to: Transport): Promise<void> {
  const noticed = to.peers().includes(from.peer) ? null : eventOf(to, "connected", from.peer);
  await from.connect(to.addresses().at(-1)!);
  await noticed;
}

async function connectAll(peers: readonly Transport[]): Promise<void> {
  for (const [i, peer] of peers.entries()) {
    for (const other of peers.slice(i + 1)) await connectBoth(peer, other);
  }
}

export function eventOf(
  transport: Transport,
  kind: "connected" | "disconnected",
  peer?: PeerId,
): Promise<Extract<TransportEvent, { kind: "connected" | "disconnected" }>> {
  return new Promise((resolve) => {
    transport.onEvent((event) => {
      if (event.kind === kind && (peer === undefined || event.peer === peer)) {
        resolve(event);
      }
    });
  });
}

/** Collects announcements as "author text". */
function listen(transport: Transport) {
  const all: string[] = [];
  let wake = () => {};
  transport.onAnnouncement((bytes, from) => {
    all.push(`${from} ${read(bytes)}`);
    wake();
  });
  const until = async (count: number): Promise<void> => {
    while (all.length < count) await new Promise<void>((resolve) => wake = resolve);
  };
  const heard = async (line: string): Promise<void> => {
    while (!all.includes(line)) await new Promise<void>((resolve) => wake = resolve);
  };
  return { all, until, heard };
}

async function rejects(work: Promise<unknown>, kind: TransportError["kind"]): Promise<TransportError> {
  const error = await work.then(() => null, (error: unknown) => error);
  assert.ok(error instanceof TransportError, `wanted a TransportError, found ${error}`);
  assert.equal(error.kind, kind, error.message);
  return error;
}

function text(message: string): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(message);
}

function read(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes);
}
