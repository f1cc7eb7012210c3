/**
 * The partitions in force, and who can reach whom in spite of them.
 *
 * A cut knows machines by number and treats all of one group alike. So peers fall into classes that no cut tells apart,
 * and whether a path leads from one peer to another is a question of few classes, however many peers there are.
 * @module
 */
import type { SimPeer } from "./sim_peer.ts";
import type { Partition } from "./weather.ts";

export interface Cut {
  /** Group of each peer, by number. */
  readonly groupOf: readonly number[];
  readonly oneWay: boolean;
}

export function cutOf({ groups, oneWay = false }: Partition, peerCount: number): Cut {
  const groupOf = Array.from({ length: peerCount }, () => groups.length);
  for (let i = groups.length - 1; i >= 0; i--) for (const peer of groups[i]!) groupOf[peer] = i;
  return { groupOf, oneWay };
}

export class Cuts {
  readonly #peers: readonly SimPeer[];
  readonly #inForce = new Set<Cut>();
  /** Classes reached from each class over peers that are up; found out when it is asked for. */
  #reach: { readonly classOf: readonly string[]; readonly reached: ReadonlyMap<string, ReadonlySet<string>> } | null =
    null;

  constructor(peers: readonly SimPeer[]) {
    this.#peers = peers;
  }

  get areNone(): boolean {
    return this.#inForce.size === 0;
  }

  begin(cut: Cut): void {
    this.#inForce.add(cut);
    this.#reach = null;
  }

  /** Whether it was in force. */
  end(cut: Cut): boolean {
    this.#reach = null;
    return this.#inForce.delete(cut);
  }

  clear(): void {
    this.#inForce.clear();
    this.#reach = null;
  }

  /** A peer came up or went down: paths led over it. */
  onUpOrDown(): void {
    this.#reach = null;
  }

  /** Whether messages go from one to the other. */
  isOpen(from: SimPeer, to: SimPeer): boolean {
    for (const { groupOf, oneWay } of this.#inForce) {
      const a = groupOf[from.index]!, b = groupOf[to.index]!;
      if (a < b || a > b && !oneWay) return false;
    }
    return true;
  }

  /** One-way cuts leave connections as they are: both ends go on believing in them. */
  isConnectable(a: SimPeer, b: SimPeer): boolean {
    if (!a.isUp || !b.isUp) return false;
    for (const { groupOf, oneWay } of this.#inForce) {
      if (!oneWay && groupOf[a.index] !== groupOf[b.index]) return false;
    }
    return true;
  }

  /** Whether any path of open links leads from one to the other, both being up. */
  reaches(from: SimPeer, to: SimPeer): boolean {
    if (this.areNone) return true;
    const { classOf, reached } = this.#reach ??= this.#findReach();
    return reached.get(classOf[from.index]!)?.has(classOf[to.index]!) ?? false;
  }

  /** Peers that can reach each other both ways, over others too, in groups. */
  groups(): readonly (readonly SimPeer[])[] {
    const groups: SimPeer[][] = [];
    for (const peer of this.#peers) {
      if (!peer.isUp) continue;
      const group = groups.find(([first]) => this.reaches(first!, peer) && this.reaches(peer, first!));
      if (group === undefined) groups.push([peer]);
      else group.push(peer);
    }
    return groups;
  }

  #findReach(): { classOf: readonly string[]; reached: ReadonlyMap<string, ReadonlySet<string>> } {
    const cuts = [...this.#inForce];
    const classOf = this.#peers.map(({ index }) => cuts.map(({ groupOf }) => groupOf[index]).join());
    const up = new Map<string, SimPeer>(); // of each class that has peers up, one
    for (const peer of this.#peers) if (peer.isUp) up.set(classOf[peer.index]!, peer);
    const reached = new Map([...up].map(([start, first]) => {
      const found = new Map([[start, first]]);
      for (const at of found.values()) {
        for (const [name, peer] of up) if (!found.has(name) && this.isOpen(at, peer)) found.set(name, peer);
      }
      return [start, new Set(found.keys())] as const;
    }));
    return { classOf, reached };
  }
}
