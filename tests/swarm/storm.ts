/**
 * A storm over a flock: peers are killed, frozen and cut apart as a seed draws it, and repaired some rounds later.
 *
 * Moments are those of the protocol: a fault comes when some peer says that it trained, offered, fetched or adopted
 * something. At least one peer is always up and awake, so rounds must go on; if they do not, the storm fails.
 * @module
 */
import { type Chance, chance } from "../chance.ts";
import type { Flock } from "./flock.ts";

export interface StormOptions {
  readonly seed: number;
  /** No new fault comes after this; what is broken is then repaired. */
  readonly durationMs: number;
  /** Told what happens, for people. */
  readonly tell: (what: string) => void;
}

export interface StormCounts {
  readonly kills: number;
  readonly freezes: number;
  readonly partitions: number;
}

interface Repair {
  /** Rounds, of whoever adopts one, until it is done. */
  roundsLeft: number;
  readonly what: string;
  readonly act: () => void;
}

const MOMENTS = ["progress", "fetching", "offer", "round"] as const;
/** Rounds that a peer is down or asleep, or that a partition lasts; longer than S at times. */
const MOST_ROUNDS = 6;

/** Lets the storm rage; resolves when it is over and everybody was started, thawed and connected again. */
export async function storm(flock: Flock, { seed, durationMs, tell }: StormOptions): Promise<StormCounts> {
  const draw = chance(seed), endsAtMs = Date.now() + durationMs;
  const counts = { kills: 0, freezes: 0, partitions: 0 };
  const awake = new Set(flock.names);
  const repairs = new Map<string, Repair>();
  while (Date.now() < endsAtMs) {
    await flock.happens(["round"], [...awake]);
    for (const [key, repair] of repairs) {
      if (--repair.roundsLeft > 0) continue;
      repairs.delete(key);
      tell(repair.what);
      repair.act();
    }
    await flock.happens([draw.pick(MOMENTS), "round"], [...awake]);
    const fault = draw.pick(["kill", "freeze", "split"] as const), roundsLeft = draw.whole(1, MOST_ROUNDS);
    if (fault === "split") {
      if (repairs.has("split")) continue;
      const groups = split(draw, flock.names), kind = draw.pick(["silent", "reset"] as const);
      counts.partitions++;
      tell(`${groups.map((names) => names.join(" ")).join(" | ")} (${kind})`);
      flock.split(groups, kind);
      repairs.set("split", { roundsLeft, what: "healed", act: () => flock.heal() });
      continue;
    }
    const name = draw.pick([...awake].sort());
    if (awake.size === 1) continue;
    awake.delete(name);
    if (fault === "kill") {
      counts.kills++;
      tell(`${name} killed`);
      await flock.kill(name);
      repairs.set(name, { roundsLeft, what: `${name} started`, act: () => (flock.start(name), awake.add(name)) });
    } else {
      counts.freezes++;
      tell(`${name} frozen`);
      flock.freeze(name);
      repairs.set(name, { roundsLeft, what: `${name} thawed`, act: () => (flock.thaw(name), awake.add(name)) });
    }
  }
  tell("the storm is over");
  for (const { act } of repairs.values()) act();
  return counts;
}

/** Two groups, neither of them empty. */
function split(draw: Chance, names: readonly string[]): readonly (readonly string[])[] {
  const cut = draw.whole(1, names.length - 1);
  const shuffled = names.map((name) => ({ name, at: draw.next() })).sort((a, b) => a.at - b.at).map(({ name }) => name);
  return [shuffled.slice(0, cut), shuffled.slice(cut)];
}
