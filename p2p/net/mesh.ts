/**
 * Keeps a peer connected: dials the addresses it was given, learns others from whoever it meets, and dials again what
 * was lost. So a run survives the peer that everybody's ticket names. Whom it cannot dial it tries to reach through
 * those who told of it, and from time to time directly again. In a large run it is connected to all of its cell and to
 * some of every other part (`neighbours.ts`): whoever is asked names those near the asker first, so a newcomer finds its
 * cell in as many steps as names have digits.
 *
 * Addresses learnt from others are hints of strangers: few are kept (`known_peers.ts`), few are dialled at once, and a
 * transport checks who answers. A peer passes on what another says of itself, and never the way that its own user gave it, which may
 * lead there from this machine alone.
 * @module
 */
import { decode, encode } from "@ipld/dag-cbor";
import { z } from "zod";
import type { Clock } from "../clock.ts";
import { digitsOf, maskOf } from "../sync/cells.ts";
import type { Digest, PeerId } from "../sync/types.ts";
import { isPlainText } from "../plain_text.ts";
import { reasonOf } from "../reason.ts";
import { type Known, KnownPeers, MOST_ADDRESSES, MOST_PEERS, NAME_ONLY } from "./known_peers.ts";
import { type Neighbours, neighbours } from "./neighbours.ts";
import { relayedAddress, type Transport } from "./transport.ts";

const PROTOCOL = "peers/1";
/** Connections, whoever began them; the least wanted of more are closed. */
const MOST_CONNECTIONS = 64;
const MOST_DIALS = 8;
/** One of the connected peers is asked again after this long: it may have met others since. */
const ASK_EVERY_MS = 5_000;
/** One address of a peer that may be reached through another is given up after this long. */
const IMPATIENT_MS = 4_000;
/** The other side may be dialling too, and a link through a third that comes first would be in a direct one's way. */
const BEFORE_RELAY_MS = 2_000;

const addressesList = z.array(z.string().min(1).max(300).refine(isPlainText)).max(MOST_ADDRESSES);
const peersList = z.array(addressesList).max(MOST_PEERS);

export interface MeshOptions {
  readonly run: Digest;
  /** From the ticket; dialled for as long as the mesh lives. */
  readonly addresses: readonly string[];
  readonly clock: Clock;
  /** No address of a peer leads to it. Told once, until the peer was connected again; others are tried then. */
  readonly onUnreachable: (peer: string, address: string, reason: string) => void;
}

/** Works until disposed; dials under way are then aborted. */
export interface Mesh extends AsyncDisposable {
  /** This peer is in another cell from now on; at first it is in "". */
  enter(cell: string): void;
}

export function keepConnected(transport: Transport, options: MeshOptions): Mesh {
  return new ConnectedMesh(transport, options);
}

class ConnectedMesh implements Mesh {
  readonly #transport: Transport;
  readonly #options: MeshOptions;
  readonly #known: KnownPeers;
  /** What each connected peer says of itself. */
  readonly #said = new Map<PeerId, readonly string[]>();
  /** Connected peers that told their addresses, or that they have none: those who did not take no part and seek nobody. */
  readonly #seeking = new Set<PeerId>();
  readonly #dialing = new Map<PeerId, Promise<void>>();
  readonly #asking = new Set<Promise<void>>();
  readonly #closing = new AbortController();
  #alarm: Disposable | null = null;
  #askAtMs: number;
  #turn = 0;
  #mask = 0;

