/**
 * Connections of a large run as peers keep them (`p2p/net/mesh.ts`): a newcomer knows the few of its ticket, learns others
 * from whomever it meets, and dials those that it wants to be connected to (`p2p/net/neighbours.ts`). Nobody has more
 * than a bounded number; announcements are relayed from peer to peer.
 *
 * As in the other wiring, that a link is cut or whole again is noticed within a few seconds: redials do not wait longer.
 * @module
 */
import { neighbours, type Place } from "../../p2p/net/neighbours.ts";
import { maskOf } from "../../p2p/sync/cells.ts";
import type { SimPeer } from "./sim_peer.ts";
import { listensTo, NOTICED_MS, type Wiring, type WiringOptions } from "./wiring.ts";

/** Peers that a ticket names, the founder among them. */
const OF_TICKET = 4;
const MOST_KNOWN = 128, MOST_DIALS = 8;
/** Connections, whoever began them; the least wanted of more are closed. */
const MOST_CONNECTIONS = 64;
/** Beyond so many nobody is let in, not even to ask for others. */
const MOST_ACCEPTED = 300;
const ASK_EVERY_MS = 5_000;
const FIRST_RETRY_MS = 2_000, LONGEST_RETRY_MS = 60_000, MOST_FAILURES = 6;

interface Known {
  readonly isGiven: boolean;
  failures: number;
  retryAtMs: number;
}

interface Node {
  readonly peer: SimPeer;
  readonly connected: Set<Node>;
  readonly known: Map<Node, Known>;
  readonly dialing: Set<Node>;
  /** Whom of those it knows it wants to be connected to, as long as it knows no others, and is in a cell whose name has these digits. */
  wanted: { readonly mask: number; readonly nodes: readonly Node[] } | null;
  /** Grows whenever it has other connections, or it or one of those is in another cell. */
  version: number;
  /** Whom its last announcement reached, as long as none of them has another version. */
  reach: Reach | null;
  /** Which announcement it heard of last, and over how many hops. */
  heard: number;
  hops: number;
  turn: number;
}

interface Reach {
  readonly cell: string;
  /** The peer itself first, the nearest before others. */
  readonly nodes: readonly Node[];
  readonly hops: readonly number[];
  /** The sum of their versions. */
  readonly version: number;
}

export class Mesh implements Wiring {
  readonly #world: WiringOptions;
  readonly #nodes: readonly Node[];
  #announced = 0;

