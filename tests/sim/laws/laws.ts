/**
 * The laws of the protocol, checked from outside after a run has come to rest. Each fault names the law that it breaks.
 *
 * Liars are bound by no law, and what they say is no evidence; honest peers must keep every law among themselves.
 * @module
 */
import type { ChainState } from "../../../p2p/sync/types.ts";
import type { Observer } from "../observer.ts";
import type { SimPeer } from "../sim_peer.ts";
import type { Weather } from "../weather.ts";
import { batchFollows } from "./batch.ts";
import { boundedness } from "./bounds.ts";
import { cellLedgerFollows, cellsApart } from "./cells.ts";
import { everyFateIsTold } from "./fates.ts";
import { type Chapter, historyOf } from "./history.ts";
import { ledgerFollows, stateFollows } from "./ledger.ts";
import { hasLostRun, isGivenUp } from "./loss.ts";
import { lineagesFollow } from "./lineages.ts";
import { noAmnesia } from "./memory.ts";
import { progressInTheCalm } from "./progress.ts";
import { pureCore } from "./purity.ts";
import { convergence, exactlyOnce, nobodyWronged, sameBits } from "./unity.ts";

/** What there is to judge a run by. */
export interface Scene {
  readonly observer: Observer;
  readonly weather: Weather;
  readonly peers: readonly SimPeer[];
}

/** One cell, law by law; `history` is that of the head on which its honest peers ended. */
export interface Case extends Scene {
  /** Honest peers that are up, and ended in this cell. */
  readonly living: readonly SimPeer[];
  readonly head: ChainState;
  /** Parents before children. */
  readonly history: readonly Chapter[];
}

export function brokenLaws(scene: Scene): readonly string[] {
  const { observer, peers } = scene;
  const living = peers.filter(({ isUp, isHonest }) => isUp && isHonest);
  // Who has lost the run, or found out that it stood on garbage, is as if it had just come: it waits to be given a state.
  const headOf = ({ id, lives, disk }: SimPeer) => {
    const last = observer.adoptions.get(id)?.at(-1);
    if (last === undefined || last.life !== lives && disk.wasDamaged && hasLostRun(disk)) return undefined;
    return isGivenUp(last.chain.head, disk, observer) ? undefined : last.chain;
  };
  const headless = living.filter((peer) => headOf(peer) === undefined);
  const cells = Map.groupBy(living.filter((peer) => headOf(peer) !== undefined), (peer) => headOf(peer)!.cell);
  const cases = [...cells.values()].map((living): Case => {
    const head = headOf(living[0]!)!;
    return { ...scene, living, head, history: historyOf(head.head, observer) };
  });
  const [any] = cases;
  if (any === undefined) {
    // Each may have left, or ended for good reasons, which the observer judges.
    return [...observer.faults, ...living.length > 0 ? ["law 4: nobody ever had a head"] : []];
  }
  return [
    ...observer.faults,
    ...cases.flatMap((given) => [
      ...convergence(given),
      ...exactlyOnce(given),
      ...progressInTheCalm(given),
      ...everyFateIsTold(given),
      ...noAmnesia(given),
      ...(wasSplit(given) ? cellLedgerFollows(given) : ledgerFollows(given)),
      ...stateFollows(given),
      ...batchFollows(given),
      ...lineagesFollow(given),
    ]),
    ...cellsApart(cases, headless),
    ...sameBits(any),
    ...boundedness(any),
    ...nobodyWronged(any),
    ...pureCore(any),
  ];
}

function wasSplit({ head, history }: Case): boolean {
  return head.cell !== "" || history.some(({ record: { cell } }) => cell !== "");
}
