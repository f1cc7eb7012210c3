/**
 * The laws of the protocol, checked from outside after a run has come to rest. Each fault names the law that it breaks.
 * @module
 */
import { isDeepStrictEqual } from "node:util";
import { createCore } from "../../p2p/sync/core.ts";
import { account } from "../../p2p/sync/ledger.ts";
import { ageOf } from "../../p2p/sync/record.ts";
import type { ChainState, Digest, Offer, PeerId, RoundRecord } from "../../p2p/sync/types.ts";
import type { Observer } from "./observer.ts";
import type { Life, SimPeer } from "./sim_peer.ts";
import type { Weather } from "./weather.ts";

export interface Scene {
  readonly observer: Observer;
  readonly weather: Weather;
  readonly peers: readonly SimPeer[];
}

export function brokenLaws(scene: Scene): readonly string[] {
  const { observer, peers } = scene;
  const living = peers.filter(({ isUp }) => isUp);
  const heads = living.map(({ id }) => observer.adoptions.get(id)?.at(-1)?.chain ?? null);
  const head = heads.find((chain) => chain !== null) ?? null;
  if (head === null) return ["law 4: nobody ever had a head"];
  const history = historyOf(head.head, observer);
  return [
    ...observer.faults,
    ...convergence(living.map(({ id }) => id), heads),
    ...exactlyOnce(head, history, observer),
    ...sameBits(observer),
    ...progress(scene, living.map(({ id }) => id)),
    ...nothingInSilence(scene, head, history),
    ...pureCore(peers.flatMap(({ life }) => life ?? []).slice(0, 1)),
    ...account(head.ledger, [...new Set(history.flatMap(({ offers }) => offers))].map(({ ranges }) => ranges))
      .map((fault) => `law 10: ${fault}`),
  ];
}

interface Chapter {
  readonly digest: Digest;
  readonly record: RoundRecord;
  readonly offers: readonly Offer[];
}

/** All records that lead to `head`, along every parent, with the offers they count; parents first. */
function historyOf(head: Digest, { records, offers }: Observer): readonly Chapter[] {
  const chapters: Chapter[] = [];
  const digests = new Set([head]);
  for (const digest of digests) {
    const record = records.get(digest);
    if (record === undefined) continue;
    chapters.push({ digest, record, offers: record.counted.flatMap(({ offer }) => offers.get(offer) ?? []) });
    record.parents.forEach((parent) => digests.add(parent));
  }
  return chapters.sort((a, b) => a.record.round - b.record.round);
}

/** Each record of a history with all that leads to it. */
function ancestorsOf(history: readonly Chapter[]): ReadonlyMap<Digest, ReadonlySet<Digest>> {
  const ancestors = new Map<Digest, ReadonlySet<Digest>>();
  for (const { digest, record: { parents } } of history) {
    ancestors.set(digest, new Set(parents.flatMap((parent) => [parent, ...ancestors.get(parent) ?? []])));
  }
  return ancestors;
}

function convergence(ids: readonly PeerId[], heads: readonly (ChainState | null)[]): string[] {
  const distinct = new Set(heads.map((chain) => chain?.head ?? "none"));
  if (distinct.size === 1) return [];
  return [`law 1: ${ids.map((id, i) => `${id} ended on round ${heads[i]?.round ?? "none"}`).join(", ")}`];
}

function exactlyOnce(head: ChainState, history: readonly Chapter[], { offers }: Observer): string[] {
  const faults: string[] = [];
  const ancestors = ancestorsOf(history), seen = new Map<Digest, Chapter[]>();
  let tokens = 0;
  for (const chapter of history) {
    const { digest, record } = chapter;
    for (const { offer } of record.counted) {
      const before = seen.get(offer) ?? [];
      if (before.length === 0) tokens += offers.get(offer)?.tokens ?? NaN; // what both sides of a merge counted is one
      for (const other of before.filter((other) => ancestors.get(digest)!.has(other.digest))) {
        faults.push(`law 2: offer ${offer} is counted in rounds ${other.record.round} and ${record.round}`);
      }
      seen.set(offer, [...before, chapter]);
    }
  }
  if (tokens !== head.tokens) faults.push(`law 2: the history counts ${tokens} tokens, its state says ${head.tokens}`);
  return faults;
}

function sameBits({ bases }: Observer): string[] {
  return [...bases].filter(([, states]) => states.size > 1).map(([record, states]) =>
    `law 3: record ${record} became ${states.size} states, at ${[...states.values()].join(" and ")}`
  );
}

/** In the calm, rounds follow each other within the longest wait that the rules allow. */
function progress({ observer, weather: { stormMs, calmMs, rules } }: Scene, living: readonly PeerId[]): string[] {
  const longestMs = 3 * rules.longestRoundMs + 10_000;
  return living.flatMap((peer) => {
    const times = (observer.adoptions.get(peer) ?? []).map(({ atMs }) => atMs)
      .filter((atMs) => stormMs < atMs && atMs < stormMs + calmMs);
    const waits = [stormMs, ...times, stormMs + calmMs].map((atMs, i, all) => atMs - (all[i - 1] ?? atMs));
    const longest = Math.max(...waits);
    return longest > longestMs ? [`law 4: ${peer} adopted nothing for ${Math.round(longest)} ms in the calm`] : [];
  });
}

/** Every offer of a peer that is still here ends with a fate, and the fate is true. */
function nothingInSilence(
  { observer, weather, peers }: Scene,
  head: ChainState,
  history: readonly Chapter[],
): string[] {
  const counted = new Set(history.flatMap(({ record }) => record.counted.map(({ offer }) => offer)));
  const living = new Set(peers.filter(({ isUp }) => isUp).map(({ id }) => id));
  const faults: string[] = [];
  for (const [digest, offer] of observer.offers) {
    const { peer, round } = offer;
    if (!living.has(peer)) continue;
    const fate = observer.fates.get(digest)?.fate;
    const isCounted = fate === "counted" || fate === "counted late" || fate === "merged";
    const isTold = isCounted || fate === "lost" || fate === "unknown";
    const what = `offer ${digest} of ${peer} for round ${round}`;
    if (!isTold && ageOf(offer, head) > weather.rules.lateRounds) faults.push(`law 5: nobody told the fate of ${what}`);
    if (isTold && fate !== "unknown" && isCounted !== counted.has(digest)) {
      faults.push(`law 5: ${what} was told to be ${fate}`);
    }
  }
  return faults;
}

/** The same inputs at the same times, told to a new core, have the same effects. */
function pureCore(lives: readonly Life[]): string[] {
  return lives.flatMap(({ options, inputs }) => {
    const core = createCore(options);
    const at = inputs.findIndex(({ nowMs, input, effects }) => !isDeepStrictEqual(core.handle(nowMs, input), effects));
    return at === -1 ? [] : [`law 9: input ${at} of ${options.self} had other effects the second time`];
  });
}
