/**
 * Law 7: what a core holds, what it does for one input, and what it says, is bounded by roster and config, also with
 * hostile senders. The bounds are those that the rooms name, with room for one more of each.
 * @module
 */
import { historyRounds } from "../../../p2p/sync/book.ts";
import { beatMs } from "../../../p2p/sync/context.ts";
import type { Case } from "./laws.ts";

export function boundedness({ observer, weather, peers }: Case): readonly string[] {
  const { rules } = weather, count = peers.length;
  const offersEach = 16 + 2 * rules.rosterRounds;
  // Who merges what parted long ago takes and writes down all that the other side has.
  const rounds = Math.max(...[...observer.adoptions.values()].map((adopted) => adopted.at(-1)!.chain.round));
  const bounds: Readonly<Record<string, number>> = {
    links: Math.max(400, 8 * rounds),
    offers: count * 2 * offersEach,
    // Older ones, for 256 rounds.
    archivedOffers: 16 * count * 2 * offersEach,
    ownOffers: 16 * 2 * offersEach,
    connected: count,
    heard: 2 * count,
    pulled: count,
    asked: count,
    promised: count,
    found: 8,
    // Some prepare each meeting, and what was met is kept as long as contributions.
    foreignWeights: 4 * historyRounds(rules) / rules.cellRounds,
    candidates: 16,
    fetches: 16,
    retries: count * offersEach,
  };
  const faults = [...observer.largest].filter(([what, size]) => size > (bounds[what] ?? 0)).map(([what, size]) =>
    `law 7: a core held ${size} ${what}, ${bounds[what] ?? 0} is the most`
  );
  const mostEffects = Math.max(8 * offersEach + 4 * count, 12 * rounds);
  if (observer.mostEffects > mostEffects) {
    faults.push(`law 7: one input had ${observer.mostEffects} effects, ${mostEffects} is the most`);
  }
  const beats = observer.nowMs / beatMs(rules.leastRoundMs);
  // With every beat: the beat, what is pending, a pull, and an answer to whoever asks.
  const mostSaid = beats * (2 + rules.lateRounds + count);
  for (const [peer, said] of observer.saidCount) {
    if (said > mostSaid) faults.push(`law 7: ${peer} said ${said} things, ${Math.round(mostSaid)} is the most`);
  }
  return faults;
}
