/**
 * The global batch that a record asks for: what the run's policy wants, within what any policy may have. A pure function of
 * the chain; beside it what people are told of it.
 *
 * No request is smaller than the one before, nor above the ceiling (`ceiling.ts`). A policy that goes by measurements is
 * asked once in `TEST_STEPS` inner steps at most, and no answer more than doubles the batch: it never shrinks, so a chance
 * deviation stays. All runs measure, whatever their policy.
 * @module
 */
import { LARGEST_BATCH } from "../offer.ts";
import { dealtBatch } from "../balance.ts";
import type { BatchState, ChainState, Offer, PolicyChoice, SyncRules } from "../types.ts";
import { ceilingOf, mostOf } from "./ceiling.ts";
import { policyOf } from "./policy.ts";
import { averaged, statisticOf, stepsOf, TEST_STEPS } from "./statistics.ts";

/** Most that a request grows at one test. */
const GROWTH = 2;

export function firstBatch(rules: SyncRules): BatchState {
  const { batch } = rules;
  return {
    request: batch,
    wanted: wantedBy({ request: batch, noise: null }, 0, rules) ?? batch,
    steps: 0,
    noise: null,
  };
}

export interface NextBatchOptions {
  /** What the record counts that was trained on the state before it. */
  readonly fresh: readonly Offer[];
  /** Tokens of the run after the record. */
  readonly tokens: number;
  readonly rules: SyncRules;
}

export function nextBatch(before: BatchState, { fresh, tokens, rules }: NextBatchOptions): BatchState {
  const found = statisticOf(fresh, statisticUsed(rules)), made = stepsOf(fresh);
  const noise = found === null ? before.noise : averaged(before.noise, found, made);
  const steps = before.steps + made, isTest = policyOf(rules.batching).kind === "test";
  const wanted = wantedBy({ request: before.request, noise }, tokens, rules);
  if (wanted === null || (isTest && steps < TEST_STEPS)) {
    return { ...before, noise, steps: Math.min(TEST_STEPS, steps) };
  }
  const allowed = isTest ? GROWTH * before.request : LARGEST_BATCH;
  const request = Math.max(before.request, Math.min(wanted, allowed, mostOf(tokens, rules)));
  return { request, wanted, steps: 0, noise };
}

/** Which of the measurements the run goes by, and shows. */
export function statisticUsed({ batching }: SyncRules): "halves" | "peers" {
  return batching.policy === "norm-test" ? batching.statistic : "halves";
}

/** A whole number of sequences; null while it has nothing to go by. */
function wantedBy(
  { request, noise }: Pick<BatchState, "request" | "noise">,
  tokens: number,
  rules: SyncRules,
): number | null {
  const policy = policyOf(rules.batching);
  if (policy.kind === "test" && noise === null) return null;
  const wanted = policy.kind === "schedule" ? policy.wanted(tokens, rules.batch) : policy.wanted(noise!, request);
  return Math.max(1, Math.min(LARGEST_BATCH, Math.ceil(wanted)));
}

/** Why no history of this run leads to such a batch after so many tokens, or null. */
export function whyImpossibleBatch({ request }: BatchState, tokens: number, rules: SyncRules): string | null {
  const most = rules.batching.policy === "constant" ? rules.batch : mostOf(tokens, rules);
  if (request >= rules.batch && request <= most) return null;
  return `its batch is ${request}, and the run's are ${rules.batch} to ${most}`;
}

/** What people are told of a global batch. */
export interface BatchView {
  readonly policy: PolicyChoice["policy"];
  /** In sequences, of the whole run. */
  readonly request: number;
  /** As much of it as the members have time for. */
  readonly dealt: number;
  /** tr Σ / |G|², in sequences: how noisy one gradient is. Null if nothing was measured, or noise hides the gradient. */
  readonly noiseScale: number | null;
  /** In sequences. */
  readonly ceiling: number;
  /** Why it is as large as it is. */
  readonly reason: string;
}

export function viewBatch(chain: ChainState, rules: SyncRules): BatchView {
  const { batch: { request, noise }, tokens } = chain, dealt = dealtBatch(chain, rules);
  return {
    policy: rules.batching.policy,
    request,
    dealt,
    noiseScale: noise !== null && noise.signal > 0 ? noise.variance / noise.signal : null,
    ceiling: ceilingOf(tokens, rules),
    reason: reasonOf(chain, rules) + (dealt < request ? `; members have time for ${dealt}` : ""),
  };
}

function reasonOf({ batch: { request, wanted, noise }, tokens }: ChainState, rules: SyncRules): string {
  const { name, kind } = policyOf(rules.batching), most = mostOf(tokens, rules);
  if (rules.batching.policy === "constant") return name;
  if (kind === "test" && noise === null) return `${name}: nothing is measured yet`;
  const said = wanted === LARGEST_BATCH ? "any number" : `${wanted}`;
  if (wanted < request) return `${name}: ${said} would do, and it never shrinks`;
  if (wanted === request) return `${name}: ${said} wanted`;
  if (request < most) return `${name}: ${said} wanted, at most ${GROWTH}× at a time allowed`;
  const isRunsMost = most === rules.batching.most;
  const limit = most === rules.batch ? "the run begins with it" : isRunsMost ? "the run's most" : "the ceiling";
  return `${name}: ${said} wanted, ${most} allowed (${limit})`;
}
