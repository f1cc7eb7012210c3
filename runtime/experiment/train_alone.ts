/**
 * One trial of one model on one device: AdamW at a constant rate after a warm-up, judged by an average of its weights.
 *
 * The protocol of Zhang et al. 2024 (arXiv 2410.21676, §3): no schedule, so that a run need not know its length, and a
 * loss that does not wobble with the last batch because averaged weights are judged. It ends at the target loss, when
 * its tokens are spent, or when it has diverged. Everything that decides a step is a function of the step's number, so
 * an interrupted trial goes on to the same bits.
 * @module
 */
import { initialWeights } from "../model/parameters.ts";
import type { Trainer } from "../train/trainer.ts";
import { predictedTokens } from "../train/windows.ts";
import { measureNoise, type Noise, NOISE_PARTS } from "./noise_scale.ts";
import { type AloneTrial, tokensAStep, type TrialResult } from "./trial.ts";
import type { TrialState } from "./trial_checkpoint.ts";
import { breathing, KEEP_MS, type TrialRun } from "./trial_run.ts";
import { WeightsAverage } from "./weights_average.ts";

/** Held-out losses come at least so dense, as a share of the steps; between them they are interpolated. */
const EVALUATION_SHARE = 0.04;
/** A loss above that of the initial weights by this factor, after the warm-up, will not come back. */
const DIVERGED = 1.1;
/** The noise is measured on about this share of the trial's tokens, with at most so many sequences a part. */
const NOISE_SHARE = 1 / 8, MOST_NOISE_SEQUENCES = 8;

/** Runs a trial to its end; null if the signal stopped it. */
export async function trainAlone(trial: AloneTrial, run: TrialRun): Promise<TrialResult | null> {
  const { bench, signal, clock } = run, { model, batch, seed } = trial, breathe = breathing(run);
  const trainer = await bench.trainer(model, batch), heldOut = bench.heldOut(model);
  const state = begin(trial, run.resume, trainer), { average, curve } = state;
  const stepTokens = tokensAStep(trial), mostSteps = Math.ceil(trial.mostTokens / stepTokens);
  const heldOutTokens = heldOut.reduce((sum, window) => sum + predictedTokens(window), 0);
  let { steps } = state, keptMs = clock.now(), trainedMs = state.trainedMs, sinceMs = keptMs, sinceTokens = 0;

  const account = () => {
    const at = clock.now(), ms = at - sinceMs;
    trainedMs += ms;
    [sinceMs, sinceTokens] = [at, 0];
    return ms;
  };
  const keep = async () => run.keep(await keepable(trial, { steps, trainedMs, average, curve }, trainer));
  let due = nextEvaluation(curve.at(-1)?.[0] ?? 0);
  for (;;) {
    if (curve.length === 0 || steps >= Math.min(due, mostSteps)) {
      if (curve.at(-1)?.[0] !== steps) {
        const loss = await judge();
        curve.push([steps, loss]);
        const tokens = sinceTokens, ms = account();
        const tokensPerSecond = ms > 0 ? 1000 * tokens / ms : 0;
        run.onProgress({ trial: trial.id, steps, tokens: steps * stepTokens, loss, tokensPerSecond });
      }
      const outcome = outcomeOf();
      if (outcome !== null) return await finish(outcome);
      due = nextEvaluation(steps);
    }
    if (signal.aborted || clock.now() - keptMs >= KEEP_MS) {
      account();
      await keep();
      keptMs = clock.now();
      if (signal.aborted) return null;
    }
    trainer.step(bench.windows(model, { seed, first: steps * batch, count: batch }), settingsAt(trial, ++steps));
    sinceTokens += stepTokens;
    if (average.isDue(steps) || steps >= Math.min(due, mostSteps)) average.add(await trainer.readWeights(), steps);
    await breathe();
  }

  async function judge(): Promise<number> {
    const { lossSum, tokens } = await trainer.evaluate(heldOut, steps === 0 ? undefined : average.values);
    return lossSum / tokens;
  }

  function outcomeOf(): TrialResult["outcome"] | null {
    const loss = curve.at(-1)![1];
    if (!Number.isFinite(loss)) return "diverged";
    if (trial.target !== null && loss <= trial.target) return "reached";
    if (steps > trial.warmupSteps && loss > DIVERGED * curve[0]![1]) return "diverged";
    return steps >= mostSteps ? "spent" : null;
  }

  async function finish(outcome: TrialResult["outcome"]): Promise<TrialResult> {
    const noise = trial.measuresNoise && outcome !== "diverged" ? await noiseAtRest() : null;
    account();
    const loss = curve.at(-1)![1], isFinite = Number.isFinite(loss);
    return {
      trial: trial.id,
      outcome,
      steps,
      tokens: steps * stepTokens,
      loss: isFinite ? loss : null,
      curve: curve.filter(([, found]) => Number.isFinite(found)),
      noise,
      device: bench.device,
      trainedMs,
    };
  }

  /** At the averaged weights, on windows that come next. */
  async function noiseAtRest(): Promise<Noise> {
    trainer.writeWeights(average.values);
    const affordable = Math.floor(NOISE_SHARE * trial.mostTokens / (NOISE_PARTS * model.contextLength));
    const count = NOISE_PARTS * Math.max(1, Math.min(MOST_NOISE_SEQUENCES, affordable));
    return await measureNoise(trainer, bench.windows(model, { seed, first: steps * batch, count }));
  }

  /** Not so often that losses cost more than training does. */
  function nextEvaluation(at: number): number {
    return at + Math.max(1, Math.ceil(EVALUATION_SHARE * at), Math.floor(heldOutTokens / (2 * stepTokens)));
  }
}

interface Live {
  readonly steps: number;
  readonly trainedMs: number;
  readonly average: WeightsAverage;
  readonly curve: [number, number][];
}

/** Puts the trainer where the trial starts, or where it stopped. */
function begin(trial: AloneTrial, resume: TrialState | null, trainer: Trainer): Live {
  const share = trial.averageShare;
  if (resume === null) {
    trainer.writeWeights(initialWeights(trial.model, trial.seed));
    const average = new WeightsAverage(share, { values: new Float32Array(trainer.layout.words), step: 0 });
    return { steps: 0, trainedMs: 0, average, curve: [] };
  }
  const [weights, values, first, second] = resume.arenas, [optimizer] = resume.optimizers;
  trainer.writeWeights(weights!);
  trainer.loadMoments({ first: first!, second: second!, ...optimizer!, residual: null });
  return {
    steps: resume.steps,
    trainedMs: resume.trainedMs,
    average: new WeightsAverage(share, { values: values!, step: resume.averagedAt }),
    curve: resume.curve.map(([steps, loss]) => [steps, loss]),
  };
}

async function keepable(trial: AloneTrial, { steps, trainedMs, average, curve }: Live, trainer: Trainer) {
  const weights = await trainer.readWeights(), { first, second, stepCount, beta2Product } = await trainer.saveMoments();
  return {
    trial,
    steps,
    trainedMs,
    curve,
    averagedAt: average.step,
    optimizers: [{ stepCount, beta2Product }],
    arenas: [weights, average.values, first, second],
  } satisfies TrialState;
}

/** @param step From 1. */
function settingsAt({ rate, warmupSteps, beta1, beta2, epsilon, decay, clip }: AloneTrial, step: number) {
  return { rate: rate * Math.min(1, step / Math.max(1, warmupSteps)), beta1, beta2, epsilon, decay, clip };
}
