/**
 * The network through libp2p: gossip for announcements, one stream for each request (`libp2p_requests.ts`).
 *
 * A peer counts as connected once it has told us that it listens to this run: from then on announcements reach it, and a
 * peer of another run never counts. To what cells it listens changes while it is connected (`topics.ts`).
 * @module
 */
import type { Connection, Libp2pEvents, PeerId as Libp2pPeerId } from "@libp2p/interface";
import { peerIdFromString } from "@libp2p/peer-id";
import { type Multiaddr, multiaddr } from "@multiformats/multiaddr";
import { type Clock, systemClock } from "../clock.ts";
import { isPeerId } from "../identity.ts";
import type { Digest, PeerId } from "../sync/types.ts";
import { Deadline } from "./deadline.ts";
import { DialBack, type Verdict } from "./dial_back.ts";
import { dialError, notAdmittedError, otherRunError } from "./libp2p_errors.ts";
import { Gate } from "./libp2p_gater.ts";
import { DIAL_TIMEOUT_MS, type Libp2pOptions, type StarlingNode, type StartedNode, startNode } from "./libp2p_node.ts";
import { addressThrough, bestOf, hostOf, linkOf, superfluous } from "./libp2p_links.ts";
import { Requests } from "./libp2p_requests.ts";
import { RelaySeats } from "./relay_seats.ts";
import { topicOf, topicsAbove } from "./topics.ts";
import {
  LARGEST_ANNOUNCEMENT_BYTES,
  type Link,
  parseRelayed,
  type Reachability,
  type RequestHandler,
  type RequestOptions,
  type Transport,
  type TransportEvent,
} from "./transport.ts";
import { TransportError } from "./transport_error.ts";

/** Peers that are let go are gone within this time. */
const CLOSE_TIMEOUT_MS = 5_000;

/**
 * Starts a node; resolves when it listens.
 * @throws {TransportError} "no port" if it cannot listen where it should.
 */
export async function startLibp2p(options: Libp2pOptions): Promise<Transport> {
  const gate = new Gate();
  return new Libp2pTransport(await startNode(options, gate), gate, options);
}

class Libp2pTransport implements Transport {
  readonly peer: PeerId;
  readonly #node: StarlingNode;
  readonly #gate: Gate;
  readonly #run: Digest;
  readonly #clock: Clock;
  /** Peers that listen to this run, under the names that libp2p has for them: to make one again costs more than to ask. */
  readonly #peers = new Map<PeerId, Libp2pPeerId>();
  readonly #announcementHandlers: ((bytes: Uint8Array, from: PeerId) => void)[] = [];
  readonly #eventHandlers: ((event: TransportEvent) => void)[] = [];
  /** Work under way that `close` waits for: requests served, publications. */
  readonly #tasks = new Set<Promise<void>>();
  readonly #closing = new AbortController();
  readonly #listening: StartedNode["listening"];
  readonly #requests: Requests;
  readonly #relays: RelaySeats;
  readonly #dialBack: DialBack;
  /** Addresses beside its own interfaces' at which others got through to this peer. */
  #confirmed: readonly string[] = [];
  #verdict: Verdict | null = null;

