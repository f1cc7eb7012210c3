/**
 * What a peer has heard of others: at which addresses each is said to be, who is connected to it, and when it is to be
 * dialled next. It dials nobody (`mesh.ts`).
 *
 * Addresses learnt from others are hints of strangers: few are kept, and forgotten when they lead nowhere. What the own
 * user gave stays.
 * @module
 */
import type { Clock } from "../clock.ts";
import { isPeerId } from "../identity.ts";
import type { PeerId } from "../sync/types.ts";
import { parseRelayed } from "./transport.ts";

/** Stands for the addresses of a peer that has none, before its id. */
export const NAME_ONLY = "/p2p/";
/** Peers heard of, and addresses of each. */
export const MOST_PEERS = 128, MOST_ADDRESSES = 8;
const FIRST_RETRY_MS = 2_000, LONGEST_RETRY_MS = 60_000;
/** Failed dials after which a peer that was only heard of is forgotten. */
const MOST_FAILURES = 6;
/** Peers through which one other may be reached. */
const MOST_RELAYS = 4;
/** A peer that is reached through another is dialled directly again after this long, later and later. */
const FIRST_UPGRADE_MS = 60_000, LONGEST_UPGRADE_MS = 60 * 60_000;

/** One peer. What is learnt of it makes a new one; the times are kept by `KnownPeers` alone. */
export interface Known {
  readonly addresses: readonly string[];
  /** From the ticket: never forgotten. */
  readonly given: boolean;
  /** Peers that are connected to it. */
  readonly relays: readonly PeerId[];
  /** Dials on end that failed. */
  readonly failures: number;
  readonly retryAtMs: number;
}

interface Entry extends Known {
  failures: number;
  retryAtMs: number;
  upgradeAtMs: number;
  upgradeWaitMs: number;
}

/** How long connections to a peer last. */
interface Stay {
  readonly sinceMs: number;
  /** Connections on end that were soon lost: perhaps it has too many and closes them. */
  readonly brief: number;
}

export interface KnownPeersOptions {
  readonly self: PeerId;
  readonly clock: Clock;
  /** In the order in which they are worth knowing. */
  readonly inOrder: (peers: Iterable<PeerId>) => readonly PeerId[];
}

export class KnownPeers {
  readonly #options: KnownPeersOptions;
  /** By the peer id that ends their addresses. */
  readonly #known = new Map<PeerId, Entry>();
  readonly #stays = new Map<PeerId, Stay>();

  constructor(options: KnownPeersOptions) {
    this.#options = options;
  }

  get(peer: PeerId): Known | undefined {
    return this.#known.get(peer);
  }

  peers(): Iterable<PeerId> {
    return this.#known.keys();
  }

