/**
 * The training loop of one peer: the prefix of its lease, step by step, at the pace it is given.
 *
 * It knows no threads, rounds' rules or other peers, and reads no clock of its own. One loop (`run`) does everything;
 * what is asked of it waits in a queue and is done between two bursts of steps, so nothing interleaves. A burst is as
 * many steps as take about `BURST_MS`: one wait for the device each, and never long before the next request is seen.
 * @module
 */
import type { Contribution, Fate, TrainOrder } from "../../p2p/learner.ts";
import { Throughput } from "../batching/throughput.ts";
import type { TrainingConfig } from "../config.ts";
import type { TokenSource } from "../data/corpus.ts";
import { windowAt } from "../data/order.ts";
import type { OuterMoments } from "../state/checkpoint.ts";
import { learningRate } from "../train/schedule.ts";
import type { StepMetrics } from "../train/step_metrics.ts";
import { type Activity, Box } from "./box.ts";
import type { Clock } from "./clock.ts";
import { Lease } from "./lease.ts";
import type { LocalModel, StepShape } from "./local_model.ts";
import type { LearnerEvent } from "./messages.ts";
import { Pace } from "./pace.ts";

export interface TrainingOptions {
  readonly local: LocalModel;
  readonly config: TrainingConfig;
  /** Of the data order. */
  readonly seed: number;
  readonly contextLength: number;
  readonly train: TokenSource;
  /** Windows to evaluate on. */
  readonly heldOut: readonly Uint32Array[];
  readonly clock: Clock;
  onEvent(event: LearnerEvent): void;
}

const BURST_MS = 100;
/** Well below the steps whose metrics a trainer remembers. */
const MOST_STEPS_A_BURST = 32;
/** Steps without a finite gradient, one after another, after which training cannot be saved. */
const MOST_SKIPPED = 20;
/** Requests end a wait; this only bounds it. */
const IDLE_MS = 60_000;

export class Training {
  readonly #options: TrainingOptions;
  readonly #lease = new Lease();
  readonly #pace = new Pace();
  readonly #throughput = new Throughput();
  readonly #requests: (() => Promise<void>)[] = [];
  #wake = new AbortController();
  #order: TrainOrder | null = null;
  /** Whether something was contributed since the order came. */
  #isCut = false;
  #shape: StepShape = { batch: 0, microBatch: 0, accumulation: 0 };
  #box = new Box();
  /** Tokens of this peer that the order's count does not have yet. */
  #ahead = 0;
  #stepMs = BURST_MS;
  #skippedInARow = 0;
  #isPaused = false;
  #isFailed = false;
  #isClosed = false;
  #saidWaiting: string | null = null;

  constructor(options: TrainingOptions) {
    this.#options = options;
  }

  /** Runs until `close`; then every request has been done. */
  async run(): Promise<void> {
    while (!this.#isClosed || this.#requests.length > 0) {
      const request = this.#requests.shift();
      if (request !== undefined) {
        await request();
        continue;
      }
      const idle = this.#idleReason();
      if (idle !== null) {
        this.#tellWaiting(idle);
        await this.#rest(IDLE_MS, "waiting");
      } else if (this.#pace.dueMs > 0) {
        this.#pace.rested(await this.#rest(this.#pace.dueMs, "throttled"));
      } else {
        this.#saidWaiting = null;
        await this.#burst().catch((error) => this.#fail(error));
        await this.#rest(0, "computing");
      }
    }
  }

