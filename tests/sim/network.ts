/**
 * The network between simulated peers: how long a message takes, how fast a line is, and when what is cut.
 *
 * Announcements travel as gossip does, messages and blobs need the direct link (`wiring.ts`). A line carries one transfer
 * after the other: two that begin together end as late as two that share it.
 * @module
 */
import { partsOf } from "../../p2p/sync/cells.ts";
import type { BlobName, Message, PeerId } from "../../p2p/sync/types.ts";
import type { Chance } from "../chance.ts";
import { cutOf, Cuts } from "./cuts.ts";
import { Mesh } from "./mesh.ts";
import type { SimPeer } from "./sim_peer.ts";
import type { Audience } from "./surroundings.ts";
import type { VirtualTime } from "./virtual_time.ts";
import { CALM_LINKS, type Links, type Partition, type Weather } from "./weather.ts";
import { AllToAll, type Wiring } from "./wiring.ts";

/** A host gives up on a donor that does not deliver. */
const SLOW_DONOR_MS = 30_000;
/** Peers that are all connected to each other; more make a mesh. */
const MOST_ALL_TO_ALL = 33;

export interface NetworkOptions {
  readonly clock: VirtualTime;
  readonly draw: Chance;
  readonly weather: Weather;
  readonly peers: readonly SimPeer[];
  /** Something was cut or whole again: the peers of the largest group that can reach each other, or null for all. */
  readonly onReach: (largest: ReadonlySet<PeerId> | null) => void;
}

export class Network {
  readonly #clock: VirtualTime;
  readonly #draw: Chance;
  readonly #peers: readonly SimPeer[];
  readonly #byId: ReadonlyMap<PeerId, SimPeer>;
  readonly #bytesPerMs: readonly number[];
  readonly #onReach: NetworkOptions["onReach"];
  readonly #cuts: Cuts;
  readonly #wiring: Wiring;
  #links: Links;
  /** When each line is free again, by peer. */
  readonly #sendsUntilMs: number[];
  readonly #receivesUntilMs: number[];

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
    const cuts = this.#cuts = new Cuts(peers);
    const wired = { clock, draw, peers, cuts, delayMs: () => this.#delayMs() };
    this.#wiring = peers.length <= MOST_ALL_TO_ALL ? new AllToAll(wired) : new Mesh(wired);
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
    this.#cuts.onUpOrDown();
    this.#wiring.onUp(peer);
  }

  /** A peer's process ended, and its connections with it. */
  onDown(peer: SimPeer): void {
    this.#cuts.onUpOrDown();
    this.#wiring.onDown(peer);
  }

  /** A peer is in another cell than before. */
  onMoved(peer: SimPeer): void {
    this.#wiring.onMoved(peer);
  }

  /** Peers that can reach each other both ways, over others too, in groups; for whoever checks progress. */
  groups(): readonly (readonly SimPeer[])[] {
    return this.#cuts.groups();
  }

  /** Delivers to one peer, or to all that gossip reaches. */
  deliver(from: SimPeer, to: Audience, message: Message): void {
    if ("cell" in to) {
      for (const part of partsOf(to.cell)) {
        this.#wiring.announce(from, part, (peer, hops) => this.#send(from, peer, { message, hops }));
      }
      return;
    }
    const peer = this.#byId.get(to.peer);
    if (peer?.isUp && peer !== from && this.#mayAsk(from, peer)) this.#send(from, peer, { message, hops: 1 });
  }

  /** Calls back once: with the bytes arrived, or with none of these peers having delivered. */
  fetch(to: SimPeer, blob: BlobName, from: readonly PeerId[], done: (found: boolean) => void): void {
    const [first, ...others] = from;
    if (first === undefined) return done(false);
    const donor = this.#byId.get(first)!;
    const next = () => this.fetch(to, blob, others, done);
    const askMs = Math.min(2 * this.#delayMs(), SLOW_DONOR_MS);
    if (!donor.isUp || !this.#mayAsk(to, donor) || !this.#mayAsk(donor, to)) return this.#clock.after(askMs, next);
    if (donor.isFrozen) return this.#clock.after(SLOW_DONOR_MS, next);
    if (!donor.serves(blob.digest, to.id)) return this.#clock.after(askMs, next);
    const endsAtMs = this.#occupy(donor.index, to.index, blob.sizeBytes) + askMs;
    if (endsAtMs - this.#clock.nowMs > SLOW_DONOR_MS) return this.#clock.after(SLOW_DONOR_MS, next);
    this.#clock.at(endsAtMs, () => {
      const isWhole = donor.isUp && !donor.isFrozen && this.#cuts.isOpen(donor, to) &&
        !this.#draw.happens(this.#links.loss / 4);
      return isWhole ? done(true) : next();
    });
  }

  #mayAsk(from: SimPeer, to: SimPeer): boolean {
    return this.#cuts.isOpen(from, to) && this.#wiring.mayAsk(from, to);
  }

  #plan(partition: Partition): void {
    const { fromMs, untilMs, flapMs } = partition, cut = cutOf(partition, this.#peers.length);
    const begin = (): void => {
      if (this.isCalm || this.#clock.nowMs >= untilMs) return;
      this.#cuts.begin(cut);
      this.#changed();
      this.#clock.at(flapMs === undefined ? untilMs : Math.min(untilMs, this.#clock.nowMs + flapMs), end);
    };
    const end = (): void => {
      if (!this.#cuts.end(cut)) return;
      this.#changed();
      if (flapMs !== undefined) this.#clock.after(flapMs, begin);
    };
    this.#clock.at(fromMs, begin);
  }

  #changed(): void {
    const [largest] = this.groups().toSorted((a, b) => b.length - a.length);
    this.#onReach(this.#cuts.areNone ? null : new Set(largest?.map(({ id }) => id)));
    this.#wiring.onCuts();
  }

  #send(from: SimPeer, to: SimPeer, { message, hops }: { readonly message: Message; readonly hops: number }): void {
    const links = this.#links, draw = this.#draw;
    if (links.loss > 0 && draw.happens(links.loss)) return;
    const copies = links.duplication > 0 && draw.happens(links.duplication) ? 2 : 1;
    for (let copy = 0; copy < copies; copy++) {
      let delayMs = this.#delayMs();
      for (let hop = 1; hop < hops; hop++) delayMs += this.#delayMs();
      this.#clock.after(delayMs, () => to.hear(from.id, message));
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

  #delayMs(): number {
    const { delayMs, tail, tailMs } = this.#links;
    return tail > 0 && this.#draw.happens(tail)
      ? this.#draw.between(0, tailMs)
      : delayMs * this.#draw.between(0.5, 1.5);
  }
}
