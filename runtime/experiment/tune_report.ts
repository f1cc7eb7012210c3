/**
 * What a tuning sweep found: every point with its loss and spread, the best first, and what that suggests.
 *
 * Reads the results of a sweep at any time. Pure; nothing here writes.
 * @module
 */
import type { RunConfig } from "../config.ts";
import { medianOf } from "../state/robust/rule.ts";
import { deviationOf } from "./cbs_report.ts";
import type { Results } from "./sweep_plan.ts";
import { pointsOf, rateOf, roundsOf, tuneId, type TuneOptions, type TunePoint } from "./tune_plan.ts";

export interface TuneRow extends TunePoint {
  /** What the factor means for the run. */
  readonly rate: number;
  /** Mean held-out loss over the seeds that are done; null if none is, or one diverged. */
  readonly loss: number | null;
  /** Standard deviation between seeds; null with fewer than two. */
  readonly deviation: number | null;
  readonly seeds: number;
  readonly hasDiverged: boolean;
}

export interface TuneReport {
  /** Best first; those that diverged or are not done last. */
  readonly rows: readonly TuneRow[];
  /** Standard deviation of one trial between seeds, over all points; null with one seed. */
  readonly noise: number | null;
  /** The best of those that have all their seeds; null before there is one. */
  readonly best: TuneRow | null;
  /** Points whose mean is so near to the best that noise explains the difference. */
  readonly asGood: readonly TuneRow[];
  /** What the user should know of the suggestion, in sentences. */
  readonly remarks: readonly string[];
}

export function reportTune(options: TuneOptions, results: Results): TuneReport {
  const rows = pointsOf(options).map((point) => rowOf(options, point, results))
    .sort((a, b) => (a.loss ?? Infinity) - (b.loss ?? Infinity) || 0);
  const noise = noiseOf(rows, options.seeds);
  const best = rows.find(({ loss, seeds }) => loss !== null && seeds === options.seeds) ?? null;
  // Two means of n trials differ by chance by √(2/n) deviations; twice that is rare.
  const near = noise === null || best === null ? 0 : 2 * noise * Math.sqrt(2 / options.seeds);
  const asGood = best === null || noise === null
    ? []
    : rows.filter((row) => row !== best && row.loss !== null && row.loss - best.loss! <= near);
  return { rows, noise, best, asGood, remarks: best === null ? [] : remarksOn(options, { best, asGood, noise }) };
}

/** The run with what was best, as a configuration of its own. */
export function suggestedRun(
  config: RunConfig,
  { batch }: TuneOptions,
  { rate, outerRate, momentum }: TuneRow,
): RunConfig {
  return {
    ...config,
    training: { ...config.training, batch, learningRate: Number(rate.toPrecision(4)) },
    outer: { ...config.outer, learningRate: outerRate, momentum },
  };
}

/**
 * The median deviation of the rows, which the few near the edge of stability do not move as they would a mean, over
 * what the median of sample deviations is of the true one: √(1 − 2/9k)³ with k degrees of freedom (Wilson and Hilferty
 * 1931).
 */
function noiseOf(rows: readonly TuneRow[], seeds: number): number | null {
  const found = rows.flatMap((row) => row.deviation === null || row.seeds < seeds ? [] : [row.deviation]);
  return found.length === 0 ? null : medianOf(found) / Math.sqrt((1 - 2 / (9 * (seeds - 1))) ** 3);
}

function rowOf(options: TuneOptions, point: TunePoint, results: Results): TuneRow {
  const found = Array.from({ length: options.seeds }, (_, i) => results.get(tuneId(point, options.run.seed + i)))
    .filter((result) => result !== undefined);
  const losses = found.flatMap(({ outcome, loss }) => outcome === "diverged" || loss === null ? [] : [loss]);
  const hasDiverged = losses.length < found.length, isKnown = losses.length > 0 && !hasDiverged;
  return {
    ...point,
    rate: rateOf(options, point),
    loss: isKnown ? losses.reduce((sum, loss) => sum + loss, 0) / losses.length : null,
    deviation: isKnown ? deviationOf(losses) : null,
    seeds: found.length,
    hasDiverged,
  };
}

/** Below so many rounds momentum has not paid yet, whatever a trial says. */
const ROUNDS_FOR_MOMENTUM = 100;

function remarksOn(
  options: TuneOptions,
  { best, asGood, noise }: Pick<TuneReport, "asGood" | "noise"> & { readonly best: TuneRow },
): string[] {
  const { rates, outerRates, momenta, run: { model }, proxy } = options, rounds = roundsOf(options);
  const remarks: string[] = [];
  const atEdge = (what: string, value: number, tried: readonly number[], flag: string) => {
    if (tried.length < 2 || (value > Math.min(...tried) && value < Math.max(...tried))) return;
    const side = value === Math.min(...tried) ? "lowest" : "highest";
    remarks.push(
      `The best ${what} is the ${side} that was tried: a ${
        side === "lowest" ? "lower" : "higher"
      } one may be better (${flag}).`,
    );
  };
  atEdge("learning rate", best.factor, rates, "--rates");
  if (outerRates.length > 2) atEdge("outer rate", best.outerRate, outerRates, "--outer-rates");
  if (noise === null) {
    remarks.push("One seed: whether near losses differ by more than chance is not known; --seeds 3 tells.");
  } else if (asGood.length > 0) {
    remarks.push(
      `${asGood.length} other ${
        asGood.length === 1 ? "choice is" : "choices are"
      } as good within the noise between seeds.`,
    );
  }
  if (momenta.length > 1 && rounds < ROUNDS_FOR_MOMENTUM) {
    remarks.push(
      `A trial has ${rounds} rounds. Outer momentum pays over hundreds: for a long run try more --tokens or fewer --steps.`,
    );
  }
  if (model.width !== proxy.width) {
    remarks.push(
      `The rate was found at width ${proxy.width} and is carried to ${model.width} as 1/width; outer rate and momentum are ` +
        "carried as they are.",
    );
  }
  return remarks;
}
