/**
 * Making an offer out of a contribution, and the facts that any offer must satisfy whatever the chain says.
 * @module
 */
import type { Contribution } from "../learner.ts";
import { isRangeSet, windowCount } from "./ranges.ts";
import type { BlobName, ChainState, Digest, GradientStatistics, Offer, PeerId, SyncRules } from "./types.ts";

/** Most ranges in one offer: a lease is rarely in more than a few pieces. */
const MOST_RANGES = 256;
/** Characters of what a peer and its device are called. */
export const LONGEST_NAME = 80;
/** Beyond what any machine does; keeps leases within bounds (law 7). */
export const LARGEST_SPEED = 1e8;

/** Values of a gradient's sketch. */
export const SKETCH_VALUES = 256;
/** A sketch's exponent is from minus so much to so much: more than any gradient needs. */
export const LARGEST_EXPONENT = 126;
/** Sequences of any batch. */
export const LARGEST_BATCH = 2 ** 20;
/** Beyond what gradients with finite squares of f32 sums come to; keeps sums of such figures finite. */
export const LARGEST_NOISE = 1e18;

/** The state an offer is made on. */
export interface Ground {
  readonly chain: ChainState;
  readonly base: Digest;
}

export interface OfferOptions {
  readonly rules: SyncRules;
  readonly self: PeerId;
  readonly name: string;
  readonly device: string;
  readonly waitMs: number;
  readonly transferMs: number;
  readonly nextMs: number;
  readonly heldOut: number | null;
  readonly leaving: boolean;
}

export type Work = Omit<Contribution, "bytes"> & { readonly blob: BlobName | null };

/** No work: what a joiner asks to be admitted with. */
export const NO_WORK: Work = {
  round: 0,
  blob: null,
  tokens: 0,
  steps: 0,
  batch: 0,
  microBatch: 0,
  ranges: [],
  loss: 0,
  noise: null,
  speed: 0,
  computeMs: 0,
  idleMs: 0,
};

export function buildOffer({ chain, base }: Ground, work: Work, options: OfferOptions): Offer {
  const { blob } = work;
  return {
    kind: "offer",
    run: options.rules.run,
    peer: options.self,
    round: chain.round + 1,
    parent: chain.head,
    base,
    blob,
    tokens: blob === null ? 0 : work.tokens,
    steps: blob === null ? 0 : work.steps,
    batch: work.batch,
    microBatch: work.microBatch,
    ranges: blob === null ? [] : work.ranges,
    loss: blob !== null && Number.isFinite(work.loss) ? work.loss : 0, // a digest has no form for NaN
    heldOut: options.heldOut,
    noise: blob !== null && work.noise !== null && whyAbsurd(work.noise, work) === null ? work.noise : null,
    speed: work.speed,
    computeMs: Math.round(work.computeMs),
    idleMs: Math.round(work.idleMs),
    waitMs: Math.round(options.waitMs),
    transferMs: Math.round(options.transferMs),
    nextMs: Math.round(options.nextMs),
    leaving: options.leaving,
    name: options.name.slice(0, LONGEST_NAME),
    device: options.device.slice(0, LONGEST_NAME),
  };
}

/** Why no honest peer of its run made this offer, or null. Facts of the offer alone. */
export function whyMalformed(offer: Offer, rules: SyncRules): string | null {
  if (offer.round < 1) return `its round is ${offer.round}`;
  if (offer.ranges.length > MOST_RANGES || !isRangeSet(offer.ranges)) return "its ranges are not sorted and disjoint";
  // Less is possible: steps whose gradient was not finite use windows up and count no tokens.
  const mostTokens = windowCount(offer.ranges) * rules.contextLength;
  if (offer.tokens > mostTokens) return `it claims ${offer.tokens} tokens of windows that hold ${mostTokens}`;
  if (offer.speed > LARGEST_SPEED) return `it claims ${offer.speed} tokens/s`;
  if (offer.name.length > LONGEST_NAME || offer.device.length > LONGEST_NAME) return "its names are too long";
  const empty = offer.tokens === 0 && offer.steps === 0 && offer.ranges.length === 0;
  if (offer.blob === null && !empty) return "it claims work without a contribution";
  if (offer.noise === null) return null;
  return offer.blob === null ? "it measured gradients without a contribution" : whyAbsurd(offer.noise, offer);
}

/** Why no box of so many steps measured this, or null. */
function whyAbsurd(
  { tests, variance, signal, along, sketch }: GradientStatistics,
  { steps }: Pick<Offer, "steps">,
): string | null {
  if (!Number.isInteger(tests) || tests < 1 || tests > steps) return `it measured ${tests} of ${steps} steps`;
  for (const [name, value] of Object.entries({ variance, along })) {
    if (!(value >= 0 && value <= LARGEST_NOISE)) return `the ${name} of its gradients is ${value}`;
  }
  if (!(Math.abs(signal) <= LARGEST_NOISE)) return `the signal of its gradients is ${signal}`;
  if (sketch === null) return null;
  const { codes, exponent, sequences } = sketch;
  if (codes.length !== SKETCH_VALUES) return `its sketch has ${codes.length} values`;
  if (!Number.isInteger(exponent) || Math.abs(exponent) > LARGEST_EXPONENT) {
    return `its sketch has exponent ${exponent}`;
  }
  if (!Number.isInteger(sequences) || sequences < 1 || sequences > LARGEST_BATCH) {
    return `its sketch is of ${sequences} sequences`;
  }
  return null;
}
