/**
 * The network between simulated peers: who can reach whom, how long a message takes, and how fast a line is.
 *
 * Announcements travel as gossip does, over any path of open links; messages and blobs need the direct link. A line
 * carries one transfer after the other: two that begin together end as late as two that share it.
 * @module
 */
import type { BlobName, Message, PeerId } from "../../p2p/sync/types.ts";
import type { Chance } from "../chance.ts";
import type { SimPeer } from "./sim_peer.ts";
import type { VirtualTime } from "./virtual_time.ts";
import { CALM_LINKS, type Links, type Partition, type Weather } from "./weather.ts";

/** A host gives up on a donor that does not deliver. */
const SLOW_DONOR_MS = 30_000;
/** Until two notice that they are cut off from each other or can connect again, at most. */
const NOTICED_MS = 5_000;

export interface NetworkOptions {
  readonly clock: VirtualTime;
  readonly draw: Chance;
  readonly weather: Weather;
  readonly peers: readonly SimPeer[];
  /** Something was cut or whole again: the peers of the largest group that can reach each other, or null for all. */
  readonly onReach: (largest: ReadonlySet<PeerId> | null) => void;
}

interface Cut {
  /** Group of each peer, by number. */
  readonly groupOf: readonly number[];
  readonly oneWay: boolean;
}

export class Network {
  readonly #clock: VirtualTime;
  readonly #draw: Chance;
  readonly #peers: readonly SimPeer[];
  readonly #byId: ReadonlyMap<PeerId, SimPeer>;
  readonly #bytesPerMs: readonly number[];
  readonly #onReach: NetworkOptions["onReach"];
  #links: Links;
  /** Partitions in force now. */
  readonly #cuts = new Set<Cut>();
  /** When each line is free again, by peer. */
  readonly #sendsUntilMs: number[];
  readonly #receivesUntilMs: number[];
  /** Pairs that know of each other: `a * n + b` with a < b. */
  readonly #connected = new Set<number>();
  /** Whom gossip of each peer reaches, while something is cut. */
  #reach: ReadonlyMap<number, ReadonlySet<number>> | null = null;

  constructor({ clock, draw, weather, peers, onReach }: NetworkOptions) {
    this.#onReach = onReach;
    this.#clock = clock;
    this.#draw = draw;
    this.#peers = peers;
    this.#byId = new Map(peers.map((peer) => [peer.id, peer]));
    this.#links = weather.links;
    this.#bytesPerMs = weather.machines.map(({ bytesPerMs }) => bytesPerMs);
    this.#sendsUntilMs = peers.map(() => 0);
    this.#receivesUntilMs = peers.map(() => 0);
    for (const partition of weather.partitions) this.#plan(partition);
  }

  get isCalm(): boolean {
    return this.#links === CALM_LINKS;
  }

  /** All links are whole from now on. */
  calm(): void {
    this.#links = CALM_LINKS;
    this.#cuts.clear();
    this.#changed();
  }

  /** A peer came up. */
  onUp(peer: SimPeer): void {
    this.#reach = null;
    for (const other of this.#peers) if (other !== peer && other.isUp) this.#review(peer, other, () => this.#delayMs());
  }

  /** A peer's process ended, and its connections with it. */
  onDown(peer: SimPeer): void {
    this.#reach = null;
    for (const other of this.#peers) {
      const pair = this.#pairOf(peer, other);
      if (other === peer || !this.#connected.delete(pair)) continue;
      this.#clock.after(this.#delayMs(), () => {
        if (!this.#connected.has(pair)) other.tell({ kind: "disconnected", peer: peer.id });
      });
    }
  }

  /** Delivers to one peer, or to all that gossip reaches. */
  deliver(from: SimPeer, to: PeerId | null, message: Message): void {
    if (to !== null) {
      const peer = this.#byId.get(to);
      if (peer?.isUp && peer !== from && this.#isOpen(from, peer)) this.#send(from, peer, message);
      return;
    }
    const reached = this.#cuts.size === 0 ? null : this.#reachOf(from);
    for (const peer of this.#peers) {
      if (peer === from || !peer.isUp || reached !== null && !reached.has(peer.index)) continue;
      this.#send(from, peer, message);
    }
  }

  /** Calls back once: with the bytes arrived, or with none of these peers having delivered. */
  fetch(to: SimPeer, blob: BlobName, from: readonly PeerId[], done: (found: boolean) => void): void {
    const [first, ...others] = from;
    if (first === undefined) return done(false);
    const donor = this.#byId.get(first)!;
    const next = () => this.fetch(to, blob, others, done);
    const askMs = Math.min(2 * this.#delayMs(), SLOW_DONOR_MS);
    if (!donor.isUp || !this.#isOpen(to, donor) || !this.#isOpen(donor, to)) return this.#clock.after(askMs, next);
    if (donor.isFrozen) return this.#clock.after(SLOW_DONOR_MS, next);
    if (!donor.serves(blob.digest, to.id)) return this.#clock.after(askMs, next);
    const endsAtMs = this.#occupy(donor.index, to.index, blob.sizeBytes) + askMs;
    if (endsAtMs - this.#clock.nowMs > SLOW_DONOR_MS) return this.#clock.after(SLOW_DONOR_MS, next);
    this.#clock.at(endsAtMs, () => {
      const isWhole = donor.isUp && !donor.isFrozen && this.#isOpen(donor, to) &&
        !this.#draw.happens(this.#links.loss / 4);
      return isWhole ? done(true) : next();
    });
  }

  /** Whether messages go from one to the other. */
  #isOpen(from: SimPeer, to: SimPeer): boolean {
    for (const { groupOf, oneWay } of this.#cuts) {
      const a = groupOf[from.index]!, b = groupOf[to.index]!;
      if (a < b || a > b && !oneWay) return false;
    }
    return true;
  }

  #plan({ fromMs, untilMs, groups, oneWay = false, flapMs }: Partition): void {
    const groupOf = this.#peers.map((_, i) => {
      const group = groups.findIndex((group) => group.includes(i));
      return group === -1 ? groups.length : group;
    });
    const cut: Cut = { groupOf, oneWay };
    const begin = (): void => {
      if (this.isCalm || this.#clock.nowMs >= untilMs) return;
      this.#cuts.add(cut);
      this.#changed();
      this.#clock.at(flapMs === undefined ? untilMs : Math.min(untilMs, this.#clock.nowMs + flapMs), end);
    };
    const end = (): void => {
      if (!this.#cuts.delete(cut)) return;
      this.#changed();
      if (flapMs !== undefined) this.#clock.after(flapMs, begin);
    };
    this.#clock.at(fromMs, begin);
  }

  #changed(): void {
    this.#reach = null;
    const [largest] = this.groups().toSorted((a, b) => b.length - a.length);
    this.#onReach(this.#cuts.size === 0 ? null : new Set(largest?.map(({ id }) => id)));
    const noticeMs = () => this.#draw.between(0, NOTICED_MS);
    for (const peer of this.#peers) {
      for (const other of this.#peers) if (other.index > peer.index) this.#review(peer, other, noticeMs);
    }
  }

  /** Plans that two peers notice a connection lost or found, if what they know of each other is no longer true. */
  #review(a: SimPeer, b: SimPeer, noticeMs: () => number): void {
    const pair = this.#pairOf(a, b), wanted = this.#isConnectable(a, b);
    if (wanted === this.#connected.has(pair)) return;
    this.#clock.after(noticeMs(), () => {
      if (this.#isConnectable(a, b) !== wanted || this.#connected.has(pair) === wanted) return;
      if (wanted) this.#connected.add(pair);
      else this.#connected.delete(pair);
      const kind = wanted ? "connected" : "disconnected";
      a.tell({ kind, peer: b.id });
      b.tell({ kind, peer: a.id });
    });
  }

