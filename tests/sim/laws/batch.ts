/**
 * Laws 3 and 8 for the global batch: each request follows from the one before and from the offers that its record counts,
 * within what the run allows, and what liars measured moves no figure beyond what honest peers did. Written anew from the
 * equations, with none of the core's own functions.
 * @module
 */
import type { ChainState, Digest, Noise, Offer, SyncRules } from "../../../p2p/sync/types.ts";
import type { Case } from "./laws.ts";

/** Rounding of a power, and of means over time. */
const TOLERANCE = 1e-9;

export function batchFollows(given: Case): readonly string[] {
  const { history, observer, living, peers, weather: { rules } } = given, states = new Map<Digest, ChainState>();
  for (const { id } of living) for (const { chain } of observer.adoptions.get(id) ?? []) states.set(chain.head, chain);
  const liars = new Set(peers.filter(({ isHonest }) => !isHonest).map(({ id }) => id));
  return history.flatMap(({ digest, record, offers }) => {
    const [parent, other] = record.parents, before = states.get(parent!), after = states.get(digest);
    if (before === undefined || after === undefined || other !== undefined || record.met !== null) return [];
    const fresh = offers.filter((_, i) => record.counted[i]!.age === 0);
    const honest = fresh.filter(({ peer }) => !liars.has(peer));
    const faults = [
      whyWrongRequest(before, after, { fresh, rules }),
      whyMoved(before, after, { fresh, honest, rules }),
    ];
    return faults.flatMap((why) => why === null ? [] : [`${why}, in round ${record.round}`]);
  });
}

function whyWrongRequest(
  { batch: before }: ChainState,
  { batch: { request, noise, steps }, tokens }: ChainState,
  { fresh, rules }: { readonly fresh: readonly Offer[]; readonly rules: SyncRules },
): string | null {
  const { batch: first, batching } = rules, most = mostAfter(tokens, rules);
  if (request < before.request) return `law 3: the batch shrinks from ${before.request} to ${request}`;
  if (request > Math.max(first, most)) return `law 3: the batch is ${request}, and the ceiling is ${most}`;
  if (batching.policy === "constant") return request === first ? null : `law 3: a constant batch is ${request}`;
  if (batching.policy === "warmup") {
    const wanted = Math.max(first, Math.min(most, warm(tokens, rules)));
    return request === wanted ? null : `law 3: the warm-up's batch is ${request} after ${tokens} tokens, not ${wanted}`;
  }
  const made = fresh.filter(({ tokens }) => tokens > 0).map(({ steps }) => steps).sort((a, b) => a - b);
  const all = before.steps + (made[Math.ceil(made.length / 2) - 1] ?? 0);
  if (all < 20 || noise === null) {
    if (request > before.request) return `law 3: the batch grows after ${all} steps, or with nothing measured`;
    return steps === Math.min(20, all) ? null : `law 3: ${steps} steps are noted, not ${all}`;
  }
  const wanted = wantedBy(noise, before.request, rules);
  const expected = Math.max(before.request, Math.min(wanted, 2 * before.request, Math.max(first, most)));
  return Math.abs(request - expected) <= 1 ? null : `law 3: the batch is ${request}, and ${expected} follows`;
}

/** Between what it was and what honest peers measured, if they are more than half of those that did. */
function whyMoved(
  { batch: { noise: before } }: ChainState,
  { batch: { noise: after } }: ChainState,
  { fresh, honest, rules: { batching } }: {
    readonly fresh: readonly Offer[];
    readonly honest: readonly Offer[];
    readonly rules: SyncRules;
  },
): string | null {
  if (batching.policy === "norm-test" && batching.statistic === "peers") return null; // no figure of a single peer
  const measured = (offers: readonly Offer[]) =>
    offers.flatMap(({ noise, tokens }) => noise === null || tokens === 0 ? [] : [noise]);
  const said = measured(honest);
  if (2 * said.length <= measured(fresh).length || after === null) return null;
  for (const figure of ["variance", "signal", "along"] as const) {
    const values = [...said, ...before === null ? [] : [before]].map((noise) => noise[figure]);
    const [least, most] = [Math.min(...values), Math.max(...values)], slack = TOLERANCE * Math.max(1, Math.abs(most));
    if (after[figure] < least - slack || after[figure] > most + slack) {
      return `law 8: the ${figure} of the noise is ${after[figure]}, and honest peers said ${least} to ${most}`;
    }
  }
  return null;
}

function mostAfter(tokens: number, { batching, targetTokens, contextLength }: SyncRules): number {
  const planned = targetTokens ?? Math.max(1e6, 2 * tokens);
  const ceiling = (batching.ceilingTokens ?? 512 * 22.8 * (planned / 1e6) ** 0.47) / contextLength;
  return Math.min(Math.floor(ceiling), batching.most ?? Infinity);
}

function warm(tokens: number, { batch, batching }: SyncRules): number {
  if (batching.policy !== "warmup" || tokens >= batching.tokens) {
    return batching.policy === "warmup" ? batching.to : batch;
  }
  const share = tokens / batching.tokens;
  if (batching.shape === "linear") return Math.floor(batch + (batching.to - batch) * share);
  return batch * 2 ** Math.floor(share * Math.ceil(Math.log2(batching.to / batch)));
}

function wantedBy({ variance, signal, along }: Noise, request: number, { batching }: SyncRules): number {
  if (variance === 0) return 1;
  switch (batching.policy) {
    case "norm-test": {
      const plugIn = Math.max(signal, 0) + variance / request;
      const squared = batching.estimator === "plug-in" ? plugIn : signal;
      return squared <= 0 ? Infinity : Math.ceil(variance / batching.eta ** 2 / squared);
    }
    case "inner-product": {
      const orthogonal = Math.max(0, variance - along / signal) / signal / batching.nu ** 2;
      return signal <= 0 ? Infinity : Math.ceil(Math.max(along / (batching.theta * signal) ** 2, orthogonal));
    }
    default:
      throw new RangeError(`${batching.policy} measures nothing`);
  }
}
