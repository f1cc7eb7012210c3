/**
 * One trial of a flock: equal peers in one process that train in turn on one device and fold as real peers do.
 *
 * What is real: inner steps, moments that each peer keeps over rounds, its error feedback, the codec's bytes, the fold
 * and the outer step. What is left out: the network, and with it lateness, unequal speeds and work while a round closes.
 * Judged are the folded weights, as a run judges its states. Rounds are whole: an interrupted trial goes on from the
 * last one, to the same bits.
 * @module
 */
import { initialWeights } from "../model/parameters.ts";
import { anyCodec, codecs } from "../state/codec/codecs.ts";
import { TOPK_DECAY } from "../state/codec/topk.ts";
import { fold } from "../state/fold.ts";
import { weightsLayout } from "../state/weights.ts";
import type { StepSettings } from "../train/inner_step.ts";
import { stepSettings } from "../train/schedule.ts";
import type { Trainer } from "../train/trainer.ts";
import { type FlockTrial, tokensAStep, type TrialResult } from "./trial.ts";
import type { TrialState } from "./trial_checkpoint.ts";
import { breathing, KEEP_MS, Stopwatch, type TrialRun } from "./trial_run.ts";

/**
 * A loss above that of the initial weights by this factor will not come back. Less would be too strict: outer momentum
 * overshoots in the first rounds and recovers.
 */
const DIVERGED = 2;
/** Held-out losses of a trial, at most. */
const MOST_EVALUATIONS = 20;

/** What one peer keeps from round to round. */
interface PeerState {
  first: Float32Array<ArrayBuffer>;
  second: Float32Array<ArrayBuffer>;
  residual: Float32Array<ArrayBuffer>;
  stepCount: number;
  beta2Product: number;
}

/** The flock between two rounds. */
interface Flock {
  rounds: number;
  readonly curve: [number, number][];
  readonly weights: Float32Array<ArrayBuffer>;
  /** Null where the outer momentum is 0. */
  readonly momentum: Float32Array<ArrayBuffer> | null;
  readonly peers: readonly PeerState[];
}

/** Runs a trial to its end; null if the signal stopped it. */
export async function trainFlock(trial: FlockTrial, run: TrialRun): Promise<TrialResult | null> {
  const { bench, signal, clock } = run, { id, model, innerSteps } = trial, breathe = breathing(run);
  const trainer = await bench.trainer(model, trial.batch), heldOut = bench.heldOut(model);
  const flock = run.resume === null ? newFlock(trial, trainer.layout.words) : resumed(trial, run.resume);
  const roundTokens = tokensAStep(trial) * innerSteps, rounds = Math.max(1, Math.ceil(trial.mostTokens / roundTokens));
  const evaluatedEvery = Math.ceil(rounds / MOST_EVALUATIONS), watch = new Stopwatch(clock, run.resume?.trainedMs ?? 0);

  for (let keptMs = clock.now();;) {
    const steps = flock.rounds * innerSteps, isLast = flock.rounds >= rounds;
    if ((flock.rounds % evaluatedEvery === 0 || isLast) && flock.curve.at(-1)?.[0] !== steps) {
      const { lossSum, tokens } = await trainer.evaluate(heldOut, flock.weights), loss = lossSum / tokens;
      flock.curve.push([steps, loss]);
      const progress = { trial: id, steps, tokens: flock.rounds * roundTokens, loss };
      run.onProgress({ ...progress, tokensPerSecond: watch.lap() });
    }
    if (hasDiverged(flock) || isLast) {
      return resultOf(trial, flock, { device: bench.device, trainedMs: watch.trainedMs });
    }
    if (signal.aborted || clock.now() - keptMs >= KEEP_MS) {
      await run.keep(keepable(trial, flock, watch.trainedMs));
      keptMs = clock.now();
      if (signal.aborted) return null;
    }
    if (await trainRound(trial, flock, { run, trainer, breathe })) watch.trained(roundTokens);
  }
}

function hasDiverged({ curve }: Flock): boolean {
  const loss = curve.at(-1)![1];
  return !Number.isFinite(loss) || loss > DIVERGED * curve[0]![1];
}

function resultOf(
  trial: FlockTrial,
  flock: Flock,
  about: Pick<TrialResult, "device" | "trainedMs">,
): TrialResult {
  const loss = flock.curve.at(-1)![1], steps = flock.rounds * trial.innerSteps;
  return {
    trial: trial.id,
    outcome: hasDiverged(flock) ? "diverged" : "spent",
    steps,
    tokens: steps * tokensAStep(trial),
    loss: Number.isFinite(loss) ? loss : null,
    curve: flock.curve.filter(([, found]) => Number.isFinite(found)),
    noise: null,
    ...about,
  };
}

