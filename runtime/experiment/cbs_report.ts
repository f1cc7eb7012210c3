/**
 * What a critical-batch sweep found: steps at each batch size, the fit, B*, and how B* moves with what was varied.
 *
 * Reads the results of a sweep at any time, also of an unfinished one. Pure; nothing here writes.
 * @module
 */
import { parameterLayout } from "../model/parameters.ts";
import { type CbsOptions, dataShares, idOf, plannedTokens, type Series, seriesOf, targetsOf } from "./cbs_plan.ts";
import { type CriticalBatch, fitPowerLaw, measureCriticalBatch, type PowerLaw } from "./critical_batch.ts";
import { stepsTo } from "./curve.ts";
import { simpleNoiseScale } from "./noise_scale.ts";
import type { Results } from "./sweep_plan.ts";

/** One batch size: over all seeds. */
export interface CbsRow {
  readonly batch: number;
  /** Whether all of its trials are done. */
  readonly isTried: boolean;
  /** Geometric mean over the seeds; null unless all of them reached their target. */
  readonly steps: number | null;
  /** By seed: steps at the best rate, null if no rate reached the target. */
  readonly bySeed: readonly (number | null)[];
  /** By seed: the factor of the rate that was best. */
  readonly factors: readonly (number | null)[];
  /** Steps by the fit ÷ steps − 1; null without both. */
  readonly residual: number | null;
}

/** One value of what is varied, or all there is. */
export interface CbsAnswer {
  readonly label: string;
  /** What B* is fitted over: tokens of the reference where data is varied, else the model's parameters. */
  readonly x: number;
  readonly parameters: number;
  /** Tokens that the reference was trained on. */
  readonly tokens: number;
  readonly contextLength: number;
  /** Whether the untrained model has the target already, so that nothing can be measured. */
  readonly isTrivial: boolean;
  /** By seed; null while it is not known. */
  readonly targets: readonly (number | null)[];
  readonly rows: readonly CbsRow[];
  /** Of the mean steps; null with fewer than two batch sizes. */
  readonly critical: CriticalBatch | null;
  /** Of each seed alone; null where no positive a fits. */
  readonly bySeed: readonly (number | null)[];
  /** Standard deviation of B* between seeds; null with fewer than two. */
  readonly deviation: number | null;
  /** B_simple at the end of the reference's best trials, in sequences: mean over seeds; null if unknown or drowned. */
  readonly noiseScale: number | null;
}

export interface CbsReport {
  readonly answers: readonly CbsAnswer[];
  /** How B* moves with what was varied; null if nothing was, or too little is known. */
  readonly law: PowerLaw | null;
  /** The exponent of each seed alone, where it has one. */
  readonly exponents: readonly number[];
}

export function reportCbs(options: CbsOptions, results: Results): CbsReport {
  const all = seriesOf(options), labels = [...new Set(all.map(({ label }) => label))];
  const answers = labels.flatMap((label) => {
    const seeds = all.filter((series) => series.label === label);
    return dataShares(options).map((share, i) => answerOf(options, { seeds, share, target: i, results }));
  });
  if (options.vary === null) return { answers, law: null, exponents: [] };
  const lawOf = (batch: (answer: CbsAnswer) => number | null) =>
    fitPowerLaw(answers.flatMap((answer) => {
      const y = batch(answer);
      return y === null ? [] : [{ x: answer.x, y }];
    }));
  return {
    answers,
    law: lawOf(({ critical }) => critical !== null && critical.a > 0 ? critical.batch : null),
    exponents: Array.from({ length: options.seeds }, (_, i) => lawOf(({ bySeed }) => bySeed[i] ?? null)?.exponent)
      .filter((exponent) => exponent !== undefined),
  };
}

