/**
 * One run under the weather of one seed: a storm, then calm, then silence; then every law is checked from outside.
 * @module
 */
import { RULEBOOK, type Rulebook } from "../../p2p/sync/rulebook.ts";
import type { Digest, Message, PeerId } from "../../p2p/sync/types.ts";
import { type Chance, chance } from "../chance.ts";
import { VirtualTime } from "./virtual_time.ts";
import { brokenLaws } from "./laws.ts";
import { Observer } from "./observer.ts";
import { SimPeer, type Surroundings } from "./sim_peer.ts";
import { CALM_LINKS, drawWeather, type Links, type Weather, type WeatherOptions } from "./weather.ts";

export interface SimulateOptions extends WeatherOptions {
  /** In place of what the seed draws. */
  readonly weather?: Weather;
  /** Rules of each peer, to plant a bug. */
  readonly rulebookOf?: (peer: number) => Rulebook;
}

export interface Outcome {
  readonly broken: readonly string[];
  readonly observer: Observer;
  readonly weather: Weather;
  readonly peers: readonly SimPeer[];
}

const NAMES = ["wren", "finch", "robin", "snail", "heron", "swift", "crane", "egret", "stork", "raven", "eagle"];

export function simulate(options: SimulateOptions): Outcome {
  const weather = options.weather ?? drawWeather(options);
  const world = new World(weather, options);
  world.clock.runUntil(weather.stormMs);
  world.calm();
  world.clock.runUntil(weather.stormMs + weather.calmMs);
  world.silence();
  world.clock.runUntil(weather.stormMs + weather.calmMs + weather.silenceMs);
  const { observer, peers } = world;
  return { broken: brokenLaws({ observer, weather, peers }), observer, weather, peers };
}

class World {
  readonly clock = new VirtualTime();
  readonly observer = new Observer(this.clock);
  readonly peers: readonly SimPeer[];
  readonly #weather: Weather;
  readonly #draw: Chance;
  #links: Links;
  #isSilent = false;
  /** How long a peer stays down when its power fails. */
  readonly #downMs = new Map<SimPeer, number>();

