/**
 * The training loop of one peer: the prefix of its lease, step by step, at the pace it is given.
 *
 * It knows no threads, rounds' rules or other peers, and reads no clock of its own. One loop (`run`) does everything;
 * what is asked of it waits in a queue and is done between two bursts of steps, so nothing interleaves. A burst is as
 * many steps as take about `BURST_MS`: one wait for the device each, and never long before the next request is seen. A
 * step that takes longer than `SLICE_MS` is done in slices of at most that: pace and pause act between its parts, which
 * are programs of some tenth of a second (`train/trainer_plan.ts`).
 * @module
 */
import type { Contribution, Fate, TrainOrder } from "../../p2p/learner.ts";
import { reasonOf } from "../../p2p/reason.ts";
import { renewsMoments, switchModeOf } from "./adloco_steps.ts";
import type { BatchSplit } from "../batching/split_batch.ts";
import { Throughput } from "../batching/throughput.ts";
import { orderedWindow } from "../data/ordered_window.ts";
import { ReadAhead } from "../data/read_ahead.ts";
import type { WrittenLineage } from "../state/checkpoint.ts";
import { stepSettings } from "../train/schedule.ts";
import { type StepMetrics, whySkipped } from "../train/step_metrics.ts";
import type { Activity } from "./box.ts";
import { beginBurst, type Burst } from "./burst.ts";
import { type DeviceFailure, DeviceFailures } from "./device_failures.ts";
import { type Idle, PAUSED, whyIdle } from "./idle.ts";
import { StarvedError } from "./local_model.ts";
import type { LearnerEvent } from "./messages.ts";
import { Pace } from "./pace.ts";
import { Progress } from "./progress.ts";
import { Requests } from "./requests.ts";
import type { TrainingOptions } from "./training_options.ts";

const BURST_MS = 100;
/** Work in the middle of a step after which requests, pace and pause are looked at. */
const SLICE_MS = 150;
/** Well below the steps whose metrics a trainer remembers. */
const MOST_STEPS_A_BURST = 32;
/** Steps without a finite gradient, one after another, after which training cannot be saved. */
const MOST_SKIPPED = 20;
/** A device without memory for a single sequence is asked again after this time. */
const STARVED_MS = 30_000;
/** Requests end a wait; this only bounds it. */
const IDLE_MS = 60_000;

export class Training {
  readonly #options: TrainingOptions;
  readonly #progress: Progress;
  readonly #windows: ReadAhead;
  readonly #pace = new Pace();
  readonly #throughput = new Throughput();
  readonly #requests = new Requests();
  #order: TrainOrder | null = null;
  /** Whether something was contributed since the order came. */
  #isCut = false;
  #shape: BatchSplit = { batch: 0, microBatch: 0, accumulation: 0 };
  /** Of the last burst; unknown steps may take for ever. */
  #stepMs = Infinity;
  #skippedInARow = 0;
  readonly #failures = new DeviceFailures();
  /** Weights to go on from, as soon as there is a trainer. */
  #anchorDue: Float32Array | null = null;
  /** When the device is asked again for memory that it did not have; null: it has it. */
  #starvedUntilMs: number | null = null;
  #isPaused = false;
  #isFailed = false;
  #isClosed = false;
  #saidWaiting: string | null = null;

