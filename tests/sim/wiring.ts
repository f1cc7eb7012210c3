/**
 * Who is connected to whom, and whom an announcement reaches. Up to as many peers as `p2p/net/mesh.ts` connects all are
 * connected to all, and what lies between is not simulated (`AllToAll`); beyond that see `mesh.ts`.
 * @module
 */
import type { Chance } from "../chance.ts";
import type { Cuts } from "./cuts.ts";
import type { SimPeer } from "./sim_peer.ts";
import type { VirtualTime } from "./virtual_time.ts";

/** Until two notice that they are cut off from each other or can connect again, at most. */
export const NOTICED_MS = 5_000;

export interface WiringOptions {
  readonly clock: VirtualTime;
  readonly draw: Chance;
  readonly peers: readonly SimPeer[];
  readonly cuts: Cuts;
  /** How long a message takes now. */
  readonly delayMs: () => number;
}

export interface Wiring {
  /** A peer came up. */
  onUp(peer: SimPeer): void;
  /** A peer's process ended, and its connections with it. */
  onDown(peer: SimPeer): void;
  /** A peer is in another cell than before, and listens to others. */
  onMoved(peer: SimPeer): void;
  /** Something was cut, or is whole again. */
  onCuts(): void;
  /** Whether one may send the other a message, or ask it for a blob. */
  mayAsk(from: SimPeer, to: SimPeer): boolean;
  /** Calls back for each peer that hears what this one announces to a cell, with the hops it takes. */
  announce(from: SimPeer, cell: string, reach: (to: SimPeer, hops: number) => void): void;
}

/** Whether a peer listens to what is announced to these digits: as many of its own as its cell's name has, or fewer. */
export function listensTo({ cell, digits }: SimPeer, part: string): boolean {
  return part === "" || part.length <= cell.length && digits >>> (32 - part.length) === Number.parseInt(part, 2);
}

export class AllToAll implements Wiring {
  readonly #world: WiringOptions;
  /** Pairs that know of each other: `a * n + b` with a < b. */
  readonly #connected = new Set<number>();

  constructor(options: WiringOptions) {
    this.#world = options;
  }

  onUp(peer: SimPeer): void {
    const { peers, delayMs } = this.#world;
    for (const other of peers) if (other !== peer && other.isUp) this.#review(peer, other, delayMs);
  }

  onDown(peer: SimPeer): void {
    const { peers, clock, delayMs } = this.#world;
    for (const other of peers) {
      const pair = this.#pairOf(peer, other);
      if (other === peer || !this.#connected.delete(pair)) continue;
      clock.after(delayMs(), () => {
        if (!this.#connected.has(pair)) other.tell({ kind: "disconnected", peer: peer.id });
      });
    }
  }

  onMoved(): void {}

  onCuts(): void {
    const { peers, draw } = this.#world, noticeMs = () => draw.between(0, NOTICED_MS);
    for (const peer of peers) {
      for (const other of peers) if (other.index > peer.index) this.#review(peer, other, noticeMs);
    }
  }

  mayAsk(): boolean {
    return true;
  }

  /** Gossip goes over any path of open links. */
  announce(from: SimPeer, cell: string, reach: (to: SimPeer, hops: number) => void): void {
    const { peers, cuts } = this.#world;
    for (const peer of peers) {
      if (peer !== from && peer.isUp && listensTo(peer, cell) && cuts.reaches(from, peer)) reach(peer, 1);
    }
  }

  /** Plans that two peers notice a connection lost or found, if what they know of each other is no longer true. */
  #review(a: SimPeer, b: SimPeer, noticeMs: () => number): void {
    const { clock, cuts } = this.#world, pair = this.#pairOf(a, b), wanted = cuts.isConnectable(a, b);
    if (wanted === this.#connected.has(pair)) return;
    clock.after(noticeMs(), () => {
      if (cuts.isConnectable(a, b) !== wanted || this.#connected.has(pair) === wanted) return;
      if (wanted) this.#connected.add(pair);
      else this.#connected.delete(pair);
      const kind = wanted ? "connected" : "disconnected";
      a.tell({ kind, peer: b.id });
      b.tell({ kind, peer: a.id });
    });
  }

  #pairOf(a: SimPeer, b: SimPeer): number {
    return Math.min(a.index, b.index) * this.#world.peers.length + Math.max(a.index, b.index);
  }
}
