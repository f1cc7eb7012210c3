/**
 * A network inside one process, with links that can be cut: for tests and simulations. Two members that share a third
 * can be linked through it, as over a relay.
 *
 * Deliveries happen one at a time in the order in which they were asked for, so a test sees the same order every time.
 * Announcements reach every peer that a chain of links leads to, as gossip would.
 * @module
 */
import type { PeerId } from "../sync/types.ts";
import {
  LARGEST_ANNOUNCEMENT_BYTES,
  LARGEST_MESSAGE_BYTES,
  type Link,
  parseRelayed,
  type RequestHandler,
  type RequestOptions,
  type Transport,
  type TransportEvent,
} from "./transport.ts";
import { requestError, TransportError, type TransportFailure } from "./transport_error.ts";

const ADDRESS_PREFIX = "/memory/";

/** A network of peers in one process; `join` adds a peer. */
export class MemoryNetwork {
  readonly #members = new Map<PeerId, MemoryTransport>();
  readonly #cut = new Set<string>();
  #last: Promise<void> = Promise.resolve();

  /** A transport for a new member, not yet connected to anybody. A member that closed may join again. */
  join(peer: PeerId): Transport {
    if (this.#members.has(peer)) throw new Error(`Cannot join the network: ${peer} is there already`);
    const transport = new MemoryTransport(peer, this);
    this.#members.set(peer, transport);
    return transport;
  }

  /** Breaks the link between two members; they stay apart until it is mended and one connects again. */
  cut(a: PeerId, b: PeerId): void {
    this.#cut.add(link(a, b));
    this.disconnect(a, b);
  }

  mend(a: PeerId, b: PeerId): void {
    this.#cut.delete(link(a, b));
  }

  /** @throws {TransportError} if nobody is there or the link is cut. */
  connect(from: MemoryTransport, to: PeerId): void {
    const other = this.#members.get(to);
    if (other === undefined || other === from || this.#cut.has(link(from.peer, to))) {
      const why = other === undefined ? "no such peer" : other === from ? "that is this peer itself" : "no link";
      throw new TransportError("unreachable", `Cannot connect to ${ADDRESS_PREFIX}${to}: ${why}`);
    }
    if (!from.admits(to) || !other.admits(from.peer)) {
      throw new TransportError(
        "refused",
        `Cannot connect to ${ADDRESS_PREFIX}${to}: one of the two does not admit the other`,
      );
    }
    if (from.linked.get(to)?.kind === "relayed") this.disconnect(from.peer, to);
    this.#join(from, other, { kind: "direct" });
  }

  /** @throws {TransportError} unless both have a link of their own to the relay. */
  connectThrough(relay: PeerId, from: MemoryTransport, to: PeerId): void {
    const other = this.#members.get(to);
    if (
      other !== undefined && [from, other].every((end) => end.linked.get(relay)?.kind === "direct") &&
      from.admits(to) && other.admits(from.peer)
    ) {
      return this.#join(from, other, { kind: "relayed", relay });
    }
    throw new TransportError("unreachable", `Cannot connect to ${to}: no link through ${relay}`);
  }

  disconnect(a: PeerId, b: PeerId): void {
    const [first, second] = [this.#members.get(a), this.#members.get(b)];
    if (first === undefined || second === undefined || !first.linked.delete(b)) return;
    second.linked.delete(a);
    first.lose(b);
    second.lose(a);
    this.deliver(() => first.emit({ kind: "disconnected", peer: b }));
    this.deliver(() => second.emit({ kind: "disconnected", peer: a }));
    for (const [relay, end] of [[a, second], [b, first]] as const) {
      for (const [peer, link] of [...end.linked]) {
        if (link.kind === "relayed" && link.relay === relay) this.disconnect(end.peer, peer);
      }
    }
  }

  #join(from: MemoryTransport, other: MemoryTransport, link: Link): void {
    if (from.linked.has(other.peer)) return;
    for (const [end, far] of [[from, other], [other, from]] as const) {
      end.linked.set(far.peer, link);
      this.deliver(() =>
        end.emit({ kind: "connected", peer: far.peer, address: `${ADDRESS_PREFIX}${far.peer}`, link })
      );
    }
  }

  leave(peer: PeerId): void {
    for (const other of [...this.#members.keys()].sort()) this.disconnect(peer, other);
    this.#members.delete(peer);
  }

  /** Whoever listens to a cell and is linked to here through others that do, nearest first, then by id; without the peer itself. */
  reachable(from: MemoryTransport, cell: string): readonly MemoryTransport[] {
    const found: MemoryTransport[] = [from];
    for (let i = 0; i < found.length; i++) {
      for (const peer of found[i]!.peers()) {
        const member = this.#members.get(peer);
        if (member?.listensTo(cell) && !found.includes(member)) found.push(member);
      }
    }
    return found.slice(1);
  }

  member(peer: PeerId): MemoryTransport | undefined {
    return this.#members.get(peer);
  }

  /** Runs after everything that was delivered before. */
  deliver(act: () => void): void {
    this.#last = this.#last.then(act);
  }
}

class MemoryTransport implements Transport {
  readonly peer: PeerId;
  /** Peers at the other end of whole links; the network's to change. */
  readonly linked = new Map<PeerId, Link>();
  readonly #network: MemoryNetwork;
  readonly #announcementHandlers: ((bytes: Uint8Array, from: PeerId) => void)[] = [];
  readonly #eventHandlers: ((event: TransportEvent) => void)[] = [];
  readonly #requestHandlers = new Map<string, RequestHandler>();
  /** Requests without an answer yet, each with the way to fail it. */
  readonly #open = new Map<(kind: TransportFailure, because: string) => void, PeerId>();
  #admitted: ReadonlySet<PeerId> | null = null;
  #cell = "";
  #closed = false;

  constructor(peer: PeerId, network: MemoryNetwork) {
    this.peer = peer;
    this.#network = network;
  }

  addresses(): readonly string[] {
    return [`${ADDRESS_PREFIX}${this.peer}`];
  }

  relayedAddresses(): readonly string[] {
    return [];
  }

  peers(): readonly PeerId[] {
    return [...this.linked.keys()].sort();
  }

  link(peer: PeerId): Link | null {
    return this.linked.get(peer) ?? null;
  }

  // deno-lint-ignore require-await -- what it throws must be a rejection
  async connect(address: string, options: { readonly signal?: AbortSignal } = {}): Promise<PeerId> {
    if (this.#closed) throw new TransportError("closed", `Cannot connect to ${address}: this transport is closed`);
    if (options.signal?.aborted) throw new TransportError("aborted", `Cannot connect to ${address}: it was aborted`);
    const relayed = parseRelayed(address);
    if (relayed !== null) {
      this.#network.connectThrough(relayed.relay as PeerId, this, relayed.peer as PeerId);
      return relayed.peer as PeerId;
    }
    if (!address.startsWith(ADDRESS_PREFIX)) {
      throw new TransportError("unreachable", `Cannot connect to ${address}: wanted ${ADDRESS_PREFIX}<peer id>`);
    }
    const peer = address.slice(ADDRESS_PREFIX.length).replace(/\/p2p\/.*$/, "") as PeerId;
    this.#network.connect(this, peer);
    return peer;
  }

  announce(bytes: Uint8Array, cell = ""): void {
    if (bytes.length > LARGEST_ANNOUNCEMENT_BYTES) {
      throw new RangeError(`Cannot announce ${bytes.length} bytes: the most is ${LARGEST_ANNOUNCEMENT_BYTES}`);
    }
    if (this.#closed) return;
    const sent = bytes.slice();
    for (const member of this.#network.reachable(this, cell)) {
      this.#network.deliver(() => member.receive(sent.slice(), this.peer));
    }
  }

  request(
    to: PeerId,
    name: string,
    request: Uint8Array,
    options: RequestOptions = {},
  ): Promise<Uint8Array<ArrayBuffer>> {
    const { promise, resolve, reject } = Promise.withResolvers<Uint8Array<ArrayBuffer>>();
    const end = () => {
      this.#open.delete(fail);
      options.signal?.removeEventListener("abort", abort);
    };
    const fail = (kind: TransportFailure, because: string) => {
      end();
      reject(requestError(kind, { to, name, because }));
    };
    const abort = () => fail("aborted", "it was aborted");
    this.#open.set(fail, to);
    options.signal?.addEventListener("abort", abort);

    if (this.#closed) fail("closed", "this transport is closed");
    else if (options.signal?.aborted) abort();
    else if (request.length > LARGEST_MESSAGE_BYTES) fail("invalid", `${request.length} bytes are too many to ask`);
    else if (!this.linked.has(to)) fail("gone", "it is not connected");
    const sent = request.slice();
    this.#network.deliver(() => {
      if (!this.#open.has(fail)) return;
      this.#network.member(to)?.answer(this.peer, name, sent).then((answer) => {
        this.#network.deliver(() => {
          if (!this.#open.has(fail)) return;
          if (answer === null) return fail("refused", "it refused");
          end();
          resolve(answer);
        });
      });
    });
    return promise;
  }

  onAnnouncement(handler: (bytes: Uint8Array, from: PeerId) => void): void {
    this.#announcementHandlers.push(handler);
  }

  onRequest(name: string, handler: RequestHandler): void {
    this.#requestHandlers.set(name, handler);
  }

  onEvent(handler: (event: TransportEvent) => void): void {
    this.#eventHandlers.push(handler);
  }

  [Symbol.asyncDispose](): Promise<void> {
    if (!this.#closed) {
      this.#network.leave(this.peer);
      this.#closed = true;
      for (const fail of [...this.#open.keys()]) fail("closed", "this transport is closed");
    }
    return Promise.resolve();
  }

  hear(cell: string): void {
    this.#cell = cell;
  }

  listensTo(cell: string): boolean {
    return this.#cell.startsWith(cell);
  }

  disconnect(peer: PeerId): void {
    this.#network.disconnect(this.peer, peer);
  }

  admit(peers: readonly PeerId[] | null): void {
    this.#admitted = peers === null ? null : new Set(peers);
    for (const peer of this.peers()) if (!this.admits(peer)) this.#network.disconnect(this.peer, peer);
  }

  admits(peer: PeerId): boolean {
    return this.#admitted?.has(peer) ?? true;
  }

  receive(bytes: Uint8Array, from: PeerId): void {
    if (this.#closed || !this.admits(from)) return;
    for (const handler of this.#announcementHandlers) handler(bytes, from);
  }

  emit(event: TransportEvent): void {
    if (this.#closed) return;
    for (const handler of this.#eventHandlers) handler(event);
  }

  /** Fails what was asked of a peer that is no longer linked. */
  lose(peer: PeerId): void {
    for (const [fail, to] of [...this.#open]) if (to === peer) fail("gone", "it disconnected");
  }

  /** Null: refused. */
  async answer(from: PeerId, name: string, request: Uint8Array): Promise<Uint8Array<ArrayBuffer> | null> {
    try {
      const answer = await this.#requestHandlers.get(name)?.(from, request) ?? null;
      return answer === null || answer.length > LARGEST_MESSAGE_BYTES ? null : answer.slice();
    } catch {
      return null; // as the contract says: throwing refuses
    }
  }
}

function link(a: PeerId, b: PeerId): string {
  return a < b ? `${a} ${b}` : `${b} ${a}`;
}
