/**
 * How many outer rounds a run needs: estimated from its first rounds, again from all so far, and to be compared with what
 * happened. A round is one exchange of contributions, so this is what the run communicates.
 *
 * AdLoCo (arXiv 2508.18182) estimates it for H inner steps a round and batches b_t: Σ H·b_t = N sequences, so R = N / (H·b)
 * for a constant batch, and R = log_ρ(1 + (ρ − 1)·N / (H·b₀)) for one that grows by ρ a round. Here rounds are boxed by
 * time: what a round holds follows from speeds, and a larger batch means fewer steps. So the estimate goes by tokens a
 * round, and AdLoCo's two bounds stand beside it, for as many steps a round as were made.
 * @module
 */

/** What one record counted. */
export interface RoundWork {
  readonly round: number;
  /** Tokens of the run after it. */
  readonly tokens: number;
  /** Tokens that it counted. */
  readonly gained: number;
  /** Inner steps of a member in the middle. */
  readonly steps: number;
  /** Largest batch that makes sense, in batches of this round. */
  readonly ceiling: number;
}

/** What is told of a round that counted the work of some members. */
export interface CountedRound extends Pick<RoundWork, "round" | "tokens"> {
  readonly members: readonly { readonly tokens: number; readonly steps: number }[];
  readonly lineages: readonly { readonly batch: { readonly dealt: number; readonly ceiling: number } }[];
}

export interface Estimate {
  /** After this round it was made. */
  readonly round: number;
  /** Rounds of the whole run, at as many tokens a round as so far. */
  readonly rounds: number;
  /** With as many steps a round, at the batch so far… */
  readonly constant: number;
  /** … and if every test doubled it, up to the ceiling. */
  readonly growing: number;
}

export interface Communication {
  /** Rounds that counted tokens, with sums over them. */
  readonly worked: number;
  readonly gained: number;
  readonly steps: number;
  /** Made after the first few rounds with work; null before. */
  readonly first: Estimate | null;
  readonly latest: Estimate | null;
}

/** Rounds with work before anything is estimated: the first have peers that measure and joiners without work. */
const FIRST_ROUNDS = 3;
/** Inner steps between two tests of a batch policy, each of which at most doubles it. */
const TEST_STEPS = 20;

export const NO_COMMUNICATION: Communication = { worked: 0, gained: 0, steps: 0, first: null, latest: null };

/** What is known after one more round of a run to so many tokens; null: of an open-ended one nothing is estimated. */
export function communicationAfter(
  before: Communication,
  { round, tokens, gained, steps, ceiling }: RoundWork,
  targetTokens: number | null,
): Communication {
  if (gained === 0) return before;
  const sums = { worked: before.worked + 1, gained: before.gained + gained, steps: before.steps + steps };
  if (targetTokens === null || sums.worked < FIRST_ROUNDS) return { ...before, ...sums };
  const left = Math.max(0, targetTokens - tokens), perRound = sums.gained / sums.worked, H = sums.steps / sums.worked;
  const needed = (growth: number) =>
    round + Math.ceil(roundsNeeded({ amount: left, perRound, growth, mostPerRound: perRound * Math.max(1, ceiling) }));
  const constant = needed(1), growing = needed(2 ** Math.min(1, H / TEST_STEPS));
  const latest = { round, rounds: constant, constant, growing };
  return { ...sums, first: before.first ?? latest, latest };
}

export function workOf({ round, tokens, members, lineages }: CountedRound): RoundWork {
  const worked = members.filter(({ tokens }) => tokens > 0), steps = worked.map(({ steps }) => steps);
  const gained = worked.reduce((sum, { tokens }) => sum + tokens, 0);
  const batch = lineages.reduce((sum, { batch: { dealt } }) => sum + dealt, 0);
  const ceiling = lineages.reduce((sum, { batch: { ceiling } }) => sum + ceiling, 0) / batch;
  return { round, tokens, gained, steps: middleOf(steps), ceiling };
}

/** The lower median, or 0. */
export function middleOf(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor((values.length - 1) / 2)] ?? 0;
}

export interface RoundsNeeded {
  /** To be trained, in any unit. */
  readonly amount: number;
  /** What the first round holds, in the same unit: steps times batch. */
  readonly perRound: number;
  /** Factor from one round to the next, at least 1. */
  readonly growth?: number;
  /** What no round holds more than. */
  readonly mostPerRound?: number;
}

/** Rounds, not whole ones, in which a geometric batch trains an amount; from its most on it is constant. */
export function roundsNeeded(
  { amount, perRound, growth = 1, mostPerRound = Infinity }: RoundsNeeded,
): number {
  if (growth === 1 || mostPerRound <= perRound) return amount / perRound;
  const geometric = (sum: number) => Math.log1p((growth - 1) * sum / perRound) / Math.log(growth);
  const untilMost = Math.log(mostPerRound / perRound) / Math.log(growth);
  const trained = perRound * (growth ** untilMost - 1) / (growth - 1);
  return amount <= trained ? geometric(amount) : untilMost + (amount - trained) / mostPerRound;
}

/** For people; null while nothing is estimated. */
export function communicationText({ first, latest, worked, steps }: Communication, isOver: boolean): string | null {
  if (first === null || latest === null) return null;
  const H = Math.round(steps / worked), then = `after round ${first.round} ${first.rounds} were expected`;
  if (isOver) return `communication: ${latest.round} rounds; ${then}`;
  const bounds = `${H} steps a round: ${latest.constant} at this batch, ${latest.growing} if it doubled at every test`;
  return `communication: ${latest.round} of about ${latest.rounds} rounds; ${then}; ${bounds}`;
}
