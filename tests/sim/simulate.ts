/**
 * One run under the weather of one seed: a storm, then calm, then silence; then every law is checked from outside.
 * @module
 */
import { RULEBOOK, type Rulebook } from "../../p2p/sync/rulebook.ts";
import type { Digest } from "../../p2p/sync/types.ts";
import { type Chance, chance } from "../chance.ts";
import { drawWeather, type WeatherOptions } from "./draw_weather.ts";
import { ProgressWatch } from "./laws/progress.ts";
import { brokenLaws } from "./laws/laws.ts";
import { areAtOne } from "./laws/unity.ts";
import type { Meter } from "./meter.ts";
import { Network } from "./network.ts";
import { Observer } from "./observer.ts";
import { sharing } from "./shared_states.ts";
import type { Content } from "./sim_learner.ts";
import { type Bug, SimPeer } from "./sim_peer.ts";
import type { Surroundings } from "./surroundings.ts";
import { VirtualTime } from "./virtual_time.ts";
import { type Machine, nameOf, type Weather } from "./weather.ts";

export interface SimulateOptions extends WeatherOptions {
  /** In place of what the seed draws. */
  readonly weather?: Weather;
  /** Rules of each peer, to plant a bug. */
  readonly rulebookOf?: (peer: number) => Rulebook;
  /** What an honest peer hears and says wrongly, to plant a bug where no rule is. */
  readonly bugOf?: (peer: number) => Bug | null;
  /** Counts what the run costs. */
  readonly meter?: Meter;
}

export interface Outcome {
  readonly broken: readonly string[];
  readonly observer: Observer;
  readonly weather: Weather;
  readonly peers: readonly SimPeer[];
}

/** Longest rounds for which a run with liars goes on, at most, until it has come to rest. */
const MOST_MORE = 8;
/** How often in a round it is asked whether all are at rest. */
const LOOKS_A_ROUND = 4;
/** Rounds after S of them in which two histories that go on beside each other become one. */
const MERGED_WITHIN = 2;

export function simulate(options: SimulateOptions): Outcome {
  const weather = options.weather ?? drawWeather(options);
  const world = new World(weather, options);
  const { observer, peers } = world;
  try {
    world.clock.runUntil(weather.stormMs);
    world.calm();
    world.clock.runUntil(weather.stormMs + weather.calmMs);
    comeToRest(world, weather);
    const isParted = peers.some(({ isHonest }) => !isHonest) && !world.isAtRest;
    if (isParted) {
      // Liars may have parted honest peers at the last: what makes one history of two is rounds, and silence has none.
      const { longestRoundMs, lateRounds } = weather.rules;
      world.speak();
      world.clock.runUntil(world.clock.nowMs + (lateRounds + MERGED_WITHIN) * longestRoundMs);
      comeToRest(world, weather);
    }
  } catch (error) {
    const what = error instanceof Error ? error.stack ?? error.message : String(error);
    return { broken: [`law 8: something threw at ${world.clock.nowMs} ms: ${what}`], observer, weather, peers };
  }
  return { broken: brokenLaws({ observer, weather, peers }), observer, weather, peers };
}

/** Nobody offers any more: what is on its way arrives, and what follows from it is done. */
function comeToRest(world: World, { rules: { longestRoundMs }, silenceMs, leastSilenceMs = silenceMs }: Weather): void {
  world.silence();
  const silentFromMs = world.clock.nowMs;
  // Liars are never silent: a record that counts a late offer of theirs may still be on its way.
  const moreMs = world.peers.every(({ isHonest }) => isHonest) ? 0 : MOST_MORE * longestRoundMs;
  const endMs = silentFromMs + silenceMs + moreMs;
  world.clock.runUntil(silentFromMs + leastSilenceMs);
  while (world.clock.nowMs < endMs && !world.isAtRest) {
    world.clock.runUntil(Math.min(endMs, world.clock.nowMs + longestRoundMs / LOOKS_A_ROUND));
  }
}

