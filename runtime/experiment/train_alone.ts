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
import { breathing, KEEP_MS, Stopwatch, type TrialRun } from "./trial_run.ts";
import { WeightsAverage } from "./weights_average.ts";

/** Held-out losses come at least so dense, as a share of the steps; between them they are interpolated. */
const EVALUATION_SHARE = 0.04;
/** A loss above that of the initial weights by this factor, after the warm-up, will not come back. */
const DIVERGED = 1.1;
/** The noise is measured on about this share of the trial's tokens, with at most so many sequences a part. */
const NOISE_SHARE = 1 / 8, MOST_NOISE_SEQUENCES = 8;

/** Runs a trial to its end; null if the signal stopped it. */
export async function trainAlone(trial: AloneTrial, run: TrialRun): Promise<TrialResult | null> {
  const trainer = await run.bench.trainer(trial.model, trial.batch), { clock, signal } = run;
  const training = new AloneTraining(trial, run, trainer), breathe = breathing(run);
  for (let keptMs = clock.now();;) {
    if (training.isLossDue) {
      const outcome = await training.judge();
      if (outcome !== null) return await training.finish(outcome);
    }
    if (signal.aborted || clock.now() - keptMs >= KEEP_MS) {
      await run.keep(await training.state());
      keptMs = clock.now();
      if (signal.aborted) return null;
    }
    await training.step();
    await breathe();
  }
}

/** Between two steps. */
class AloneTraining {
  readonly #trial: AloneTrial;
  readonly #run: TrialRun;
  readonly #trainer: Trainer;
  readonly #heldOut: readonly Uint32Array[];
  readonly #average: WeightsAverage;
  readonly #curve: [steps: number, loss: number][];
  readonly #watch: Stopwatch;
  readonly #mostSteps: number;
  #steps: number;
  /** Step of the next held-out loss. */
  #due: number;

  /** Puts the trainer where the trial starts, or where it stopped. */
  constructor(trial: AloneTrial, run: TrialRun, trainer: Trainer) {
    const { resume } = run, share = trial.averageShare;
    this.#trial = trial;
    this.#run = run;
    this.#trainer = trainer;
    this.#heldOut = run.bench.heldOut(trial.model);
    this.#mostSteps = Math.ceil(trial.mostTokens / tokensAStep(trial));
    this.#watch = new Stopwatch(run.clock, resume?.trainedMs ?? 0);
    this.#steps = resume?.steps ?? 0;
    this.#curve = resume?.curve.map(([steps, loss]) => [steps, loss]) ?? [];
    this.#due = this.#curve.length === 0 ? 0 : this.#nextDue(this.#curve.at(-1)![0]);
    if (resume === null) {
      trainer.writeWeights(initialWeights(trial.model, trial.seed));
      this.#average = new WeightsAverage(share, { values: new Float32Array(trainer.layout.words), step: 0 });
      return;
    }
    const [weights, values, first, second] = resume.arenas, [optimizer] = resume.optimizers;
    trainer.writeWeights(weights!);
    trainer.loadMoments({ first: first!, second: second!, ...optimizer!, residual: null });
    this.#average = new WeightsAverage(share, { values: values!, step: resume.averagedAt });
  }

  get isLossDue(): boolean {
    return this.#steps >= Math.min(this.#due, this.#mostSteps);
  }

  async step(): Promise<void> {
    const { bench } = this.#run, { model, seed, batch } = this.#trial, first = this.#steps * batch;
    this.#steps++;
    this.#trainer.step(bench.windows(model, { seed, first, count: batch }), settingsAt(this.#trial, this.#steps));
    this.#watch.trained(tokensAStep(this.#trial));
    if (!this.#average.isDue(this.#steps) && !this.isLossDue) return;
    this.#average.add(await this.#trainer.readWeights(), this.#steps);
  }

  /** Adds a held-out loss to the curve; says how the trial ends, if it does. */
  async judge(): Promise<TrialResult["outcome"] | null> {
    const { id, target, warmupSteps } = this.#trial, steps = this.#steps;
    const weights = steps === 0 ? undefined : this.#average.values;
    const { lossSum, tokens } = await this.#trainer.evaluate(this.#heldOut, weights), loss = lossSum / tokens;
    this.#curve.push([steps, loss]);
    this.#due = this.#nextDue(steps);
    const progress = { trial: id, steps, tokens: steps * tokensAStep(this.#trial), loss };
    this.#run.onProgress({ ...progress, tokensPerSecond: this.#watch.lap() });
    if (!Number.isFinite(loss)) return "diverged";
    if (target !== null && loss <= target) return "reached";
    if (steps > warmupSteps && loss > DIVERGED * this.#curve[0]![1]) return "diverged";
    return steps >= this.#mostSteps ? "spent" : null;
  }

  async state(): Promise<TrialState> {
    const weights = await this.#trainer.readWeights();
    const { first, second, stepCount, beta2Product } = await this.#trainer.saveMoments();
    return {
      trial: this.#trial,
      steps: this.#steps,
      trainedMs: this.#watch.trainedMs,
      curve: this.#curve,
      averagedAt: this.#average.step,
      optimizers: [{ stepCount, beta2Product }],
      arenas: [weights, this.#average.values, first, second],
    };
  }

  async finish(outcome: TrialResult["outcome"]): Promise<TrialResult> {
    const { id, measuresNoise } = this.#trial, loss = this.#curve.at(-1)![1];
    return {
      trial: id,
      outcome,
      steps: this.#steps,
      tokens: this.#steps * tokensAStep(this.#trial),
      loss: Number.isFinite(loss) ? loss : null,
      curve: this.#curve.filter(([, found]) => Number.isFinite(found)),
      noise: measuresNoise && outcome !== "diverged" ? await this.#noiseAtRest() : null,
      device: this.#run.bench.device,
      trainedMs: this.#watch.trainedMs,
    };
  }

  /** At the averaged weights, on windows that come next. */
  async #noiseAtRest(): Promise<Noise> {
    const { model, seed, batch, mostTokens } = this.#trial;
    this.#trainer.writeWeights(this.#average.values);
    const affordable = Math.floor(NOISE_SHARE * mostTokens / (NOISE_PARTS * model.contextLength));
    const count = NOISE_PARTS * Math.max(1, Math.min(MOST_NOISE_SEQUENCES, affordable));
    const windows = this.#run.bench.windows(model, { seed, first: this.#steps * batch, count });
    return await measureNoise(this.#trainer, windows);
  }

  /** Dense enough to interpolate, and not so often that losses cost more than training does. */
  #nextDue(steps: number): number {
    const heldOutTokens = this.#heldOut.reduce((sum, window) => sum + predictedTokens(window), 0);
    const affordable = Math.floor(heldOutTokens / (2 * tokensAStep(this.#trial)));
    return steps + Math.max(1, Math.ceil(EVALUATION_SHARE * steps), affordable);
  }
}

/** @param step From 1. */
function settingsAt({ rate, warmupSteps, beta1, beta2, epsilon, decay, clip }: AloneTrial, step: number) {
  return { rate: rate * Math.min(1, step / Math.max(1, warmupSteps)), beta1, beta2, epsilon, decay, clip };
}
