/**
 * A benchmark made of trials: runs those that are not kept yet, and says in lines what all of them show.
 * @module
 */
import type { Bench, BenchLine } from "../line.ts";
import { lossAt } from "./course.ts";
import { deviationOf, differenceOf, meanOf } from "./compare.ts";
import { SEEDS, TOKENS } from "./setting.ts";
import { type Finished, keyOf, type Trial } from "./trial.ts";
import { readTrials, runTrials } from "./trials.ts";

export interface ProofBenchOptions {
  readonly name: string;
  readonly question: string;
  /** After which its trials are compared; those of the shared setting if absent. */
  readonly tokens?: number;
  /** All trials of one seed. */
  readonly trials: (seed: number) => readonly Trial[];
  /** What those of some seeds show. */
  readonly lines: (finished: readonly Finished[]) => readonly BenchLine[];
}

export interface ProofBench extends Bench, ProofBenchOptions {
  /** What is kept of all trials of the seeds whose trials are all done; for pictures. */
  kept(): readonly Finished[];
}

/** Processes at once, unless said otherwise. */
const JOBS = 2;

export function proofBench(options: ProofBenchOptions): ProofBench {
  const { name, trials, lines } = options;
  return {
    ...options,
    kept() {
      const kept = new Map(readTrials(name).map((finished) => [finished.key, finished]));
      return SEEDS.flatMap((seed) => {
        const found = trials(seed).flatMap((trial) => kept.get(keyOf(trial)) ?? []);
        return found.length === trials(seed).length ? found : [];
      });
    },
    async *run({ quick = false, jobs = JOBS }) {
      const seeds = quick ? SEEDS.slice(0, 1) : SEEDS, startMs = performance.now();
      const finished = await runTrials(seeds.flatMap(trials), {
        bench: name,
        jobs,
        onFinished({ name, seed, learningRate, loss }, leftCount) {
          const minutes = ((performance.now() - startMs) / 60_000).toFixed(1);
          console.error(
            `${minutes} min: ${name}, rate ${learningRate}, seed ${seed}: ${loss.toFixed(4)}; ${leftCount} to go`,
          );
        },
      });
      yield* lines(finished);
    },
  };
}

/** Trials of one way at its best learning rate of the grid. */
export interface Tuned {
  readonly name: string;
  /** After which losses are. */
  readonly tokens: number;
  readonly learningRate: number;
  /** Whether a rate beyond the grid might be better. */
  readonly isAtEdge: boolean;
  /** In the order of seeds. */
  readonly trials: readonly Finished[];
  readonly losses: readonly number[];
}

/** For each way, in the order of the trials, the rate with the least mean loss after the run's tokens. */
export function tuned(finished: readonly Finished[], tokens = TOKENS): readonly Tuned[] {
  return [...Map.groupBy(finished, ({ name }) => name)].map(([name, own]) => {
    const byRate = [...Map.groupBy(own, ({ learningRate }) => learningRate)].map(([learningRate, trials]) => ({
      learningRate,
      trials,
      losses: trials.map(({ course }) => lossAt(course, tokens)),
    }));
    const rates = own.map(({ learningRate }) => learningRate), edges = [Math.min(...rates), Math.max(...rates)];
    const best = byRate.reduce((best, one) => meanOf(one.losses) < meanOf(best.losses) ? one : best);
    return { name, tokens, isAtEdge: edges.includes(best.learningRate), ...best };
  });
}

/** What a way's trials say of loss after equal tokens, and against whom it is compared. */
export function lossFigures(way: Tuned, baseline: Tuned): BenchLine {
  const { mean, within, verdict } = differenceOf(way.losses, baseline.losses);
  return {
    name: way.name,
    seeds: way.losses.length,
    learningRate: way.learningRate,
    isAtEdge: way.isAtEdge,
    loss: rounded(meanOf(way.losses)),
    deviation: rounded(deviationOf(way.losses)),
    ...(way === baseline ? {} : {
      difference: rounded(mean),
      within: within === null ? null : rounded(within),
      verdict,
    }),
  };
}

/** The mean over a way's trials. */
export function meanOver({ trials }: Tuned, of: (trial: Finished) => number, digits = 4): number {
  return rounded(meanOf(trials.map(of)), digits);
}

export function rounded(value: number, digits = 4): number {
  return Number(value.toFixed(digits));
}