  constructor(
    { node, reserve, listening, onRelayed }: StartedNode,
    gate: Gate,
    { identity, run, announce = [], clock = systemClock }: Libp2pOptions,
  ) {
    this.peer = identity.peer;
    this.#node = node;
    this.#gate = gate;
    this.#clock = clock;
    this.#requests = new Requests({
      node,
      gate,
      clock,
      connectionTo: (peer) => this.#connectionTo(peer),
      closing: this.#closing.signal,
      track: (work) => this.#track(work),
    });
    this.#relays = new RelaySeats({
      reserve: (peer) => reserve(peerIdFromString(peer)),
      onChange: () => this.#tellReachability(),
    });
    this.#listening = listening;
    this.#dialBack = new DialBack({
      transport: this,
      hostOf: (peer) => hostOf(this.#connectionTo(peer)),
      probe: (address, signal) => this.#probe(address, signal),
      onChange: (verdict, confirmed) => {
        [this.#verdict, this.#confirmed] = [verdict, announce.length > 0 ? [] : confirmed];
        this.#tellReachability();
        this.#seekRelays();
      },
    });
    onRelayed((sizeBytes) => this.#emit({ kind: "relayed", sizeBytes }));
    this.#run = run;
    const everybody = topicOf(run, "");
    const { pubsub } = node.services;
    pubsub.addEventListener("subscription-change", ({ detail: { peerId, subscriptions } }) => {
      const change = subscriptions.find(({ topic }) => topic === everybody);
      if (change !== undefined) this.#setConnected(peerId, change.subscribe);
    });
    node.addEventListener("peer:disconnect", ({ detail }) => this.#setConnected(detail, false));
    node.addEventListener("connection:open", ({ detail }) => this.#settleLinks(detail));
    node.addEventListener("peer:discovery", (event) => this.#meet(event));
    pubsub.addEventListener("message", ({ detail }) => {
      if (detail.type !== "signed" || this.#closing.signal.aborted) return;
      const from = detail.from.toString();
      if (!isPeerId(from)) return;
      for (const handler of this.#announcementHandlers) handler(detail.data, from);
    });
    // Somebody may have connected while the node started.
    for (const peerId of pubsub.getSubscribers(everybody)) this.#setConnected(peerId, true);
  }

  addresses(): readonly string[] {
    const own = this.#listening().filter((address) => parseRelayed(address) === null);
    const addresses = [...own, ...this.#confirmed.filter((address) => !own.includes(address))];
    const isLoopback = (address: string) => /^\/(ip4\/127\.|ip6\/::1\/)/.test(address);
    return [...addresses.filter((address) => !isLoopback(address)), ...addresses.filter(isLoopback)];
  }

  relayedAddresses(): readonly string[] {
    return this.#relays.held().flatMap((relay) => addressThrough(this.#connectionTo(relay), this.peer) ?? []);
  }

  peers(): readonly PeerId[] {
    return [...this.#peers.keys()].sort();
  }

  link(peer: PeerId): Link | null {
    if (!this.#peers.has(peer)) return null;
    return linkOf(this.#connectionTo(peer));
  }

  async connect(address: string, options: { readonly signal?: AbortSignal } = {}): Promise<PeerId> {
    const others = [options.signal, this.#closing.signal];
    using deadline = new Deadline(DIAL_TIMEOUT_MS, { others, clock: this.#clock });
    try {
      const connection = await this.#node.dial(parseAddress(address), { signal: deadline.signal });
      const peer = connection.remotePeer.toString();
      if (!isPeerId(peer)) {
        throw new TransportError("unreachable", `Cannot connect to ${address}: its key is not Ed25519.`);
      }
      await this.#connected(peer, connection, deadline.signal);
      return peer;
    } catch (error) {
      if (error instanceof TransportError) throw error;
      if (this.#closing.signal.aborted) {
        throw new TransportError("closed", `Cannot connect to ${address}: this transport is closed`);
      }
      if (options.signal?.aborted) {
        throw new TransportError("aborted", `Cannot connect to ${address}: it was aborted`, { cause: error });
      }
      throw dialError(address, error, deadline.signal.aborted);
    }
  }

  announce(bytes: Uint8Array, cell = ""): void {
    if (bytes.length > LARGEST_ANNOUNCEMENT_BYTES) {
      throw new RangeError(`Cannot announce ${bytes.length} bytes: the most is ${LARGEST_ANNOUNCEMENT_BYTES}`);
    }
    if (this.#closing.signal.aborted) return;
    // What gossip cannot deliver is lost like a packet; the protocol above asks again.
    this.#track(this.#node.services.pubsub.publish(topicOf(this.#run, cell), bytes.slice()).then(() => {}));
  }

  hear(cell: string): void {
    const { pubsub } = this.#node.services, topics = topicsAbove(this.#run, cell), before = pubsub.getTopics();
    if (this.#closing.signal.aborted) return;
    for (const topic of before) if (!topics.includes(topic)) pubsub.unsubscribe(topic);
    for (const topic of topics) if (!before.includes(topic)) pubsub.subscribe(topic);
  }

  request(
    to: PeerId,
    name: string,
    request: Uint8Array,
    options: RequestOptions = {},
  ): Promise<Uint8Array<ArrayBuffer>> {
    return this.#requests.ask(to, name, request, options);
  }

  onAnnouncement(handler: (bytes: Uint8Array, from: PeerId) => void): void {
    this.#announcementHandlers.push(handler);
  }

  admit(peers: readonly PeerId[] | null): void {
    this.#gate.admit(peers);
    for (const connection of this.#node.getConnections()) {
      const peer = connection.remotePeer.toString();
      if (!this.#gate.admits(peer)) this.#close(connection);
    }
  }

  disconnect(peer: PeerId): void {
    for (const connection of this.#node.getConnections(peerIdFromString(peer))) this.#close(connection);
  }

  onRequest(name: string, handler: RequestHandler): void {
    this.#requests.serve(name, handler);
  }

  onEvent(handler: (event: TransportEvent) => void): void {
    this.#eventHandlers.push(handler);
    const reachability = this.#reachability();
    if (reachability !== null) handler({ kind: "reachability", reachability });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#closing.signal.aborted) return;
    this.#closing.abort(new TransportError("closed", "this transport is closed"));
    this.#dialBack[Symbol.dispose]();
    await this.#node.stop();
    await Promise.all(this.#tasks);
  }

  #setConnected(peerId: Libp2pPeerId, connected: boolean): void {
    const peer = peerId.toString();
    if (
      !isPeerId(peer) || connected && !this.#gate.admits(peer) || connected === this.#peers.has(peer) ||
      this.#closing.signal.aborted
    ) return;
    if (connected) {
      const connection = this.#connectionTo(peer), link = linkOf(connection);
      const address = connection?.remoteAddr.toString() ?? "";
      this.#peers.set(peer, peerId);
      this.#emit({ kind: "connected", peer, address, link });
      if (link.kind === "relayed") return;
      if (connection?.direction === "inbound") this.#dialBack.heardFrom(peer);
      else this.#track(this.#dialBack.ask(peer));
      this.#seekRelays();
    } else {
      this.#peers.delete(peer);
      this.#emit({ kind: "disconnected", peer });
      this.#relays.lost(peer);
    }
  }

  #close(connection: Connection): void {
    this.#setConnected(connection.remotePeer, false);
    this.#track(connection.close({ signal: AbortSignal.timeout(CLOSE_TIMEOUT_MS) }));
  }

  /** Where others cannot dial this peer, it asks those who can be reached to let others through to it. */
  #seekRelays(): void {
    const verdict = this.#verdict?.verdict;
    if ((verdict !== "partly" && verdict !== "not reachable") || this.#closing.signal.aborted) return;
    this.#track(this.#relays.seek(this.peers().filter((peer) => this.link(peer)?.kind === "direct")));
  }

  #reachability(): Reachability | null {
    if (this.#verdict === null) return null;
    return { ...this.#verdict, relays: this.#relays.held() };
  }

  #tellReachability(): void {
    const reachability = this.#reachability();
    if (reachability !== null) this.#emit({ kind: "reachability", reachability });
  }

  #settleLinks(opened: Connection): void {
    const others = this.#node.getConnections(opened.remotePeer).filter(({ id }) => id !== opened.id);
    for (const connection of superfluous(opened, others)) this.#track(connection.close());
  }

  async #probe(address: string, signal: AbortSignal): Promise<void> {
    try {
      const connection = await this.#node.dial(parseAddress(address), { signal, force: true });
      await connection.close();
    } catch (error) {
      throw dialError(address, error, signal.aborted);
    }
  }

  #emit(event: TransportEvent): void {
    for (const handler of this.#eventHandlers) handler(event);
  }

  #connectionTo(peer: PeerId): Connection | undefined {
    return bestOf(this.#node.getConnections(this.#peers.get(peer) ?? peerIdFromString(peer)));
  }

  /** Resolves when the peer has said that it listens to this run; fails at once if it hangs up instead. */
  async #connected(peer: PeerId, connection: Connection, signal: AbortSignal): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const check = (): void => {
      if (this.#peers.has(peer)) resolve();
    };
    const abort = (): void => reject(otherRunError(peer));
    const hungUp = ({ detail }: { readonly detail: Libp2pPeerId }): void => {
      if (detail.toString() === peer) reject(notAdmittedError(peer, this.peer));
    };
    this.#eventHandlers.push(check);
    signal.addEventListener("abort", abort);
    this.#node.addEventListener("peer:disconnect", hungUp);
    try {
      check();
      if (connection.status !== "open") reject(notAdmittedError(peer, this.peer));
      await promise;
    } finally {
      this.#eventHandlers.splice(this.#eventHandlers.indexOf(check), 1);
      signal.removeEventListener("abort", abort);
      this.#node.removeEventListener("peer:disconnect", hungUp);
    }
  }

  /** A neighbour announced itself in the local network. */
  #meet({ detail: { id, multiaddrs } }: Libp2pEvents["peer:discovery"]): void {
    if (this.#closing.signal.aborted || multiaddrs.length === 0 || this.#node.getConnections(id).length > 0) return;
    // It may be gone again: then mDNS or the peers list will name it once more.
    this.#track(this.#node.dial(multiaddrs, { signal: this.#closing.signal }).then(() => {}));
  }

  /** Lets `close` wait for work that nobody else awaits. Its failure is its own affair. */
  #track(work: Promise<void>): void {
    const task = work.catch(() => {}).finally(() => this.#tasks.delete(task));
    this.#tasks.add(task);
  }
}

function parseAddress(address: string): Multiaddr {
  try {
    return multiaddr(address);
  } catch (cause) {
    const wanted = "wanted one like /ip4/192.168.1.7/tcp/4001/p2p/12D3…";
    throw new TransportError("unreachable", `Cannot connect to ${address}: this is no address, ${wanted}.`, { cause });
  }
}