  constructor(options: WiringOptions) {
    this.#world = options;
    this.#nodes = options.peers.map((peer) => ({
      peer,
      connected: new Set(),
      known: new Map(),
      dialing: new Set(),
      wanted: null,
      version: 0,
      reach: null,
      heard: 0,
      hops: 0,
      turn: 0,
    }));
  }

  onUp(peer: SimPeer): void {
    const node = this.#nodes[peer.index]!, { draw, clock } = this.#world;
    node.known.clear();
    node.dialing.clear();
    node.wanted = null;
    const ticket = [0, ...Array.from({ length: OF_TICKET - 1 }, () => draw.whole(0, this.#nodes.length - 1))];
    this.#learn(node, ticket.map((index) => this.#nodes[index]!), { isGiven: true });
    this.#dial(node);
    const life = peer.lives;
    const look = (): void => {
      if (!peer.isUp || peer.lives !== life) return;
      if (!peer.isFrozen) this.#look(node);
      clock.after(ASK_EVERY_MS, look);
    };
    clock.after(draw.between(0, ASK_EVERY_MS), look);
  }

  onDown(peer: SimPeer): void {
    const node = this.#nodes[peer.index]!, { clock, delayMs } = this.#world;
    node.version++;
    for (const other of node.connected) {
      other.connected.delete(node);
      other.version++;
      clock.after(delayMs(), () => {
        if (!other.connected.has(node)) other.peer.tell({ kind: "disconnected", peer: peer.id });
      });
    }
    node.connected.clear();
  }

  onMoved(peer: SimPeer): void {
    const node = this.#nodes[peer.index]!;
    node.version++;
    for (const other of node.connected) other.version++;
  }

  onCuts(): void {
    const { cuts, clock, draw } = this.#world;
    for (const node of this.#nodes) {
      for (const other of node.connected) {
        if (other.peer.index < node.peer.index || cuts.isConnectable(node.peer, other.peer)) continue;
        clock.after(draw.between(0, NOTICED_MS), () => {
          if (!cuts.isConnectable(node.peer, other.peer)) this.#disconnect(node, other);
        });
      }
      const soonMs = clock.nowMs + draw.between(0, NOTICED_MS);
      for (const known of node.known.values()) known.retryAtMs = Math.min(known.retryAtMs, soonMs);
    }
  }

  mayAsk(from: SimPeer, to: SimPeer): boolean {
    return this.#nodes[from.index]!.connected.has(this.#nodes[to.index]!);
  }

  /** Whoever listens to it relays it. */
  announce(from: SimPeer, cell: string, tell: (to: SimPeer, hops: number) => void): void {
    const start = this.#nodes[from.index]!, known = start.reach;
    const isStill = known !== null && known.cell === cell && this.#world.cuts.areNone && isUnchanged(known);
    const { nodes, hops } = isStill ? known : this.#findReach(start, cell);
    for (let i = 1; i < nodes.length; i++) tell(nodes[i]!.peer, hops[i]!);
  }

  #findReach(start: Node, cell: string): Reach {
    const { cuts } = this.#world, announced = ++this.#announced, nodes = [start];
    start.heard = announced;
    start.hops = 0;
    let version = start.version;
    for (const relay of nodes) {
      if (relay.peer.isFrozen) continue;
      for (const node of relay.connected) {
        if (node.heard === announced || !listensTo(node.peer, cell) || !cuts.isOpen(relay.peer, node.peer)) continue;
        node.heard = announced;
        node.hops = relay.hops + 1;
        version += node.version;
        nodes.push(node);
      }
    }
    const reach = { cell, nodes, hops: nodes.map(({ hops }) => hops), version };
    start.reach = cuts.areNone && !nodes.some(({ peer }) => peer.isFrozen) ? reach : null;
    return reach;
  }

  /** What is due from time to time: asks one of the connected whom it has met, and lets go who is too much. */
  #look(node: Node): void {
    const connected = [...node.connected];
    if (connected.length > 0) this.#ask(node, connected[node.turn++ % connected.length]!);
    if (connected.length > MOST_CONNECTIONS) {
      const { wanted, others } = neighbours(placeOf(node), connected, digitsOf);
      for (const other of [...wanted, ...others].slice(MOST_CONNECTIONS)) this.#disconnect(node, other);
    }
    this.#dial(node);
  }

  #ask(node: Node, other: Node): void {
    const { clock, delayMs } = this.#world;
    clock.after(delayMs() + delayMs(), () => {
      if (!node.connected.has(other) || other.peer.isFrozen || node.peer.isFrozen) return;
      if (this.#learn(node, other.connected, { isGiven: false })) this.#dial(node);
    });
  }

  /** Whether any of these was new. */
  #learn(node: Node, others: Iterable<Node>, { isGiven }: { readonly isGiven: boolean }): boolean {
    const { known } = node, retryAtMs = this.#world.clock.nowMs;
    let isNews = false;
    for (const other of others) {
      if (other === node || known.has(other)) continue;
      known.set(other, { isGiven, failures: 0, retryAtMs });
      isNews = true;
    }
    if (isNews) node.wanted = null;
    if (known.size <= MOST_KNOWN) return isNews;
    const { wanted, others: rest } = neighbours(placeOf(node), known.keys(), digitsOf);
    for (const other of [...wanted, ...rest].slice(MOST_KNOWN)) if (!known.get(other)!.isGiven) known.delete(other);
    return isNews;
  }

  /** Dials whom it wants and may, and now and then those of its ticket: they may be the only way to other parts. */
  #dial(node: Node): void {
    const { peer, known, connected, dialing } = node, { nowMs } = this.#world.clock;
    if (!peer.isUp || peer.isFrozen || dialing.size >= MOST_DIALS) return;
    for (const other of this.#wantedBy(node)) {
      if (dialing.size >= MOST_DIALS) return;
      if (connected.has(other) || dialing.has(other) || known.get(other)!.retryAtMs > nowMs) continue;
      this.#try(node, other, known.get(other)!);
    }
  }

  #wantedBy(node: Node): readonly Node[] {
    const { known } = node, place = placeOf(node), { mask } = place;
    if (node.wanted?.mask !== mask) {
      const given = [...known].filter(([, { isGiven }]) => isGiven).map(([other]) => other);
      node.wanted = { mask, nodes: [...given, ...neighbours(place, known.keys(), digitsOf).wanted] };
    }
    return node.wanted.nodes;
  }

  #try(node: Node, other: Node, known: Known): void {
    const { clock, cuts, delayMs } = this.#world, life = node.peer.lives;
    node.dialing.add(other);
    known.retryAtMs = clock.nowMs + LONGEST_RETRY_MS;
    clock.after(delayMs() + delayMs(), () => {
      if (node.peer.lives !== life || !node.peer.isUp) return;
      node.dialing.delete(other);
      const isThere = cuts.isConnectable(node.peer, other.peer) && !other.peer.isFrozen && !node.peer.isFrozen &&
        other.connected.size < MOST_ACCEPTED;
      if (isThere) {
        known.failures = 0;
        this.#connect(node, other);
      } else {
        known.retryAtMs = clock.nowMs + Math.min(LONGEST_RETRY_MS, FIRST_RETRY_MS * 2 ** known.failures++);
        if (!known.isGiven && known.failures >= MOST_FAILURES) {
          node.known.delete(other);
          node.wanted = null;
        }
      }
      this.#dial(node);
    });
  }

  #connect(node: Node, other: Node): void {
    if (node.connected.has(other)) return;
    node.connected.add(other);
    other.connected.add(node);
    node.version++;
    other.version++;
    node.peer.tell({ kind: "connected", peer: other.peer.id });
    other.peer.tell({ kind: "connected", peer: node.peer.id });
    this.#learn(other, [node], { isGiven: false });
    this.#ask(node, other);
    this.#ask(other, node);
  }

  #disconnect(node: Node, other: Node): void {
    if (!node.connected.delete(other)) return;
    other.connected.delete(node);
    node.version++;
    other.version++;
    for (const [one, two] of [[node, other], [other, node]] as const) {
      const known = one.known.get(two);
      if (known !== undefined) known.retryAtMs = this.#world.clock.nowMs + LONGEST_RETRY_MS;
      one.peer.tell({ kind: "disconnected", peer: two.peer.id });
    }
  }
}

function digitsOf({ peer }: Node): number {
  return peer.digits;
}

function placeOf({ peer }: Node): Place {
  return { digits: peer.digits, mask: maskOf(peer.cell) };
}

function isUnchanged({ nodes, version }: Reach): boolean {
  let sum = 0;
  for (const { peer, version } of nodes) {
    if (peer.isFrozen) return false;
    sum += version;
  }
  return sum === version;
}