  constructor(weather: Weather, { seed, rulebookOf = () => RULEBOOK }: SimulateOptions) {
    this.#weather = weather;
    this.#links = weather.links;
    this.#draw = chance(seed);
    this.peers = weather.machines.map(({ speed }, i) => {
      const self = (NAMES[i] ?? `peer${i}`) as PeerId;
      const core = {
        self,
        rules: weather.rules,
        name: self,
        device: "stub",
        sign: () => SIGNATURE,
        verify: () => true,
      };
      return new SimPeer(
        { core, founder: i === 0, speed, blobBytes: weather.blobBytes },
        this.#surroundings(rulebookOf(i)),
      );
    });
    for (const { fromMs, untilMs } of weather.partitions) {
      for (const atMs of [fromMs, untilMs]) this.clock.at(atMs, () => this.#rewire(atMs));
    }
    weather.machines.forEach(({ joinsAtMs, leavesAtMs, crashes }, i) => {
      const peer = this.peers[i]!;
      this.clock.at(joinsAtMs, () => this.#up(peer));
      if (leavesAtMs !== null) this.clock.at(leavesAtMs, () => peer.tell({ kind: "leave" }));
      for (const { atMs, afterEffects, downMs } of crashes) {
        this.clock.at(atMs, () => {
          if (!peer.isUp || this.#links === CALM_LINKS) return;
          peer.failAfter(afterEffects);
          this.#downMs.set(peer, downMs);
        });
      }
    });
  }

  /** Faults end and whoever is down comes back. */
  calm(): void {
    this.#links = CALM_LINKS;
    for (const peer of this.peers) {
      peer.failAfter(Infinity);
      this.#up(peer);
    }
  }

  silence(): void {
    this.#isSilent = true;
  }

  #surroundings(rulebook: Rulebook): Surroundings {
    return {
      clock: this.clock,
      observer: this.observer,
      rulebook,
      isSilent: () => this.#isSilent,
      deliver: (from, to, message) => this.#deliver(from, to, message),
      fetch: (to, blob, from) => this.#fetch(to, blob, from),
      workMs: (kind) => this.#draw.between(WORK_MS[kind].least, WORK_MS[kind].most),
      down: (peer) => this.#down(peer),
    };
  }

  #up(peer: SimPeer): void {
    if (peer.isUp || peer.hasLeft) return;
    peer.start();
    for (const other of this.peers) {
      if (other !== peer && other.isUp && !this.#areApart(peer, other)) this.#connect(peer, other);
    }
  }

  #connect(a: SimPeer, b: SimPeer): void {
    for (const [peer, other] of [[a, b], [b, a]] as const) {
      this.clock.after(this.#delayMs(), () => {
        if (other.isUp && !this.#areApart(a, b)) peer.tell({ kind: "connected", peer: other.id });
      });
    }
  }

  /** A partition begins or ends: connections across it go or come. */
  #rewire(atMs: number): void {
    this.peers.forEach((peer, i) => {
      for (const other of this.peers.slice(i + 1)) {
        const areApart = this.#areApart(peer, other, atMs);
        if (areApart === this.#areApart(peer, other, atMs - 1) || !peer.isUp || !other.isUp) continue;
        if (!areApart) {
          this.#connect(peer, other);
          continue;
        }
        peer.tell({ kind: "disconnected", peer: other.id });
        other.tell({ kind: "disconnected", peer: peer.id });
      }
    });
  }

  #areApart(a: SimPeer, b: SimPeer, atMs = this.clock.nowMs): boolean {
    const [one, other] = [this.peers.indexOf(a), this.peers.indexOf(b)];
    return this.#weather.partitions.some(({ fromMs, untilMs, groups }) =>
      fromMs <= atMs && atMs < untilMs &&
      groups.findIndex((group) => group.includes(one)) !== groups.findIndex((group) => group.includes(other))
    );
  }

  #down(peer: SimPeer): void {
    this.clock.after(this.#downMs.get(peer) ?? 0, () => this.#up(peer));
    for (const other of this.peers) {
      if (other === peer || !other.isUp) continue;
      this.clock.after(this.#delayMs(), () => !peer.isUp && other.tell({ kind: "disconnected", peer: peer.id }));
    }
  }

  #deliver(from: SimPeer, to: PeerId | null, message: Message): void {
    for (const peer of this.peers) {
      if (peer === from || to !== null && peer.id !== to || !peer.isUp || this.#areApart(from, peer)) continue;
      if (this.#draw.happens(this.#links.loss)) continue;
      const copies = this.#draw.happens(this.#links.duplication) ? 2 : 1;
      for (let copy = 0; copy < copies; copy++) {
        this.clock.after(this.#delayMs(), () => peer.tell({ kind: "message", from: from.id, message }));
      }
    }
  }

  #fetch(to: SimPeer, blob: Digest, from: readonly PeerId[]): { afterMs: number; found: boolean } {
    const donor = this.peers.find((peer) =>
      peer !== to && peer.isUp && from.includes(peer.id) && peer.blobs.has(blob) && !this.#areApart(to, peer)
    );
    const found = donor !== undefined && !this.#draw.happens(this.#links.loss);
    const afterMs = 2 * this.#delayMs() + this.#weather.blobBytes / this.#links.bytesPerMs;
    return { afterMs: Math.min(afterMs, LONGEST_FETCH_MS), found: found && afterMs < LONGEST_FETCH_MS };
  }

  #delayMs(): number {
    const { delayMs, tail, tailMs } = this.#links;
    return this.#draw.happens(tail) ? this.#draw.between(0, tailMs) : delayMs * this.#draw.between(0.5, 1.5);
  }
}

/** A host gives up on donors that do not deliver. */
const LONGEST_FETCH_MS = 20_000;
const SIGNATURE = new Uint8Array(64);
/** Milliseconds of local work. */
const WORK_MS = {
  fold: { least: 20, most: 800 },
  judge: { least: 1, most: 20 },
  cut: { least: 10, most: 300 },
  evaluate: { least: 100, most: 3_000 },
};