  /** Those of the ticket. */
  given(): readonly PeerId[] {
    return [...this.#known].filter(([, { given }]) => given).map(([peer]) => peer);
  }

  /** Takes an address of the ticket, also one that leads through another peer, which then is one to connect to as well. */
  learnGiven(address: string): void {
    const relayed = parseRelayed(address);
    if (relayed === null || !isPeerId(relayed.relay)) return this.learn([address], { given: true, from: null });
    this.learn([address.slice(0, address.indexOf("/p2p-circuit"))], { given: true, from: null });
    this.learn([`${NAME_ONLY}${relayed.peer}`], { given: true, from: relayed.relay });
  }

  /** Takes addresses of one peer or of several; `from` told of them, and is connected to all but itself. */
  learn(
    addresses: readonly string[],
    { given, from }: { readonly given: boolean; readonly from: PeerId | null },
  ): void {
    const { self, clock, inOrder } = this.#options;
    const direct = addresses.filter((address) => parseRelayed(address) === null);
    for (const [peer, told] of Map.groupBy(direct, (address) => address.slice(address.lastIndexOf("/") + 1))) {
      // Who is not named could not be known again when it is connected.
      if (!isPeerId(peer) || peer === self) continue;
      const known = this.#known.get(peer), old = known?.addresses ?? [];
      const named = told.filter((address) => !address.startsWith(NAME_ONLY));
      const fresh = (given ? named : withoutWebSockets(named)).filter((address) => !old.includes(address));
      const relays = from === null || from === peer || known?.relays.includes(from) ? [] : [from];
      if (known !== undefined && fresh.length === 0 && relays.length === 0) continue;
      const now = clock.now(), isNews = known === undefined || fresh.length > 0;
      this.#known.set(peer, {
        // A ticket names the best first; what is heard later is newer and so comes before.
        addresses: (given ? [...old, ...fresh] : [...fresh, ...old]).slice(0, MOST_ADDRESSES),
        given: given || (known?.given ?? false),
        relays: [...relays, ...known?.relays ?? []].slice(0, MOST_RELAYS),
        failures: isNews ? 0 : known.failures,
        // Of two peers that hear of each other at once, the one with the greater id lets the other dial first.
        retryAtMs: isNews ? now + (given || self < peer ? 0 : FIRST_RETRY_MS) : known.retryAtMs,
        upgradeAtMs: isNews ? now : known.upgradeAtMs,
        upgradeWaitMs: isNews ? FIRST_UPGRADE_MS : known.upgradeWaitMs,
      });
    }
    if (this.#known.size <= MOST_PEERS) return;
    for (const peer of inOrder(this.#known.keys()).slice(MOST_PEERS)) {
      if (!this.#known.get(peer)!.given) this.#known.delete(peer);
    }
  }

  connected(peer: PeerId): void {
    this.#stays.set(peer, { sinceMs: this.#options.clock.now(), brief: this.#stays.get(peer)?.brief ?? 0 });
    if (this.#stays.size > 2 * MOST_PEERS) this.#stays.delete(this.#stays.keys().next().value!);
  }

  /** It was lost: if that was soon again, it is dialled later and later. */
  disconnected(peer: PeerId): void {
    const stay = this.#stays.get(peer), known = this.#known.get(peer), now = this.#options.clock.now();
    if (stay === undefined) return;
    const isBrief = now - stay.sinceMs < LONGEST_RETRY_MS, brief = isBrief ? stay.brief + 1 : 0;
    this.#stays.set(peer, { ...stay, brief });
    if (known === undefined || brief < 2) return;
    known.retryAtMs = Math.max(known.retryAtMs, now + backoffMs(brief - 1));
  }

  /** It answers. */
  answers(peer: PeerId): void {
    const known = this.#known.get(peer);
    if (known !== undefined) known.failures = 0;
  }

  /** A dial failed that began when so much was known of it. */
  failed(peer: PeerId, known: Known): void {
    // What was learnt meanwhile stands in an entry of its own.
    const now = this.#known.get(peer);
    if (now === undefined) return;
    now.failures = known.failures + 1;
    now.retryAtMs = this.#options.clock.now() + backoffMs(now.failures);
    if (!now.given && now.failures >= MOST_FAILURES) this.#known.delete(peer);
  }

  /** There are too many connections: it is not dialled for a while. */
  leave(peer: PeerId): void {
    const known = this.#known.get(peer);
    if (known !== undefined) known.retryAtMs = this.#options.clock.now() + LONGEST_RETRY_MS;
  }

  /** When a connected peer is to be dialled directly: never, unless it is reached through another and has an address. */
  upgradeAtMs(peer: PeerId, { isRelayed }: { readonly isRelayed: boolean }): number {
    const known = this.#known.get(peer);
    if (known === undefined) return Infinity;
    if (!isRelayed || known.addresses.length === 0) known.upgradeAtMs = Infinity;
    else if (known.upgradeAtMs === Infinity) known.upgradeAtMs = this.#options.clock.now() + known.upgradeWaitMs;
    return known.upgradeAtMs;
  }

  /** It is dialled directly now: the next time is later. */
  upgrading(peer: PeerId): void {
    const known = this.#known.get(peer);
    if (known === undefined) return;
    known.upgradeWaitMs = Math.min(LONGEST_UPGRADE_MS, 2 * known.upgradeWaitMs);
    known.upgradeAtMs = this.#options.clock.now() + known.upgradeWaitMs;
  }
}

/** How long to wait after so many failures on end. */
function backoffMs(failures: number): number {
  return Math.min(LONGEST_RETRY_MS, FIRST_RETRY_MS * 2 ** (failures - 1));
}

/** A peer's WebSockets are for browsers: where its TCP cannot be reached they cannot either. */
function withoutWebSockets(addresses: readonly string[]): readonly string[] {
  const plain = addresses.filter((address) => !address.includes("/ws/"));
  return plain.length > 0 ? plain : addresses;
}
