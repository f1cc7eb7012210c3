/**
 * What do hostile peers cost under each fold rule? Two of eight attack a run on virtual time; the figure is its final
 * held-out loss over that of the same run, rule and seed with eight honest peers.
 *
 * Losses do not depend on the machine or its load. The runs are those of `tests/hostile/`, for more seeds and all rules.
 * @module
 */
import type { OuterConfig } from "../runtime/config.ts";
import { rules } from "../runtime/state/robust/rules.ts";
import { type AttackName, attacks } from "../tests/hostile/attacks.ts";
import { HOSTILE, hostileRun, PEERS } from "../tests/hostile/hostile_run.ts";
import type { Bench, BenchLine } from "./line.ts";

const SEEDS = [1, 2, 3];
const LENGTH = { rounds: 20, steps: 10 };

type Defence = Pick<OuterConfig, "robust" | "screen">;

const DEFENCES: readonly Defence[] = [
  { robust: "median-clip", screen: "drop" },
  ...Object.values(rules).map(({ name }): Defence => ({ robust: name, screen: "log" })),
];

/** What is refused before a fold (NaN, garbage, copies) is refused under every rule: the default shows it for all. */
const FOLDED: readonly AttackName[] = ["sign flip", "×100", "noise", "replay"];

export const hostileBench: Bench = {
  name: "hostile",
  question: `what do ${HOSTILE} hostile peers of ${PEERS} cost, by attack and fold rule?`,
  async *run() {
    for (const defence of DEFENCES) {
      const clean = new Map<number, number>();
      for (const seed of SEEDS) {
        clean.set(seed, (await hostileRun({ ...LENGTH, ...defence, seed, attack: null })).loss);
      }
      yield { ...subject("no attack", defence), loss: meanOf([...clean.values()]) };
      const names = defence === DEFENCES[0] ? Object.keys(attacks) as AttackName[] : FOLDED;
      for (const name of names) {
        const ratios: number[] = [];
        for (const seed of SEEDS) {
          const { loss } = await hostileRun({ ...LENGTH, ...defence, seed, attack: attacks[name] });
          ratios.push(loss / clean.get(seed)!);
        }
        yield { ...subject(name, defence), lossRatio: meanOf(ratios), worstRatio: Math.max(...ratios) };
      }
    }
  },
};

function subject(attack: string, { robust, screen }: Defence): BenchLine {
  return { name: `${attack}: ${robust}${screen === "drop" ? " and screen" : ""}`, seeds: SEEDS.length };
}

function meanOf(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
