/**
 * Do histories that take outer steps of their own and are averaged in pairs stay together, with outer momentum?
 *
 * An average acts on weights and momentum at once and alike in every group, so it commutes with the outer step: what
 * lies between two groups shrinks with each average, and the momentum never sees it. Gossip that puts the difference to
 * a partner *into* the momentum (NoLoCo, arXiv 2506.10911) is stable only for γ < 2·(1 − μ²): not with γ 0.7, μ 0.9.
 * @module
 */
import { strict as assert } from "node:assert";
import { type Chance, chance } from "../../tests/chance.ts";
import { average } from "./average.ts";
import { outerStep } from "./outer.ts";

const GROUPS = 16, WORDS = 64, RATES = { learningRate: 0.7, momentum: 0.9 };

interface Group {
  readonly parameters: Float32Array;
  readonly momentum: Float32Array;
}

function begin(): readonly Group[] {
  return Array.from({ length: GROUPS }, () => ({
    parameters: new Float32Array(WORDS),
    momentum: new Float32Array(WORDS),
  }));
}

/** A mean pseudo-gradient of one group: noise of variance 1/3 around what a loss of this curvature asks for. */
function pseudoGradient({ parameters }: Group, { draw, curvature }: { draw: Chance; curvature: number }): Float64Array {
  return Float64Array.from(parameters, (value) => curvature * value + draw.between(-1, 1));
}

/** All groups in pairs, drawn anew. */
function pairs(groups: readonly Group[], draw: Chance): readonly (readonly [Group, Group])[] {
  const shuffled = groups.map((group) => ({ group, at: draw.next() })).sort((a, b) => a.at - b.at);
  return Array.from({ length: GROUPS / 2 }, (_, i) => [shuffled[2 * i]!.group, shuffled[2 * i + 1]!.group] as const);
}

/** Mean variance between the groups, value by value. */
function spread(groups: readonly Group[]): number {
  let sum = 0;
  for (let i = 0; i < WORDS; i++) {
    const mean = groups.reduce((sum, { parameters }) => sum + parameters[i]!, 0) / GROUPS;
    sum += groups.reduce((sum, { parameters }) => sum + (parameters[i]! - mean) ** 2, 0) / GROUPS;
  }
  return sum / WORDS;
}

/** Largest spread in the last quarter of so many rounds, averaged after every `every` of them; never if 0. */
function spreadAfter(rounds: number, { every, curvature }: { every: number; curvature: number }): number {
  const groups = begin(), draw = chance(1);
  let largest = 0;
  for (let round = 1; round <= rounds; round++) {
    for (const group of groups) {
      const mean = pseudoGradient(group, { draw, curvature });
      outerStep({ weights: group.parameters, momentum: group.momentum, mean }, RATES);
    }
    for (const [a, b] of every > 0 && round % every === 0 ? pairs(groups, draw) : []) {
      // The work of the two differs, as it does between groups of unequal machines.
      average({ ...a, share: draw.between(1, 4) }, { ...b, share: draw.between(1, 4) }, a);
      b.parameters.set(a.parameters);
      b.momentum.set(a.momentum);
    }
    if (round > 0.75 * rounds) largest = Math.max(largest, spread(groups));
  }
  return largest;
}

/** The same noise, with the difference to the partner inside the momentum. */
function spreadOfGossip(rounds: number): number {
  const groups = begin(), draw = chance(1), { learningRate, momentum: mu } = RATES;
  for (let round = 1; round <= rounds; round++) {
    for (const [a, b] of pairs(groups, draw)) {
      const [one, other] = [a, b].map((group) => pseudoGradient(group, { draw, curvature: 0 }));
      for (let i = 0; i < WORDS; i++) {
        const mean = (one![i]! + other![i]!) / 2, apart = (a.parameters[i]! - b.parameters[i]!) / 2;
        a.momentum[i] = mu * a.momentum[i]! - learningRate * mean - learningRate * apart;
        b.momentum[i] = mu * b.momentum[i]! - learningRate * mean + learningRate * apart;
        a.parameters[i]! += a.momentum[i]!;
        b.parameters[i]! += b.momentum[i]!;
      }
    }
  }
  return spread(groups);
}

for (const every of [1, 4]) {
  for (const curvature of [0, 0.3]) {
    const what = `averaged in pairs every ${
      every === 1 ? "round" : `${every} rounds`
    }, momentum 0.9, curvature ${curvature}`;
    Deno.test(`groups stay together for as long as they go on: ${what}`, () => {
      const soon = spreadAfter(100, { every, curvature }), late = spreadAfter(400, { every, curvature });
      // Groups that are never averaged part fourfold between these; what is settled swings by chance alone.
      assert.ok(late < 2 * soon, `${soon} after 100 rounds, ${late} after 400`);
    });
  }
}

Deno.test("without averages groups part on a flat loss, and with the difference inside the momentum they fly apart", () => {
  const together = spreadAfter(100, { every: 1, curvature: 0 });
  assert.ok(spreadAfter(100, { every: 0, curvature: 0 }) > 20 * together);
  assert.ok(spreadOfGossip(100) > 1_000 * spreadOfGossip(10), "it grows without end");
});
