/**
 * Law 5: every offer of a peer that is still here ends with a fate and a reason, and what its owner was told is true.
 * @module
 */
import type { Digest } from "../../../p2p/sync/types.ts";
import { ageOf } from "../../../p2p/sync/record.ts";
import type { Case } from "./laws.ts";

const COUNTED = ["counted", "counted late", "merged"];

export function everyFateIsTold({ head, history, living, observer, weather }: Case): readonly string[] {
  const counted = new Set<Digest>(history.flatMap(({ record }) => record.counted.map(({ offer }) => offer)));
  const here = new Map(living.map((peer) => [peer.id, peer]));
  const faults: string[] = [];
  for (const [digest, offer] of observer.offers) {
    const { peer, round } = offer;
    const author = here.get(peer);
    // What a cut journal forgot, its owner cannot ask about.
    if (author === undefined || author.disk.hasForgotten(digest)) continue;
    const told = observer.fates.get(digest), isToldCounted = told !== undefined && COUNTED.includes(told.fate);
    // Where a disk has lost the state of a record, the offers that it counted are open again: their fate is told anew.
    const isReopened = author.disk.wasDamaged && told?.life !== author.lives && !counted.has(digest);
    const isCounted = isToldCounted && !isReopened;
    const isFinal = isCounted || told?.fate === "lost" || told?.fate === "unknown";
    const what = `offer ${digest} of ${peer} for round ${round}`;
    if (!isFinal && ageOf(offer, head) > weather.rules.lateRounds) {
      faults.push(`law 5: nobody told the fate of ${what}`);
    }
    if (told !== undefined && told.reason === "") faults.push(`law 5: no reason was told for the fate of ${what}`);
    if (isFinal && told?.fate !== "unknown" && isCounted !== counted.has(digest)) {
      faults.push(`law 5: ${what} was told to be ${told?.fate}`);
    }
  }
  return faults;
}