  constructor(transport: Transport, options: MeshOptions) {
    this.#transport = transport;
    this.#options = options;
    this.#askAtMs = options.clock.now() + ASK_EVERY_MS;
    this.#known = new KnownPeers({
      self: transport.peer,
      clock: options.clock,
      inOrder: (peers) => this.#inOrder(peers),
    });
    for (const address of options.addresses) this.#known.learnGiven(address);
    transport.onRequest(PROTOCOL, (from, request) => {
      // Whoever asks tells its own addresses; others' are theirs to tell.
      const told = addressesList.safeParse(request.length === 0 ? [] : decode(request));
      if (request.length > 0) this.#seeking.add(from);
      this.#known.learn((told.data ?? []).filter((address) => address.endsWith(`/${from}`)), { given: false, from });
      this.#run();
      return Promise.resolve(this.#list(from));
    });
    transport.onEvent((event) => {
      if (this.#closing.signal.aborted || event.kind === "relayed") return;
      if (event.kind === "connected") return this.#met(event.peer);
      if (event.kind === "disconnected") this.#lost(event.peer);
      // This peer may have an address now that is new to them.
      if (event.kind === "reachability") { for (const peer of transport.peers()) this.#ask(peer); }
      this.#run();
    });
    for (const peer of transport.peers()) this.#met(peer);
    this.#run();
  }

  enter(cell: string): void {
    this.#mask = maskOf(cell);
    this.#run();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort();
    this.#alarm?.[Symbol.dispose]();
    await Promise.all([...this.#dialing.values(), ...this.#asking]);
  }

  #met(peer: PeerId): void {
    this.#known.connected(peer);
    this.#ask(peer);
  }

  #lost(peer: PeerId): void {
    this.#said.delete(peer);
    this.#seeking.delete(peer);
    this.#known.disconnected(peer);
  }

  /** Own addresses first, then those of the peers connected now, of one that has none its name; those near the asker first. */
  #list(asker: PeerId): Uint8Array {
    const transport = this.#transport;
    const others = transport.peers().filter((peer) =>
      peer !== asker && this.#seeking.has(peer) && transport.link(peer)?.kind === "direct"
    );
    const near = neighbours({ digits: this.#digitsOf(asker), mask: 0 }, others, (peer) => this.#digitsOf(peer));
    const connected = [...near.wanted, ...near.others].map((peer) => {
      const addresses = this.#said.get(peer)?.slice(0, 4) ?? [];
      return addresses.length === 0 ? [`${NAME_ONLY}${peer}`] : addresses;
    });
    return encode([transport.addresses().slice(0, MOST_ADDRESSES), ...connected].slice(0, MOST_PEERS));
  }

  #ask(peer: PeerId): void {
    this.#known.answers(peer);
    const own = encode(this.#transport.addresses().slice(0, MOST_ADDRESSES));
    const asked = this.#transport.request(peer, PROTOCOL, own, { signal: this.#closing.signal })
      .then((answer) => {
        const lists = peersList.parse(decode(answer));
        const said = lists[0]?.filter((address) => address.endsWith(`/${peer}`)) ?? [];
        if (this.#transport.peers().includes(peer)) this.#said.set(peer, said);
        for (const addresses of lists) this.#known.learn(addresses, { given: false, from: peer });
        this.#run();
      })
      .catch(() => {}) // it tells us nothing; others may
      .finally(() => this.#asking.delete(asked));
    this.#asking.add(asked);
  }

  #digitsOf(peer: PeerId): number {
    return Number.parseInt(digitsOf(this.#options, peer), 2);
  }

  #neighbours(peers: Iterable<PeerId>): Neighbours<PeerId> {
    const place = { digits: this.#digitsOf(this.#transport.peer), mask: this.#mask };
    return neighbours(place, peers, (peer) => this.#digitsOf(peer));
  }

  /** Those first whom this peer wants most. */
  #inOrder(peers: Iterable<PeerId>): readonly PeerId[] {
    const { wanted, others } = this.#neighbours(peers);
    return [...wanted, ...others];
  }

  /** Asks and dials who is due, and sets the alarm for who is not yet. */
  #run(): void {
    if (this.#closing.signal.aborted) return;
    const now = this.#options.clock.now();
    if (now >= this.#askAtMs) {
      this.#askAtMs = now + ASK_EVERY_MS;
      const peers = this.#transport.peers();
      if (peers.length > 0) this.#ask(peers[this.#turn++ % peers.length]!);
      if (peers.length > MOST_CONNECTIONS) this.#letGo(peers);
    }
    const nextMs = Math.min(this.#askAtMs, this.#dialDue(now));
    this.#alarm?.[Symbol.dispose]();
    this.#alarm = this.#options.clock.alarm(nextMs, () => this.#run());
  }

  /** Closes connections that are too many, but for those over which others are reached. */
  #letGo(peers: readonly PeerId[]): void {
    const transport = this.#transport;
    const links = peers.map((peer) => transport.link(peer));
    const relays = new Set(links.map((link) => link?.kind === "relayed" ? link.relay : null));
    for (const peer of this.#inOrder(peers).slice(MOST_CONNECTIONS)) {
      if (relays.has(peer)) continue;
      this.#known.leave(peer);
      transport.disconnect(peer);
    }
  }

  /** Dials those of the ticket, who may be the only way to other parts, and whom this peer wants; when the next is due. */
  #dialDue(now: number): number {
    const connected = new Set(this.#transport.peers());
    const { wanted } = this.#neighbours(new Set([...this.#known.peers(), ...connected]));
    let nextMs = Infinity;
    for (const peer of new Set([...this.#known.given(), ...wanted])) {
      const known = this.#known.get(peer);
      if (known === undefined || this.#dialing.has(peer)) continue;
      if (connected.has(peer)) {
        nextMs = Math.min(nextMs, this.#upgradeDue(peer, known, now));
        continue;
      }
      if (this.#dialing.size >= MOST_DIALS) continue;
      if (known.retryAtMs <= now) this.#dial(peer, known);
      else nextMs = Math.min(nextMs, known.retryAtMs);
    }
    return nextMs;
  }

  /** When a peer that is reached through another is dialled directly again; dials it if that is now. */
  #upgradeDue(peer: PeerId, known: Known, now: number): number {
    const isRelayed = this.#transport.link(peer)?.kind === "relayed";
    const atMs = this.#known.upgradeAtMs(peer, { isRelayed });
    if (atMs === Infinity) return Infinity;
    if (atMs > now || this.#dialing.size >= MOST_DIALS) return Math.max(atMs, now + 1000);
    this.#known.upgrading(peer);
    const dial = this.#tryDirectly(known).finally(() => this.#dialing.delete(peer)).then(() => this.#run());
    this.#dialing.set(peer, dial);
    return this.#known.upgradeAtMs(peer, { isRelayed });
  }

  #dial(peer: PeerId, known: Known): void {
    const dial = this.#tryAll(peer, known).then((failure) => {
      this.#dialing.delete(peer);
      if (failure === null || this.#closing.signal.aborted || this.#isConnected(peer)) return;
      this.#known.failed(peer, known);
    }).finally(() => this.#run());
    this.#dialing.set(peer, dial);
  }

  /** Null when connected; else why it cannot be reached. */
  async #tryAll(peer: PeerId, known: Known): Promise<string | null> {
    const failure = await this.#tryDirectly(known);
    if (failure === null || this.#isConnected(peer) || this.#closing.signal.aborted) return null;
    if (known.failures === 0) this.#options.onUnreachable(peer, known.addresses[0] ?? "", failure);
    if (known.relays.length === 0) return failure;
    await this.#pause(BEFORE_RELAY_MS);
    for (const relay of known.relays) {
      if (this.#isConnected(peer)) return null;
      if (this.#transport.link(relay)?.kind !== "direct") continue;
      if (await this.#try(relayedAddress(relay, peer)) === null) return null;
    }
    return failure;
  }

  async #pause(ms: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>(), { clock } = this.#options;
    const { signal } = this.#closing, stop = () => resolve();
    using _ = clock.alarm(clock.now() + ms, resolve);
    signal.addEventListener("abort", stop);
    await promise;
    signal.removeEventListener("abort", stop);
  }

  #isConnected(peer: PeerId): boolean {
    return this.#transport.peers().includes(peer);
  }

  /** Null when connected; else why the first address failed. */
  async #tryDirectly({ addresses, relays }: Known): Promise<string | null> {
    const failures: string[] = [];
    for (const address of addresses) {
      const failure = await this.#try(address, relays.length > 0 ? IMPATIENT_MS : Infinity);
      if (failure === null) return null;
      failures.push(failure);
    }
    return failures[0] ?? "it has no address";
  }

  async #try(address: string, longestMs = Infinity): Promise<string | null> {
    const { clock } = this.#options, late = new AbortController();
    using _ = clock.alarm(clock.now() + longestMs, () => late.abort());
    try {
      await this.#transport.connect(address, { signal: AbortSignal.any([late.signal, this.#closing.signal]) });
      return null;
    } catch (error) {
      if (late.signal.aborted) return `Cannot connect to ${address}: no answer within ${longestMs / 1000} s.`;
      return reasonOf(error);
    }
  }
}