/** One round of all peers, then the fold; false, and nothing is changed, if the signal stopped it in the middle. */
async function trainRound(
  trial: FlockTrial,
  flock: Flock,
  { run, trainer, breathe }: {
    readonly run: TrialRun;
    readonly trainer: Trainer;
    readonly breathe: () => Promise<void>;
  },
): Promise<boolean> {
  const { model, batch, innerSteps, outer } = trial, tokens = batch * innerSteps * model.contextLength;
  const codec = codecs[outer.codec === "auto" ? "int8" : outer.codec];
  const kept = codec.name === "topk" ? TOPK_DECAY : 1;
  const parts: { readonly bytes: Uint8Array<ArrayBuffer>; readonly weight: number }[] = [], next: PeerState[] = [];
  for (const [p, peer] of flock.peers.entries()) {
    trainer.writeWeights(flock.weights);
    trainer.loadMoments({ ...peer, residual: null });
    for (let step = 0; step < innerSteps; step++) {
      if (run.signal.aborted) return false;
      trainer.step(
        windowsOf(trial, { run, p, step: flock.rounds * innerSteps + step }),
        settingsAt(trial, flock, step),
      );
      await breathe();
    }
    const weights = await trainer.readWeights();
    const change = flock.weights.map((value, i) => value - weights[i]! + kept * peer.residual[i]!);
    if (!change.every(Number.isFinite)) {
      next.push(peer); // a real peer offers nothing that is not finite
      continue;
    }
    const { bytes, residual } = codec.encode(change);
    parts.push({ bytes, weight: tokens });
    next.push({ ...await trainer.saveMoments(), residual });
  }
  const { padding } = weightsLayout({ model, outer });
  fold({ weights: flock.weights, momentum: flock.momentum, parts }, { codec: anyCodec, padding, outer });
  flock.peers.forEach((peer, p) => Object.assign(peer, next[p]!));
  flock.rounds++;
  return true;
}

/** All peers take turns in one order of windows, as leases make them. */
function windowsOf({ model, seed, batch, peers }: FlockTrial, { run, p, step }: {
  readonly run: TrialRun;
  readonly p: number;
  readonly step: number;
}): Uint32Array[] {
  return run.bench.windows(model, { seed, first: (step * peers + p) * batch, count: batch });
}

/** They go by the tokens of the run after the step, as a peer sees them: those of others come with the record. */
function settingsAt(trial: FlockTrial, { rounds }: Flock, step: number): StepSettings {
  const stepTokens = tokensAStep(trial), { training } = trial;
  const tokens = rounds * trial.innerSteps * stepTokens + (step + 1) * stepTokens / trial.peers;
  return stepSettings(training, { tokens, globalBatch: training.batch });
}

function newFlock({ model, seed, peers, outer }: FlockTrial, words: number): Flock {
  const zeros = () => new Float32Array(words);
  return {
    rounds: 0,
    curve: [],
    weights: initialWeights(model, seed),
    momentum: outer.momentum > 0 ? zeros() : null,
    peers: Array.from(
      { length: peers },
      () => ({ first: zeros(), second: zeros(), residual: zeros(), stepCount: 0, beta2Product: 1 }),
    ),
  };
}

/** Arenas: the weights, the outer momentum if there is one, then of each peer first and second moment and residual. */
function keepable(
  trial: FlockTrial,
  { rounds, curve, weights, momentum, peers }: Flock,
  trainedMs: number,
): TrialState {
  return {
    trial,
    steps: rounds * trial.innerSteps,
    trainedMs,
    curve,
    averagedAt: 0,
    optimizers: peers.map(({ stepCount, beta2Product }) => ({ stepCount, beta2Product })),
    arenas: [
      weights,
      ...(momentum === null ? [] : [momentum]),
      ...peers.flatMap(({ first, second, residual }) => [first, second, residual]),
    ],
  };
}

function resumed({ innerSteps, outer }: FlockTrial, state: TrialState): Flock {
  const arenas = state.arenas.map((arena) => arena.slice()), [weights, ...rest] = arenas;
  const momentum = outer.momentum > 0 ? rest.shift()! : null;
  return {
    rounds: state.steps / innerSteps,
    curve: state.curve.map(([steps, loss]) => [steps, loss]),
    weights: weights!,
    momentum,
    peers: state.optimizers.map((optimizer, p) => ({
      first: rest[3 * p]!,
      second: rest[3 * p + 1]!,
      residual: rest[3 * p + 2]!,
      ...optimizer,
    })),
  };
}
