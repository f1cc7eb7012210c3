/**
 * Keeps a peer connected: dials the addresses it was given, learns others from whoever it meets, and dials again what
 * was lost. So a run survives the peer that everybody's ticket names.
 *
 * Addresses learnt from others are hints of strangers: few are kept, few are dialled at once, and a transport checks
 * who answers. A peer passes on what another says of itself, and never the way that its own user gave it, which may
 * lead there from this machine alone.
 * @module
 */
import { decode, encode } from "@ipld/dag-cbor";
import { z } from "zod";
import type { Clock } from "../clock.ts";
import type { PeerId } from "../sync/types.ts";
import type { Transport } from "./transport.ts";

const PROTOCOL = "peers/1";
/** Enough for one cell of peers to know each other all. */
const MOST_CONNECTIONS = 32;
const MOST_PEERS = 128, MOST_ADDRESSES = 8;
const MOST_DIALS = 8;
/** One of the connected peers is asked again after this long: it may have met others since. */
const ASK_EVERY_MS = 5_000;
const FIRST_RETRY_MS = 2_000, LONGEST_RETRY_MS = 60_000;
/** Failed dials after which a peer that was only heard of is forgotten. */
const MOST_FAILURES = 6;

const peersList = z.array(z.array(z.string().min(1).max(300)).max(MOST_ADDRESSES)).max(MOST_PEERS);

export interface MeshOptions {
  /** From the ticket; dialled for as long as the mesh lives. */
  readonly addresses: readonly string[];
  readonly clock: Clock;
  /** Told once, until the peer was connected again. */
  readonly onUnreachable: (address: string, reason: string) => void;
}

interface Known {
  readonly addresses: readonly string[];
  /** From the ticket: never forgotten. */
  readonly given: boolean;
  failures: number;
  retryAtMs: number;
}

/** Works until disposed; dials under way are then aborted. */
export function keepConnected(transport: Transport, options: MeshOptions): AsyncDisposable {
  return new Mesh(transport, options);
}

class Mesh implements AsyncDisposable {
  readonly #transport: Transport;
  readonly #options: MeshOptions;
  /** By the peer id that ends their addresses. */
  readonly #known = new Map<string, Known>();
  /** What each connected peer says of itself. */
  readonly #said = new Map<PeerId, readonly string[]>();
  readonly #dialing = new Map<string, Promise<void>>();
  readonly #asking = new Set<Promise<void>>();
  readonly #closing = new AbortController();
  #alarm: Disposable | null = null;
  #askAtMs: number;
  #turn = 0;

  constructor(transport: Transport, options: MeshOptions) {
    this.#transport = transport;
    this.#options = options;
    this.#askAtMs = options.clock.now() + ASK_EVERY_MS;
    for (const address of options.addresses) this.#learn([address], true);
    transport.onRequest(PROTOCOL, () => Promise.resolve(this.#list()));
    transport.onEvent((event) => {
      if (this.#closing.signal.aborted) return;
      if (event.kind === "connected") return this.#ask(event.peer);
      this.#said.delete(event.peer);
      this.#run();
    });
    for (const peer of transport.peers()) this.#ask(peer);
    this.#run();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort();
    this.#alarm?.[Symbol.dispose]();
    await Promise.all([...this.#dialing.values(), ...this.#asking]);
  }

  /** Own addresses first, then those of the peers connected now. */
  #list(): Uint8Array {
    const connected = this.#transport.peers().flatMap((peer) => this.#said.get(peer)?.slice(0, 4) ?? [])
      .map((address) => [address]);
    return encode([this.#transport.addresses().slice(0, MOST_ADDRESSES), ...connected].slice(0, MOST_PEERS));
  }

  #ask(peer: PeerId): void {
    const known = this.#known.get(peer);
    if (known !== undefined) known.failures = 0;
    const asked = this.#transport.request(peer, PROTOCOL, new Uint8Array(), { signal: this.#closing.signal })
      .then((answer) => {
        const lists = peersList.parse(decode(answer));
        const own = lists[0]?.filter((address) => address.endsWith(`/${peer}`)) ?? [];
        if (this.#transport.peers().includes(peer)) this.#said.set(peer, own);
        for (const addresses of lists) this.#learn(addresses, false);
        this.#run();
      })
      .catch(() => {}) // it tells us nothing; others may
      .finally(() => this.#asking.delete(asked));
    this.#asking.add(asked);
  }

  #learn(addresses: readonly string[], given: boolean): void {
    for (const address of addresses) {
      const peer = address.slice(address.lastIndexOf("/") + 1);
      const known = this.#known.get(peer);
      if (peer === this.#transport.peer || known?.addresses.includes(address)) continue;
      const old = known?.addresses ?? [];
      if (known === undefined && this.#known.size >= MOST_PEERS) continue;
      this.#known.set(peer, {
        // A ticket names the best first; what is heard later is newer and so comes before.
        addresses: (given ? [...old, address] : [address, ...old]).slice(0, MOST_ADDRESSES),
        given: given || (known?.given ?? false),
        failures: 0,
        // Of two peers that hear of each other at once, the one with the greater id lets the other dial first.
        retryAtMs: this.#options.clock.now() + (given || this.#transport.peer < peer ? 0 : FIRST_RETRY_MS),
      });
    }
  }

  /** Asks and dials who is due, and sets the alarm for who is not yet. */
  #run(): void {
    if (this.#closing.signal.aborted) return;
    const now = this.#options.clock.now();
    if (now >= this.#askAtMs) {
      this.#askAtMs = now + ASK_EVERY_MS;
      const peers = this.#transport.peers();
      if (peers.length > 0) this.#ask(peers[this.#turn++ % peers.length]!);
    }
    const nextMs = Math.min(this.#askAtMs, this.#dialDue(now));
    this.#alarm?.[Symbol.dispose]();
    this.#alarm = this.#options.clock.alarm(nextMs, () => this.#run());
  }

  /** When the next dial is due. */
  #dialDue(now: number): number {
    const connected = new Set<string>(this.#transport.peers());
    let nextMs = Infinity;
    for (const [peer, known] of this.#known) {
      if (connected.has(peer) || this.#dialing.has(peer)) continue;
      if (connected.size + this.#dialing.size >= MOST_CONNECTIONS || this.#dialing.size >= MOST_DIALS) break;
      if (known.retryAtMs <= now) this.#dial(peer, known);
      else nextMs = Math.min(nextMs, known.retryAtMs);
    }
    return nextMs;
  }

  #dial(peer: string, known: Known): void {
    const dial = this.#tryAll(known.addresses).then((failure) => {
      this.#dialing.delete(peer);
      if (failure === null || this.#closing.signal.aborted) return;
      known.failures++;
      const waitMs = Math.min(LONGEST_RETRY_MS, FIRST_RETRY_MS * 2 ** (known.failures - 1));
      known.retryAtMs = this.#options.clock.now() + waitMs;
      if (!known.given && known.failures >= MOST_FAILURES) this.#known.delete(peer);
      if (known.failures === 1) this.#options.onUnreachable(known.addresses[0]!, failure);
    }).finally(() => this.#run());
    this.#dialing.set(peer, dial);
  }

  /** Null when connected; else why the last address failed. */
  async #tryAll(addresses: readonly string[]): Promise<string | null> {
    let failure = "it has no address";
    for (const address of addresses) {
      try {
        await this.#transport.connect(address, { signal: this.#closing.signal });
        return null;
      } catch (error) {
        failure = error instanceof Error ? error.message : String(error);
      }
    }
    return failure;
  }
}