  constructor(options: TrainingOptions) {
    this.#options = options;
    this.#progress = new Progress(options);
    const { train, seed, contextLength } = options;
    this.#windows = new ReadAhead({
      tokens: contextLength + 1,
      read: (position, into) => orderedWindow(train, position, { seed, contextLength, into }),
    });
  }

  /** Runs until `close`; then every request has been done. */
  async run(): Promise<void> {
    while (!this.#isClosed || !this.#requests.isEmpty) {
      if (await this.#requests.doNext()) continue;
      const idle = this.#idle();
      if (idle !== null) {
        this.#tellWaiting(idle);
        const dueMs = this.#starvedUntilMs === null ? IDLE_MS : this.#starvedUntilMs - this.#options.clock.now();
        await this.#rest(Math.max(0, dueMs), idle.activity);
      } else if (this.#starvedUntilMs !== null) {
        await this.#makeReady();
      } else if (this.#pace.dueMs > 0) {
        this.#pace.rested(await this.#rest(this.#pace.dueMs, "throttled"));
      } else {
        this.#saidWaiting = null;
        await this.#onDevice(() => this.#burst()).catch((error) => this.#stop(error));
        await this.#rest(0, "computing");
      }
    }
  }

  /** Starts from `weights`, keeping what was not contributed yet. */
  train(order: TrainOrder, weights: Float32Array): Promise<void> {
    return this.#askProtocol(async () => {
      const { local, curve, clock } = this.#options, isOther = local.isOther(order.lineage);
      const isSame = this.#order?.weights === order.weights && !this.#isCut && !isOther;
      if (isOther) this.#progress.drop();
      if (this.#order === null) this.#progress.begin();
      this.#order = order;
      this.#progress.follow(order, !isSame);
      this.#isCut = false;
      if (!isSame) this.#anchorDue = weights;
      if (curve !== null) local.atMost(curve.choose(clock.now(), order.batch));
      await this.#makeReady();
    });
  }

  contribute(): Promise<Contribution> {
    return this.#askProtocol(async () => {
      try {
        return await this.#onDevice(() => this.#contribute());
      } catch (error) {
        if (!(error instanceof StarvedError)) throw error;
        this.#stop(error);
        return await this.#contribute(); // nothing, this time
      }
    });
  }

  /** Held-out loss of any weights, nats per token; what is being trained stays as it is. */
  evaluate(weights: Float32Array): Promise<number> {
    return this.#askDevice(async () => {
      const { local, heldOut, config, clock } = this.#options, startMs = clock.now();
      if (this.#order === null) await local.fit(config.batch);
      const { lossSum, tokens } = await local.trainer.evaluate(heldOut, weights);
      this.#progress.spend("evaluating", clock.now() - startMs);
      return lossSum / tokens;
    });
  }

  settle(round: number, fate: Fate): Promise<void> {
    return this.#askProtocol(() =>
      this.#onDevice(() => {
        this.#progress.settle(round);
        this.#options.local.settle(round, fate === "counted");
      })
    );
  }

  /** Takes effect at once: a rest is cut short or prolonged. */
  pace({ percent, paused }: { readonly percent: number; readonly paused: boolean }): void {
    this.#pace.percent = percent;
    this.#isPaused = paused;
    this.#requests.wake();
  }

  /** Lends the optimizer of each lineage, to write it down: training stands still until `use` is done with it. */
  lendOptimizers<T>(use: (lineages: readonly WrittenLineage[]) => Promise<T>): Promise<T> {
    return this.#ask(() => use(this.#options.local.optimizers()));
  }

  close(): void {
    this.#isClosed = true;
    this.#requests.wake();
  }

  /** Opens what the order needs, if the device has memory for it. */
  async #makeReady(): Promise<void> {
    const { local, batching } = this.#options;
    try {
      await this.#onDevice(async () => {
        await local.turnTo(this.#order!.lineage);
        await this.#fit(this.#order!);
        if (this.#anchorDue === null) return;
        if (renewsMoments(batching)) await local.resetMoments();
        local.rebase(this.#anchorDue);
      });
      this.#anchorDue = null;
      this.#starvedUntilMs = null;
    } catch (error) {
      this.#stop(error);
    }
  }

  async #fit({ batch, lineage }: TrainOrder): Promise<void> {
    const { local, batching } = this.#options;
    this.#shape = await local.fit(batch, switchModeOf(batching, lineage));
  }

  async #contribute(): Promise<Contribution> {
    const progress = this.#progress, round = this.#order?.round ?? 0, { batch, microBatch } = this.#shape;
    const speed = this.#throughput.tokensPerSecond, { computingMs: computeMs, waitingMs: idleMs } = progress.shares;
    const isIdle = progress.tokens === 0 || this.#isFailed || this.#starvedUntilMs !== null;
    const bytes = isIdle ? null : await this.#options.local.cut(round, this.#order!.encoding);
    if (bytes !== null) this.#isCut = true;
    return { round, batch, microBatch, speed, computeMs, idleMs, bytes, ...progress.cut(round, bytes !== null) };
  }

  #idle(): Idle | null {
    const untilMs = this.#starvedUntilMs, isStarved = untilMs !== null && this.#options.clock.now() < untilMs;
    return whyIdle({
      order: this.#order,
      isClosed: this.#isClosed,
      isFailed: this.#isFailed,
      isPaused: this.#isPaused,
      isStarved,
      left: this.#progress.left,
    });
  }

  /** Steps until about `BURST_MS` have passed, then waits for the device and takes stock. */
  async #burst(): Promise<void> {
    const { local, clock } = this.#options, order = this.#order!;
    const burst = beginBurst(order, clock.now());
    const most = Math.max(1, Math.min(MOST_STEPS_A_BURST, Math.floor(BURST_MS / Math.max(1, this.#stepMs))));
    let steps: readonly StepMetrics[];
    try {
      for (let count = 0; count < most && this.#progress.left > 0; count++) {
        if (!await this.#step(burst)) return this.#progress.giveUp(burst.positions);
      }
      steps = await local.trainer.readMetrics();
    } catch (error) {
      this.#progress.giveUp(burst.positions);
      throw error;
    }
    const noise = this.#progress.add(steps);
    steps.forEach((step) => this.#take(step));
    this.#account(burst);
    this.#failures.forgive();
    this.#stepMs = burst.workedMs / steps.length;
    const tokens = steps.reduce((sum, step) => sum + step.tokens, 0);
    this.#options.curve?.observe(tokens, burst.workedMs);
    this.#throughput.add(tokens, burst.workedMs + burst.restedMs + this.#pace.dueMs);
    this.#tell({
      kind: "steps",
      round: order.round,
      steps: steps.length,
      tokens,
      loss: steps.reduce((sum, step) => sum + step.loss * step.tokens, 0) / tokens,
      gradientNorm: steps.at(-1)!.gradientNorm,
      rate: burst.rate,
      ...this.#shape,
      tokensPerSecond: this.#throughput.tokensPerSecond,
      noise,
    });
    if (!await local.took(steps)) {
      this.#skippedInARow = 0;
      await this.#fit(order);
    }
    if (this.#skippedInARow >= MOST_SKIPPED) {
      this.#fail(new Error(`${this.#skippedInARow} steps in a row had gradients that are not finite`));
    }
  }

  /** One inner step on the next windows of the lease; false if it was given up in the middle. */
  async #step(burst: Burst): Promise<boolean> {
    const { local, config, clock } = this.#options, { batch } = this.#shape;
    const positions = this.#progress.take(batch);
    burst.positions.push(...positions);
    const windows = this.#windows.take(positions);
    const { tokens, globalBatch } = burst.order;
    const settings = stepSettings(config, { tokens: tokens + this.#progress.ahead, globalBatch });
    burst.rate = settings.rate;
    const canCompare = local.trainer.canCompareHalves;
    const measures = this.#progress.measures({ sequences: windows.length, canCompare });
    const parts = local.trainer.stepInParts(windows, settings, measures);
    // Waiting for the device costs time, so it gets as many parts at once as should take a slice.
    let givenMs = 0;
    for (let next = parts.next(); !next.done; next = parts.next()) {
      const partMs = next.value * this.#stepMs;
      if (givenMs > 0 && givenMs + partMs > SLICE_MS) {
        await local.trainer.idle();
        if (clock.now() - burst.sinceMs >= SLICE_MS / 2 && !await this.#breathe(burst)) return false;
        givenMs = 0;
      }
      givenMs += partMs;
    }
    local.stepped();
    this.#windows.fetch(this.#progress.peek(batch));
    return true;
  }

  /** Between two parts of a step: rests as the pace wants. False if the step should be given up. */
  async #breathe(burst: Burst): Promise<boolean> {
    this.#account(burst);
    do {
      if (this.#isPaused) {
        this.#tellWaiting(PAUSED);
        await this.#sleep(IDLE_MS, PAUSED.activity);
      } else {
        const restedMs = await this.#sleep(this.#pace.dueMs, "throttled"); // if only to hear of a new pace
        this.#pace.rested(restedMs);
        burst.restedMs += restedMs;
      }
      // Requests wait for a step in hand, but not for the end of a pause.
      if (this.#isClosed || (this.#isPaused && !this.#requests.isEmpty)) return false;
    } while (this.#isPaused || this.#pace.dueMs > 0);
    burst.sinceMs = this.#options.clock.now();
    return true;
  }

  /** Notes the work done since the last time. */
  #account(burst: Burst): void {
    const now = this.#options.clock.now(), ms = now - burst.sinceMs;
    this.#progress.spend("computing", ms);
    this.#pace.worked(ms);
    burst.workedMs += ms;
    burst.sinceMs = now;
  }

  /** Does something with the device; once more, if the device fails in the middle and training can go on. */
  #onDevice<T>(action: () => T | Promise<T>): Promise<T> {
    return this.#failures.retry(action, (failure) => this.#recover(failure));
  }

  async #recover(failure: DeviceFailure): Promise<void> {
    const { local } = this.#options;
    const { isKept, message } = await local.recover(failure);
    this.#tell({ kind: "warning", message });
    this.#stepMs = Infinity;
    if (!isKept) this.#progress.drop();
    if (this.#order !== null) await this.#fit(this.#order);
  }

  #take(step: StepMetrics): void {
    this.#skippedInARow = step.skipped ? this.#skippedInARow + 1 : 0;
    if (!step.skipped) return;
    this.#tell({ kind: "warning", message: whySkipped(step) });
  }

  /** Sleeps, unless requests wait. */
  async #rest(ms: number, activity: Activity): Promise<number> {
    return this.#requests.isEmpty ? await this.#sleep(ms, activity) : 0;
  }

  /** Sleeps until something happens; gives how long. */
  async #sleep(ms: number, activity: Activity): Promise<number> {
    const sleptMs = await this.#requests.sleep(this.#options.clock, ms);
    this.#progress.spend(activity, sleptMs);
    return sleptMs;
  }

  #askDevice<T>(request: () => T | Promise<T>): Promise<T> {
    return this.#ask(() => this.#onDevice(request));
  }

  /** What the protocol has the device do is time in which nothing is trained: it counts as waiting. */
  #askProtocol<T>(request: () => Promise<T>): Promise<T> {
    return this.#ask(async () => {
      const { clock } = this.#options, startMs = clock.now(), isTraining = this.#order !== null;
      const result = await request();
      if (isTraining) this.#progress.spend("waiting", clock.now() - startMs);
      return result;
    });
  }

  /** Puts a request in the queue. */
  #ask<T>(request: () => T | Promise<T>): Promise<T> {
    if (this.#isClosed) return Promise.reject(new Error("This learner is closed"));
    return this.#requests.ask(request);
  }

  /** Training cannot go on: for now, if memory is all that is missing. */
  #stop(error: unknown): void {
    if (!(error instanceof StarvedError)) return this.#fail(error);
    if (this.#starvedUntilMs === null) this.#tell({ kind: "warning", message: error.message });
    this.#starvedUntilMs = this.#options.clock.now() + STARVED_MS;
  }

  #fail(error: unknown): void {
    this.#isFailed = true;
    this.#tell({ kind: "failed", message: reasonOf(error) });
  }

  #tellWaiting({ reason, isNews }: Idle): void {
    if (!isNews || reason === this.#saidWaiting) return;
    this.#saidWaiting = reason;
    this.#tell({ kind: "waiting", round: this.#order?.round ?? 0, reason });
  }

  #tell(event: LearnerEvent): void {
    this.#options.onEvent(event);
  }
}
