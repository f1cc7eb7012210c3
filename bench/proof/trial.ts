/**
 * One trial of a benchmark that compares ways of learning: a flock of real hosts with real training on virtual time, from
 * its first round to the run's last token.
 *
 * It depends on its description alone: run again anywhere, a trial gives the same figures.
 * @module
 */
import { createHash } from "node:crypto";
import type { TrainOrder } from "../../p2p/learner.ts";
import { leadingPlace } from "../../p2p/sync/demand.ts";
import { firstWindows } from "../../p2p/sync/ranges.ts";
import type { RunConfig } from "../../runtime/config.ts";
import { type LineOptions, openDrivenFlock } from "../../tests/driven/driven_flock.ts";
import type { Speed } from "../../tests/driven/driven_learner.ts";
import { type Course, CourseKeeper, type Effort } from "./course.ts";

/** How a round's work is dealt out. */
export interface Dealing {
  /** Local batches in proportion to speed, as peers have them; or the same for all. */
  readonly batch: "by speed" | "equal";
  /** Sequences of a peer's inner step, whatever its share of the request; null: its share. */
  readonly mostBatch: number | null;
  /** Inner steps after which a peer waits for the end of its box; null: as many as fit. */
  readonly mostSteps: number | null;
}

/** As the product deals it out. */
export const BALANCED: Dealing = { batch: "by speed", mostBatch: null, mostSteps: null };

/** Plain data: all that a trial depends on. */
export interface Trial {
  /** Which of the ways that are compared; the same for all seeds and learning rates. */
  readonly name: string;
  /** Of a run that has a last token. */
  readonly config: RunConfig;
  readonly speeds: readonly Speed[];
  /** Every peer's; null: contributions take no time on their way. */
  readonly line: LineOptions | null;
  readonly dealing: Dealing;
  /** Values of each 4,096 that contributions keep, whatever the round's encoding; null: as it says. */
  readonly kept: number | null;
}

/** Of a trial, as a rule. */
export const AS_PRODUCT = { line: null, dealing: BALANCED, kept: null } as const satisfies Partial<Trial>;

/** What is kept of a trial. */
export interface Finished {
  readonly name: string;
  readonly seed: number;
  readonly learningRate: number;
  /** Of the whole description. */
  readonly key: string;
  /** Held out, nats per token, of the last state. */
  readonly loss: number;
  readonly course: Course;
  readonly effort: Effort;
}

/** Equal for equal descriptions. */
export function keyOf(trial: Trial): string {
  return createHash("sha256").update(JSON.stringify(trial)).digest("hex").slice(0, 16);
}

/** Virtual time in which a trial must end, as a multiple of what its tokens take. */
const PATIENCE = 50;

export async function runTrial(trial: Trial): Promise<Finished> {
  const { name, config, speeds, line } = trial, { targetTokens, learningRate } = config.training;
  if (targetTokens === null) throw new RangeError(`Cannot run a trial of '${name}': its run has no last token`);
  const keeper = new CourseKeeper(targetTokens);
  let nowMs = () => 0;
  await using flock = await openDrivenFlock({
    config,
    speeds,
    line,
    alter: (order) => altered(order, trial),
    onEvent: (event, n) => n === 0 && event.kind === "round" && keeper.add(event, nowMs()),
  });
  nowMs = () => flock.clock.now();
  const together = speeds.reduce((sum, { tokensPerSecond }) => sum + tokensPerSecond, 0);
  const mostMs = PATIENCE * 1000 * targetTokens / together;
  await flock.runUntil(`${name} has trained ${targetTokens} tokens`, () => keeper.tokens >= targetTokens, mostMs);
  const { host, learner } = flock.seats[0]!;
  let loss: number | undefined;
  const { chain, weights } = host.status();
  learner.evaluate(weights!, leadingPlace(chain!)).then((found) => loss = found);
  await flock.runUntil(`the last state of ${name} is evaluated`, () => loss !== undefined, 2 * mostMs);
  const { course, effort } = keeper.finish(loss!);
  return { name, seed: config.seed, learningRate, key: keyOf(trial), loss: loss!, course, effort };
}

function altered(order: TrainOrder, { config, speeds, dealing, kept }: Trial): TrainOrder {
  const share = dealing.batch === "by speed"
    ? order.batch
    : Math.max(1, Math.round(config.training.batch / speeds.length));
  const batch = Math.min(share, dealing.mostBatch ?? Infinity);
  return {
    ...order,
    batch,
    ranges: dealing.mostSteps === null ? order.ranges : firstWindows(order.ranges, dealing.mostSteps * batch),
    encoding: kept === null ? order.encoding : { ...order.encoding, kept },
  };
}
