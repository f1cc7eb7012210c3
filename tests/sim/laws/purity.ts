/**
 * Law 9: the same inputs at the same times, told to a new core, have the same effects in the same order. One peer of
 * each run, by its seed, has everything it was told kept for this.
 * @module
 */
import { isDeepStrictEqual } from "node:util";
import { createCore } from "../../../p2p/sync/core.ts";
import type { Life } from "../sim_peer.ts";
import type { Case } from "./laws.ts";

export function pureCore({ observer, peers }: Case): readonly string[] {
  const recorded = peers.find(({ isRecorded }) => isRecorded);
  if (recorded === undefined || !recorded.isHonest) return [];
  const current = recorded.life === null || !recorded.isUp ? [] : [recorded.life];
  return [...observer.lives, ...current].flatMap((life) => replay(life, recorded.rulebook));
}

function replay({ core: options, inputs }: Life, rulebook: Parameters<typeof createCore>[1]): readonly string[] {
  const core = createCore(options, rulebook);
  const at = inputs.findIndex(({ nowMs, input, effects }) => {
    const again = core.handle(nowMs, input);
    return again.length !== effects.length || !again.every((effect, i) => isDeepStrictEqual(effect, effects[i]));
  });
  return at === -1 ? [] : [`law 9: input ${at} of ${options.self} had other effects the second time`];
}
