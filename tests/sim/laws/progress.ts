/**
 * Law 4: every connected group with a trainer commits rounds, in the calm and in the storm, and all waits are bounded.
 * @module
 */
import { longestMs } from "../../../p2p/sync/scribe.ts";
import type { Network } from "../network.ts";
import type { Observer } from "../observer.ts";
import type { SimPeer } from "../sim_peer.ts";
import type { VirtualTime } from "../virtual_time.ts";
import type { Weather } from "../weather.ts";
import type { Case } from "./laws.ts";
import { hasLostRun, isGivenUp } from "./loss.ts";

/** In the calm rounds follow each other within the longest wait that the rules allow. */
export function progressInTheCalm({ observer, weather, living }: Case): readonly string[] {
  const { stormMs, calmMs } = weather, mostMs = longestWaitMs(weather);
  return living.flatMap(({ id }) => {
    const times = (observer.adoptions.get(id) ?? []).map(({ atMs }) => atMs)
      .filter((atMs) => stormMs < atMs && atMs < stormMs + calmMs);
    const waits = [stormMs, ...times, stormMs + calmMs].map((atMs, i, all) => atMs - (all[i - 1] ?? atMs));
    const longest = Math.max(...waits);
    return longest > mostMs ? [`law 4: ${id} adopted nothing for ${Math.round(longest)} ms in the calm`] : [];
  });
}

/**
 * A round at its longest, what a scribe's absence adds, and slack for loads and clocks that go slowly. A record whose blobs
 * a liar withholds is no other than one whose blobs are on their way: it is hoped for as long as a round may take, once,
 * and only then a rival is written.
 */
function longestWaitMs({ rules: { longestRoundMs }, machines }: Weather): number {
  const isWithheld = machines.some(({ liar }) => liar === "withholds blobs");
  return 3 * longestRoundMs + 10_000 + (isWithheld ? longestMs(longestRoundMs) : 0);
}

interface Watched {
  readonly sinceMs: number;
  readonly members: readonly SimPeer[];
}

/**
 * Watches each group of peers that can reach each other. A group that stays as it is for long enough must adopt
 * something new, if any of it can train.
 */
export class ProgressWatch {
  readonly #clock: VirtualTime;
  readonly #weather: Weather;
  readonly #network: Network;
  readonly #observer: Observer;
  #groups = new Map<string, Watched>();

  constructor(options: { clock: VirtualTime; weather: Weather; network: Network; observer: Observer }) {
    this.#clock = options.clock;
    this.#weather = options.weather;
    this.#network = options.network;
    this.#observer = options.observer;
  }

  start(): void {
    const everyMs = longestMs(this.#weather.rules.longestRoundMs) / 4;
    const look = (): void => {
      if (this.#clock.nowMs > this.#weather.stormMs) return;
      this.#look();
      this.#clock.after(everyMs, look);
    };
    this.#clock.after(everyMs, look);
  }

  #look(): void {
    const { nowMs } = this.#clock, before = this.#groups;
    this.#groups = new Map();
    for (const members of this.#network.groups()) {
      const able = members.filter((peer) => peer.isHonest && !peer.isFrozen && this.#canTrain(peer));
      if (able.length === 0) continue;
      const name = members.map((peer) => `${peer.id}${peer.lives}${peer.isFrozen}`).join(" ");
      const watched = before.get(name) ?? { sinceMs: nowMs, members: able };
      this.#groups.set(name, watched);
      this.#judge(watched);
    }
  }

  #judge({ sinceMs, members }: Watched): void {
    const { nowMs } = this.#clock, mostMs = longestWaitMs(this.#weather);
    if (nowMs - sinceMs < mostMs) return;
    const lastMs = Math.max(...members.map(({ id }) => this.#observer.adoptions.get(id)?.at(-1)?.atMs ?? 0));
    if (nowMs - lastMs < mostMs) return;
    const who = members.map(({ id }) => id).join(", ");
    this.#observer.faults.push(`law 4: ${who} adopted nothing from ${Math.round(lastMs)} to ${Math.round(nowMs)} ms`);
  }

  /** Whoever has a state may train, or ask to be admitted. Who has lost the run, or given it up, may wait to be given one. */
  #canTrain({ id, isUp, lives, disk }: SimPeer): boolean {
    const last = this.#observer.adoptions.get(id)?.at(-1);
    if (!isUp || last === undefined || isGivenUp(last.chain.head, disk, this.#observer)) return false;
    return last.life === lives || !disk.wasDamaged || !hasLostRun(disk);
  }
}
