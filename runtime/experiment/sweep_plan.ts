/**
 * What a sweep is asked, and which trials answer it.
 *
 * A plan says which trials there are, given what is known so far: later ones may depend on the results of earlier ones.
 * It must be a function of those results alone, so that a sweep that is resumed asks for the same trials.
 * @module
 */
import type { Question } from "./sweep_file.ts";
import type { Trial, TrialResult } from "./trial.ts";

export type Results = ReadonlyMap<string, TrialResult>;

/** What is asked, and which trials answer it. */
export interface SweepPlan {
  /** The sweep's file in its folder. */
  readonly name: string;
  readonly question: Question;
  /** All trials that are known to be needed by now, finished ones too, in the order in which they are done. */
  trials(results: Results): readonly Trial[];
  /** How many trials there are in the end, those that are not known yet included, if none turns out to be in vain. */
  readonly trialCount: number;
  /** Tokens that a trial will take, as a guess, for the time to go; of trials that are not known yet too. */
  tokensToGo(results: Results): number;
}

/** Whether nothing is left to do. */
export function isComplete(plan: SweepPlan, results: Results): boolean {
  return plan.trials(results).every(({ id }) => results.has(id));
}