  #pairOf(a: SimPeer, b: SimPeer): number {
    return Math.min(a.index, b.index) * this.#peers.length + Math.max(a.index, b.index);
  }

  /** One-way cuts leave connections as they are: both ends go on believing in them. */
  #isConnectable(a: SimPeer, b: SimPeer): boolean {
    if (!a.isUp || !b.isUp) return false;
    return ![...this.#cuts].some(({ groupOf, oneWay }) => !oneWay && groupOf[a.index] !== groupOf[b.index]);
  }

  #send(from: SimPeer, to: SimPeer, message: Message): void {
    const links = this.#links, draw = this.#draw;
    if (links.loss > 0 && draw.happens(links.loss)) return;
    const copies = links.duplication > 0 && draw.happens(links.duplication) ? 2 : 1;
    for (let copy = 0; copy < copies; copy++) {
      this.#clock.after(this.#delayMs(), () => to.hear(from.id, message));
    }
  }

  /** Takes both lines for a transfer as soon as both are free, and says when it ends. */
  #occupy(donor: number, to: number, sizeBytes: number): number {
    const { nowMs } = this.#clock;
    const beginsAtMs = Math.max(nowMs, this.#sendsUntilMs[donor]!, this.#receivesUntilMs[to]!);
    // Each line is busy only for as long as the bytes take on it: the rest of it carries others.
    this.#sendsUntilMs[donor] = Math.max(nowMs, this.#sendsUntilMs[donor]!) + sizeBytes / this.#bytesPerMs[donor]!;
    this.#receivesUntilMs[to] = Math.max(nowMs, this.#receivesUntilMs[to]!) + sizeBytes / this.#bytesPerMs[to]!;
    return beginsAtMs + sizeBytes / Math.min(this.#bytesPerMs[donor]!, this.#bytesPerMs[to]!);
  }

  #reachOf(from: SimPeer): ReadonlySet<number> {
    this.#reach ??= new Map(
      this.#peers.filter(({ isUp }) => isUp).map((peer) => [peer.index, this.#reachedFrom(peer)]),
    );
    return this.#reach.get(from.index) ?? new Set();
  }

  #reachedFrom(start: SimPeer): ReadonlySet<number> {
    const reached = new Set([start.index]), open = [start];
    for (const at of open) {
      for (const peer of this.#peers) {
        if (reached.has(peer.index) || !peer.isUp || !this.#isOpen(at, peer)) continue;
        reached.add(peer.index);
        open.push(peer);
      }
    }
    return reached;
  }

  #delayMs(): number {
    const { delayMs, tail, tailMs } = this.#links;
    return tail > 0 && this.#draw.happens(tail)
      ? this.#draw.between(0, tailMs)
      : delayMs * this.#draw.between(0.5, 1.5);
  }

  /** Peers that can reach each other both ways, over others too, in groups; for whoever checks progress. */
  groups(): readonly (readonly SimPeer[])[] {
    const groups: SimPeer[][] = [];
    for (const peer of this.#peers) {
      if (!peer.isUp) continue;
      const group = groups.find(([first]) => this.#isLinked(first!, peer));
      if (group === undefined) groups.push([peer]);
      else group.push(peer);
    }
    return groups;
  }

  #isLinked(a: SimPeer, b: SimPeer): boolean {
    return this.#cuts.size === 0 || this.#reachOf(a).has(b.index) && this.#reachOf(b).has(a.index);
  }
}
