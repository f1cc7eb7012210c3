/**
 * One seed, and what is worth knowing of it afterwards, as plain data.
 * @module
 */
import type { WeatherOptions } from "./draw_weather.ts";
import type { LiarKind } from "./liars/liar.ts";
import type { Observer } from "./observer.ts";
import { simulate } from "./simulate.ts";

export type SeedOptions = WeatherOptions;

export interface SeedResult {
  readonly seed: number;
  readonly peers: number;
  /** How the liars of the run lied. */
  readonly liars: readonly LiarKind[];
  /** Broken laws, the first few. */
  readonly broken: readonly string[];
  readonly rounds: number;
  readonly tally: Observer["tally"];
  readonly digest: string;
  /** How to run it again. */
  readonly rerun: string;
}

const MOST_FAULTS = 20;

export function runSeed(options: SeedOptions): SeedResult {
  const { seed, peers, rounds, liar, cellSize, isDying } = options;
  const more = `${liar ? ` --liar "${liar}"` : ""}${cellSize ? ` --cells ${cellSize}` : ""}${
    isDying ? " --dying" : ""
  }`;
  const { broken, observer, peers: all } = simulate(options);
  return {
    seed,
    peers,
    liars: all.flatMap(({ liarKind }) => liarKind ?? []),
    broken: broken.slice(0, MOST_FAULTS),
    rounds: Math.max(0, ...[...observer.adoptions.values()].map((adopted) => adopted.at(-1)!.chain.round)),
    tally: observer.tally,
    digest: observer.digest(),
    rerun: `deno task sim --seed ${seed} --peers ${peers} --rounds ${rounds}${more}`,
  };
}