class World {
  readonly clock = new VirtualTime();
  readonly observer = new Observer(this.clock);
  readonly peers: readonly SimPeer[];
  readonly #network: Network;
  readonly #weather: Weather;
  readonly #draw: Chance;
  #isSilent = false;
  #isTruthful = false;
  readonly #onSpeak: (() => void)[] = [];
  /** How long a peer stays down when its power fails. */
  readonly #downMs = new Map<SimPeer, number>();

  constructor(weather: Weather, { seed, rulebookOf, bugOf, meter }: SimulateOptions) {
    const clock = this.clock, draw = chance(seed);
    this.#weather = weather;
    this.#draw = draw;
    const ids = weather.machines.map((_, i) => nameOf(i));
    const honest = sharing(RULEBOOK);
    const surroundings = this.#surroundings(meter ?? null);
    this.peers = weather.machines.map((machine, index) => {
      const id = ids[index]!, others = ids.filter((other) => other !== id);
      const { rules, blobBytes, weightsBytes } = weather;
      const rulebook = rulebookOf?.(index) ?? honest;
      const bug = bugOf?.(index) ?? null;
      return new SimPeer({ index, id, others, rules, rulebook, bug, machine, blobBytes, weightsBytes }, surroundings);
    });
    this.peers[seed % this.peers.length]!.isRecorded = true;
    this.#network = new Network({
      clock,
      draw,
      weather,
      peers: this.peers,
      onReach: (largest) => this.observer.onReach(largest),
    });
    weather.machines.forEach((machine, i) => this.#plan(this.peers[i]!, machine));
    new ProgressWatch({ clock, weather, network: this.#network, observer: this.observer }).start();
  }

  /** Faults end and whoever is down comes back. */
  calm(): void {
    this.#network.calm();
    for (const peer of this.peers) {
      peer.failAfter(Infinity, null);
      peer.thaw();
      this.#up(peer);
    }
  }

  silence(): void {
    this.#isSilent = this.#isTruthful = true;
  }

  /** Those who fell silent offer again; liars who have ended lying do not begin again. */
  speak(): void {
    this.#isSilent = false;
    for (const act of this.#onSpeak.splice(0)) act();
  }

  /** Whether all are at one, and were so for a round: what was said last may still be on its way. */
  get isAtRest(): boolean {
    const { observer, peers } = this, { rules } = this.#weather;
    return this.clock.nowMs - observer.lastAdoptedAtMs >= rules.longestRoundMs && areAtOne({ observer, peers, rules });
  }

  #plan(peer: SimPeer, { joinsAtMs, leavesAtMs, crashes, freezes, clock: { jumps } }: Machine): void {
    const during = (atMs: number, act: () => void) => this.clock.at(atMs, () => this.#network.isCalm || act());
    this.clock.at(joinsAtMs, () => this.#up(peer));
    if (leavesAtMs !== null) this.clock.at(leavesAtMs, () => peer.tell({ kind: "leave" }));
    for (const { atMs, afterEffects, downMs, disk } of crashes) {
      during(atMs, () => {
        if (!peer.isUp) return;
        this.#downMs.set(peer, downMs);
        peer.failAfter(afterEffects, disk);
      });
    }
    for (const { atMs, forMs } of freezes) {
      during(atMs, () => {
        peer.freeze();
        this.clock.after(forMs, () => peer.thaw());
      });
    }
    for (const { atMs, byMs } of jumps) during(atMs, () => peer.jumpClock(byMs));
  }

  #surroundings(meter: Meter | null): Surroundings {
    return {
      clock: this.clock,
      draw: this.#draw,
      observer: this.observer,
      meter,
      contents: new Map<Digest, Content>(),
      isSilent: () => this.#isSilent,
      onSpeak: (act) => void this.#onSpeak.push(act),
      isTruthful: () => this.#isTruthful,
      deliver: (from, to, message) => this.#network.deliver(from, to, message),
      fetch: (to, blob, from, done) => this.#network.fetch(to, blob, from, done),
      moved: (peer) => this.#network.onMoved(peer),
      down: (peer) => {
        this.#network.onDown(peer);
        this.clock.after(this.#downMs.get(peer) ?? 0, () => this.#up(peer));
      },
    };
  }

  #up(peer: SimPeer): void {
    if (peer.isUp || peer.hasLeft) return;
    peer.start();
    this.#network.onUp(peer);
  }
}
