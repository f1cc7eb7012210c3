/**
 * What is fuzzed: a target makes an input by chance, does with it what a peer does, and fails by throwing.
 *
 * A case is known by target, seed and number: `chanceOf` makes its chance from these alone, so that any case can be run
 * again without those before it. Where cases share what they are done to (a peer that is being fuzzed), a target has
 * episodes: a case is run again from the first of its episode.
 * @module
 */
import { type Chance, chance } from "../chance.ts";

export interface Target {
  readonly name: string;
  /** Cases of it among those of all targets, in parts: what is cheap or much exposed gets more. */
  readonly share: number;
  /** Cases that are done to one probe. */
  readonly episode: number;
  begin(chance: Chance): Probe | Promise<Probe>;
}

/** One episode of a target. */
export interface Probe {
  next(chance: Chance): Case;
  /** Called after the last case. @throws {Error} if the episode as a whole has failed. */
  end?(): void | Promise<void>;
}

/** An input, and what is done with it. */
export interface Case {
  readonly sizeBytes: number;
  /**
   * Whether the input was accepted.
   * @throws {Error} for whatever must not come of any input.
   */
  run(): boolean | Promise<boolean>;
}

/** A target whose cases know nothing of each other. */
export function independent(name: string, share: number, next: Probe["next"]): Target {
  return { name, share, episode: 1000, begin: () => ({ next }) };
}

/** The chance of a case; `case` −1 is that of the beginning of the episode at `episode`. */
export function chanceOf(target: string, seed: number, number: number): Chance {
  let state = Math.imul(seed + 1, 0x9e37_79b1) ^ Math.imul(number + 2, 0x85eb_ca6b);
  for (let i = 0; i < target.length; i++) state = Math.imul(state ^ target.charCodeAt(i), 0x0100_0193);
  return chance(state);
}

/** False for an error of the documented kinds, which are told by their names; any other goes on. */
export async function accepts(act: () => unknown, ...refusals: readonly string[]): Promise<boolean> {
  try {
    await act();
    return true;
  } catch (error) {
    if (error instanceof Error && refusals.includes(error.name)) return false;
    throw error;
  }
}