function answerOf(options: CbsOptions, { seeds, share, target, results }: {
  readonly seeds: readonly Series[];
  readonly share: number;
  /** Which of the targets. */
  readonly target: number;
  readonly results: Results;
}): CbsAnswer {
  const { reference, vary } = options, { model, label } = seeds[0]!;
  const targets = seeds.map((series) => targetsOf(options, series, results)?.[target] ?? null);
  const measured = options.batches.map((batch) => {
    const best = seeds.map((series, i) => bestOf(options, { series, batch, target: targets[i]!, results }));
    const bySeed = best.map((found) => found?.steps ?? null);
    const isTried = seeds.every((series) => options.rates.every((factor) => results.has(idOf(series, batch, factor))));
    return {
      batch,
      isTried,
      bySeed,
      factors: best.map((found) => found?.factor ?? null),
      steps: geometricMean(bySeed),
    };
  });
  const points = measured.flatMap(({ batch, steps }) => steps === null ? [] : [{ batch, steps }]);
  const critical = measureCriticalBatch(points, { reference });
  const bySeed = seeds.map((_, i) => {
    const own = measured.flatMap(({ batch, bySeed }) => bySeed[i] === null ? [] : [{ batch, steps: bySeed[i]! }]);
    const found = measureCriticalBatch(own, { reference });
    return found !== null && found.a > 0 ? found.batch : null;
  });
  const tokens = share * plannedTokens(options), parameters = parameterLayout(model).parameterCount;
  return {
    label: vary?.what === "data" ? `data ×${Number((tokens / options.tokens).toPrecision(4))}` : label,
    x: vary === null || vary.what === "data" ? tokens : parameters,
    parameters,
    tokens,
    contextLength: model.contextLength,
    isTrivial: seeds.some((series, i) => isUntrained(options, { series, target: targets[i]!, results })),
    targets,
    rows: measured.map((row) => {
      const place = points.findIndex(({ batch }) => batch === row.batch);
      return { ...row, residual: critical?.residuals[place] ?? null };
    }),
    critical,
    bySeed,
    deviation: deviationOf(bySeed.filter((batch) => batch !== null)),
    noiseScale: share === 1 ? noiseScaleOf(options, seeds, results) : null,
  };
}

/** Whether no step was needed for the target. */
function isUntrained({ batches, rates }: CbsOptions, { series, target, results }: {
  readonly series: Series;
  readonly target: number | null;
  readonly results: Results;
}): boolean {
  return target !== null && batches.some((batch) =>
    rates.some((factor) => {
      const result = results.get(idOf(series, batch, factor));
      return result !== undefined && stepsTo(result.curve, target) === 0;
    })
  );
}

/** The fewest steps in which a rate reached the target. */
function bestOf(options: CbsOptions, { series, batch, target, results }: {
  readonly series: Series;
  readonly batch: number;
  readonly target: number | null;
  readonly results: Results;
}): { readonly steps: number; readonly factor: number } | null {
  if (target === null) return null;
  const found = options.rates.flatMap((factor) => {
    const result = results.get(idOf(series, batch, factor)),
      steps = result === undefined ? null : stepsTo(result.curve, target);
    return steps === null || steps === 0 ? [] : [{ steps, factor }];
  });
  return found.sort((a, b) => a.steps - b.steps)[0] ?? null;
}

function noiseScaleOf({ rates, reference }: CbsOptions, seeds: readonly Series[], results: Results): number | null {
  const scales = seeds.map((series) => {
    const trained = rates.map((factor) => results.get(idOf(series, reference, factor)))
      .filter((result) => result !== undefined && result.noise !== null && result.loss !== null)
      .sort((a, b) => a!.loss! - b!.loss!);
    return trained[0] === undefined ? null : simpleNoiseScale(trained[0].noise!);
  });
  return geometricMean(scales);
}

function geometricMean(values: readonly (number | null)[]): number | null {
  if (values.length === 0 || values.some((value) => value === null)) return null;
  return Math.exp(values.reduce<number>((sum, value) => sum + Math.log(value!), 0) / values.length);
}

/** Sample standard deviation. */
export function deviationOf(values: readonly number[]): number | null {
  if (values.length < 2) return null;
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  return Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (values.length - 1));
}
