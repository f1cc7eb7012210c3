/**
 * The laws of the protocol, checked from outside after a run has come to rest. Each fault names the law that it breaks.
 * @module
 */
import { isDeepStrictEqual } from "node:util";
import { createCore } from "../../p2p/sync/core.ts";
import { account } from "../../p2p/sync/ledger.ts";
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
    ...nothingInSilence(scene, history),
    ...pureCore(peers.flatMap(({ life }) => life ?? []).slice(0, 1)),
    ...account(head.ledger, history.flatMap(({ offers }) => offers.map(({ ranges }) => ranges)))
      .map((fault) => `law 10: ${fault}`),
  ];
}

interface Chapter {
  readonly digest: Digest;
  readonly record: RoundRecord;
  readonly offers: readonly Offer[];
}

/** The records from the first to `head`, with the offers they count. */
function historyOf(head: Digest, { records, offers }: Observer): readonly Chapter[] {
  const chapters: Chapter[] = [];
  for (let at: Digest | undefined = head; at !== undefined;) {
    const record: RoundRecord | undefined = records.get(at);
    if (record === undefined) break;
    chapters.push({ digest: at, record, offers: record.counted.flatMap(({ offer }) => offers.get(offer) ?? []) });
    at = record.parents[0];
  }
  return chapters.reverse();
}

function convergence(ids: readonly PeerId[], heads: readonly (ChainState | null)[]): string[] {
  const distinct = new Set(heads.map((chain) => chain?.head ?? "none"));
  if (distinct.size === 1) return [];
  return [`law 1: ${ids.map((id, i) => `${id} ended on round ${heads[i]?.round ?? "none"}`).join(", ")}`];
}

function exactlyOnce(head: ChainState, history: readonly Chapter[], { offers }: Observer): string[] {
  const faults: string[] = [];
  const seen = new Map<Digest, number>();
  let tokens = 0;
  for (const { record } of history) {
    for (const { offer } of record.counted) {
      const before = seen.get(offer);
      if (before !== undefined) faults.push(`law 2: offer ${offer} is counted in rounds ${before} and ${record.round}`);
      seen.set(offer, record.round);
      tokens += offers.get(offer)?.tokens ?? NaN;
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
function nothingInSilence({ observer, weather, peers }: Scene, history: readonly Chapter[]): string[] {
  const counted = new Set(history.flatMap(({ record }) => record.counted.map(({ offer }) => offer)));
  const living = new Set(peers.filter(({ isUp }) => isUp).map(({ id }) => id));
  const faults: string[] = [];
  const last = history.at(-1)?.record.round ?? 0;
  for (const [digest, { peer, round }] of observer.offers) {
    if (!living.has(peer)) continue;
    const fate = observer.fates.get(digest)?.fate;
    const isCounted = fate === "counted" || fate === "counted late";
    const isTold = isCounted || fate === "lost" || fate === "unknown";
    const what = `offer ${digest} of ${peer} for round ${round}`;
    if (!isTold && last >= round + weather.rules.lateRounds) faults.push(`law 5: nobody told the fate of ${what}`);
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
