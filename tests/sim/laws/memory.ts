/**
 * Law 6: what an honest peer has on its disk is never outweighed by forgetting; the observer sees that as it happens
 * (`observer.ts`). Here: whoever is up at the end has its head on its disk.
 * @module
 */
import type { Case } from "./laws.ts";

export function noAmnesia({ living, observer }: Case): readonly string[] {
  return living.flatMap(({ id, disk }) => {
    const chain = observer.adoptions.get(id)?.at(-1)?.chain;
    if (chain === undefined || chain.round === 0) return [];
    const saved = disk.journal.find((entry) => entry.kind === "state" && entry.chain.head === chain.head);
    if (saved?.kind !== "state") return [`law 6: ${id} ended on round ${chain.round}, which its journal lacks`];
    if (!disk.isWhole(saved.weights.digest)) return [`law 6: ${id} ended on round ${chain.round} without its weights`];
    return [];
  });
}
