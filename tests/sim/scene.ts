/**
 * Scenes: fine weather with named machines, and what befalls them written by hand. Boxes last 10 s; the first machine
 * founds the run. A scene fails with every law that it breaks.
 * @module
 */
import { strict as assert } from "node:assert";
import type { ChainState } from "../../p2p/sync/types.ts";
import { drawWeather } from "./draw_weather.ts";
import { type Outcome, simulate, type SimulateOptions } from "./simulate.ts";
import { CALM_LINKS, type Crash, type Machine, TRUE_CLOCK, type Weather } from "./weather.ts";

export const STEADY: Machine = {
  speed: 2_000,
  bytesPerMs: 5_000,
  joinsAtMs: 100,
  leavesAtMs: null,
  crashes: [],
  freezes: [],
  clock: TRUE_CLOCK,
  liar: null,
};

const DEFAULTS = { statistic: "halves", estimator: "debiased", most: null, ceilingTokens: null } as const;

/** Runs a scene and returns it whatever it broke. */
export function play(
  machines: readonly Partial<Machine>[],
  changes: Partial<Weather> = {},
  planted: Pick<SimulateOptions, "rulebookOf" | "bugOf"> = {},
): Outcome {
  const drawn = drawWeather({ seed: 1, peers: machines.length, rounds: 8 });
  const weather: Weather = {
    ...drawn,
    links: { ...CALM_LINKS },
    partitions: [],
    rules: {
      ...drawn.rules,
      firstRoundMs: 10_000,
      leastRoundMs: 10_000,
      longestRoundMs: 20_000,
      batching: { policy: "norm-test", eta: 0.7, ...DEFAULTS },
    },
    machines: machines.map((machine, i) => ({ ...STEADY, joinsAtMs: i === 0 ? 0 : 100, ...machine })),
    blobBytes: 100_000,
    weightsBytes: 400_000,
    stormMs: 100_000,
    calmMs: 60_000,
    silenceMs: 120_000,
    ...changes,
  };
  return simulate({ seed: 1, peers: machines.length, rounds: 8, weather, ...planted });
}

/** Runs a scene that keeps every law. */
export function scene(machines: readonly Partial<Machine>[], changes: Partial<Weather> = {}): Outcome {
  const outcome = play(machines, changes);
  assert.deepEqual(outcome.broken.slice(0, 5), []);
  return outcome;
}

export function crash(atMs: number, changes: Partial<Crash> = {}): Crash {
  return { atMs, afterEffects: 0, downMs: 2_000, disk: null, ...changes };
}

/** The head on which one peer ended. */
export function lastOf({ observer, peers }: Outcome, peer = 0): ChainState {
  return observer.adoptions.get(peers[peer]!.id)!.at(-1)!.chain;
}