  /** Starts from `weights`, keeping what was not contributed yet. */
  train(order: TrainOrder, weights: Float32Array): Promise<void> {
    return this.#ask(async () => {
      const isSame = this.#order?.weights === order.weights && !this.#isCut;
      this.#order = order;
      this.#lease.replace(order.ranges);
      this.#ahead = this.#box.tokens;
      this.#isCut = false;
      try {
        this.#shape = await this.#options.local.fit(order.batch);
        if (!isSame) this.#options.local.rebase(weights);
      } catch (error) {
        this.#fail(error);
      }
    });
  }

  contribute(): Promise<Contribution> {
    return this.#ask(async () => {
      const box = this.#box, round = this.#order?.round ?? 0, { batch, microBatch } = this.#shape;
      const speed = this.#throughput.tokensPerSecond, computeMs = box.shares.computingMs;
      const about = { round, batch, microBatch, speed, computeMs };
      this.#tell({ kind: "shares", round, ...box.shares });
      this.#box = new Box();
      const ranges = this.#lease.cut(round), windows = ranges.reduce((sum, { start, end }) => sum + end - start, 0);
      const tokens = Math.min(box.tokens, windows * this.#options.contextLength); // what the lease allows to claim
      if (tokens === 0 || this.#isFailed) {
        this.#lease.settle(round); // nothing is offered, so nothing is used up
        return { ...about, bytes: null, tokens: 0, steps: 0, ranges: [], loss: 0 };
      }
      const bytes = await this.#options.local.cut(round);
      this.#isCut = true;
      return { ...about, bytes, tokens, steps: box.steps, ranges, loss: box.loss };
    });
  }

  /** Held-out loss of any weights, nats per token; what is being trained stays as it is. */
  evaluate(weights: Float32Array): Promise<number> {
    return this.#ask(async () => {
      const { local, heldOut, config, clock } = this.#options, startMs = clock.now();
      if (this.#order === null) await local.fit(config.batch);
      const { lossSum, tokens } = await local.trainer.evaluate(heldOut, weights);
      this.#box.spend("evaluating", clock.now() - startMs);
      return lossSum / tokens;
    });
  }

  settle(round: number, fate: Fate): Promise<void> {
    return this.#ask(() => {
      this.#lease.settle(round);
      this.#options.local.settle(round, fate === "counted");
    });
  }

  /** Takes effect at once: a rest is cut short or prolonged. */
  pace({ percent, paused }: { readonly percent: number; readonly paused: boolean }): void {
    this.#pace.percent = percent;
    this.#isPaused = paused;
    this.#wake.abort();
  }

  saveMoments(): Promise<OuterMoments | null> {
    return this.#ask(() => this.#options.local.saveMoments());
  }

  close(): void {
    this.#isClosed = true;
    this.#wake.abort();
  }

  #idleReason(): string | null {
    if (this.#order === null) return "no order has come yet";
    if (this.#isClosed) return "this peer is closing";
    if (this.#isFailed) return "training has stopped";
    if (this.#isPaused) return "paused by the user";
    if (this.#lease.left === 0) return "the lease is used up";
    return null;
  }

  /** Steps until about `BURST_MS` have passed, then waits for the device and takes stock. */
  async #burst(): Promise<void> {
    const { local, clock } = this.#options, order = this.#order!, startMs = clock.now();
    const most = Math.max(1, Math.min(MOST_STEPS_A_BURST, Math.floor(BURST_MS / Math.max(1, this.#stepMs))));
    let rate = 0, stepCount = 0;
    for (; stepCount < most && this.#lease.left > 0; stepCount++) {
      rate = this.#step(order);
    }
    local.stepped();
    const steps = await local.trainer.readMetrics(), ms = clock.now() - startMs;
    steps.forEach((step) => this.#take(step));
    this.#stepMs = ms / stepCount;
    this.#box.spend("computing", ms);
    this.#pace.worked(ms);
    const tokens = steps.reduce((sum, step) => sum + step.tokens, 0);
    this.#throughput.add(tokens, ms + this.#pace.dueMs);
    const loss = steps.reduce((sum, step) => sum + step.loss * step.tokens, 0) / tokens;
    const tokensPerSecond = this.#throughput.tokensPerSecond;
    this.#tell({
      kind: "steps",
      round: order.round,
      steps: steps.length,
      tokens,
      loss,
      gradientNorm: steps.at(-1)!.gradientNorm,
      rate,
      ...this.#shape,
      tokensPerSecond,
    });
    if (this.#skippedInARow >= MOST_SKIPPED) {
      this.#fail(new Error(`${this.#skippedInARow} steps in a row had gradients that are not finite`));
    }
  }

  /** One inner step on the next windows of the lease. */
  #step(order: TrainOrder): number {
    const { local, config, seed, contextLength, train } = this.#options;
    const windows = this.#lease.take(this.#shape.batch).map((position) => {
      const window = new Uint32Array(contextLength + 1);
      train.read(windowAt(position, { seed, windowCount: train.windowCount }), window);
      return window;
    });
    this.#ahead += windows.length * contextLength;
    const rate = learningRate(config, order.tokens + this.#ahead);
    const { beta1, beta2, epsilon, weightDecay: decay, clip } = config;
    local.trainer.step(windows, { rate, beta1, beta2, epsilon, decay, clip });
    return rate;
  }

  #take(step: StepMetrics): void {
    this.#box.add(step);
    this.#skippedInARow = step.skipped ? this.#skippedInARow + 1 : 0;
    if (!step.skipped) return;
    this.#tell({ kind: "warning", message: `Step ${step.step} was skipped: its gradient is not finite` });
  }

  /** Sleeps, unless something happens; gives how long. */
  async #rest(ms: number, activity: Activity): Promise<number> {
    const { clock } = this.#options, startMs = clock.now();
    if (this.#requests.length === 0) await clock.sleep(ms, this.#wake.signal);
    this.#wake = new AbortController();
    const restedMs = clock.now() - startMs;
    this.#box.spend(activity, restedMs);
    return restedMs;
  }

  /** Puts a request in the queue. */
  #ask<T>(request: () => T | Promise<T>): Promise<T> {
    if (this.#isClosed) return Promise.reject(new Error("This learner is closed"));
    return new Promise((resolve, reject) => {
      this.#requests.push(async () => {
        try {
          resolve(await request());
        } catch (error) {
          reject(error);
        }
      });
      this.#wake.abort();
    });
  }

  #fail(error: unknown): void {
    this.#isFailed = true;
    this.#tell({ kind: "failed", message: error instanceof Error ? error.message : String(error) });
  }

  #tellWaiting(reason: string): void {
    if (reason === this.#saidWaiting) return;
    this.#saidWaiting = reason;
    this.#tell({ kind: "waiting", round: this.#order?.round ?? 0, reason });
  }

  #tell(event: LearnerEvent): void {
    this.#options.onEvent(event);
  }
}
