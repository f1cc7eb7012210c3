/**
 * Where planned storages live: each gets a slot, and slots are shared over time.
 *
 * A storage is live from the first step that uses it to the last, or to the end if it is an output. Two storages that
 * are live in one step never share a slot, and a slot is a device buffer of its own, so no dispatch binds one buffer
 * both for reading and for writing, which WebGPU forbids. It allocates nothing.
 * @module
 */
import type { Graph, Storage } from "./tensor.ts";

export interface MemoryPlan {
  /** Words of each slot, the largest first. */
  readonly slotWords: readonly number[];
  /** Slot of every planned storage that a step uses. */
  readonly slots: ReadonlyMap<Storage, number>;
}

/** First and last step that use a storage. */
export interface Lifetime {
  readonly storage: Storage;
  readonly first: number;
  readonly last: number;
}

/**
 * Largest storages choose first, each the smallest slot that is free during its life, else a new one ("greedy by
 * size": Pisarchyk and Lee 2020, arXiv 2001.03288, §5.1). So a slot is as large as the first storage that chose it.
 */
export function planMemory(graph: Graph): MemoryPlan {
  const slots = new Map<Storage, number>();
  const slotWords: number[] = [], residents: Lifetime[][] = [];
  const bySize = lifetimes(graph).sort((a, b) => b.storage.words - a.storage.words || a.first - b.first);
  for (const lifetime of bySize) {
    const isFree = (slot: Lifetime[]) =>
      slot.every(({ first, last }) => last < lifetime.first || lifetime.last < first);
    let slot = residents.findLastIndex(isFree);
    if (slot === -1) {
      slot = slotWords.push(lifetime.storage.words) - 1;
      residents.push([]);
    }
    residents[slot]!.push(lifetime);
    slots.set(lifetime.storage, slot);
  }
  return { slotWords, slots };
}

/** Lifetimes of the planned storages, in the order of their first steps. */
export function lifetimes({ steps, outputs }: Graph): Lifetime[] {
  const found = new Map<Storage, Lifetime>();
  for (const [index, { tensors }] of steps.entries()) {
    for (const { storage } of Object.values(tensors)) {
      if (storage.home.kind !== "planned") continue;
      const last = outputs.has(storage) ? steps.length - 1 : index;
      found.set(storage, { storage, first: found.get(storage)?.first ?? index, last });
    }
  }
  return [...found.values()];
}

/** Slots that serve several plans which never run at the same time. */
export function uniteSlots(plans: readonly MemoryPlan[]): number[] {
  const count = Math.max(0, ...plans.map(({ slotWords }) => slotWords.length));
  return Array.from({ length: count }, (_, slot) => Math.max(...plans.map(({ slotWords }) => slotWords[slot] ?? 0)));
}
