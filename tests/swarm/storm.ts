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

/** How often each kind of fault came. */
export type StormCounts = Readonly<Record<Fault["kind"], number>>;

interface Fault {
  readonly kind: "kill" | "freeze" | "split";
  /** What it breaks; nothing is broken twice at a time. */
  readonly place: string;
  readonly told: string;
  strike(): void | Promise<void>;
  readonly mended: string;
  mend(): void;
}

const KINDS = ["kill", "freeze", "split"] as const;
const MOMENTS = ["progress", "fetching", "offer", "round"] as const;
/** Rounds, of whoever adopts one, until a fault is mended; longer than S at times. */
const MOST_ROUNDS = 6;

/** Lets the storm rage; resolves when it is over and everybody was started, thawed and connected again. */
export async function storm(flock: Flock, { seed, durationMs, tell }: StormOptions): Promise<StormCounts> {
  const draw = chance(seed), endsAtMs = Date.now() + durationMs;
  const counts = { kill: 0, freeze: 0, split: 0 };
  const standing = new Map<string, { readonly fault: Fault; roundsLeft: number }>();
  const awake = () => flock.names.filter((name) => !standing.has(name));
  const mend = ({ place, mended, mend }: Fault) => {
    standing.delete(place);
    tell(mended);
    mend();
  };
  while (Date.now() < endsAtMs) {
    await flock.happens(["round"], awake());
    for (const one of [...standing.values()]) if (--one.roundsLeft <= 0) mend(one.fault);
    await flock.happens([draw.pick(MOMENTS), "round"], awake());
    const fault = drawFault(flock, draw), roundsLeft = draw.whole(1, MOST_ROUNDS);
    if (standing.has(fault.place) || fault.kind !== "split" && awake().length === 1) continue;
    counts[fault.kind]++;
    standing.set(fault.place, { fault, roundsLeft });
    tell(fault.told);
    await fault.strike();
  }
  tell("the storm is over");
  for (const { fault } of [...standing.values()]) mend(fault);
  return counts;
}

function drawFault(flock: Flock, draw: Chance): Fault {
  const kind = draw.pick(KINDS), name = draw.pick(flock.names);
  switch (kind) {
    case "kill":
      return {
        ...{ kind, place: name, told: `${name} killed`, mended: `${name} started` },
        strike: () => flock.kill(name),
        mend: () => void flock.start(name),
      };
    case "freeze":
      return {
        ...{ kind, place: name, told: `${name} frozen`, mended: `${name} thawed` },
        strike: () => flock.freeze(name),
        mend: () => flock.thaw(name),
      };
    case "split": {
      const groups = twoGroups(draw, flock.names), partition = draw.pick(["silent", "reset"] as const);
      return {
        ...{ kind, place: "links", mended: "links healed" },
        told: `${groups.map((names) => names.join(" ")).join(" | ")} (${partition})`,
        strike: () => flock.split(groups, partition),
        mend: () => flock.heal(),
      };
    }
    default:
      return kind satisfies never;
  }
}

/** Neither of them empty. */
function twoGroups(draw: Chance, names: readonly string[]): readonly (readonly string[])[] {
  const cut = draw.whole(1, names.length - 1);
  const shuffled = names.map((name) => ({ name, at: draw.next() })).sort((a, b) => a.at - b.at).map(({ name }) => name);
  return [shuffled.slice(0, cut), shuffled.slice(cut)];
}
