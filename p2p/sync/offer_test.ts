import { strict as assert } from "node:assert";
import { genesisState } from "./chain.ts";
import { digestOf } from "./digest.ts";
import { buildOffer, NO_WORK, whyMalformed, type Work } from "./offer.ts";
import type { GradientStatistics, Offer, PeerId } from "./types.ts";
import { tinyRules } from "../../tests/tiny_rules.ts";

const rules = tinyRules();
const chain = genesisState(rules), base = digestOf("base");
const sketch = { codes: new Uint8Array(256), exponent: 0, sequences: 4 };
const noise: GradientStatistics = { tests: 2, variance: 1000, signal: -3, along: 20, sketch };
const work: Work = {
  ...NO_WORK,
  blob: { digest: digestOf("blob"), sizeBytes: 1 },
  steps: 2,
  ranges: [{ start: 0, end: 8 }],
  noise,
};

function built(changes: Partial<Work>): Offer {
  const about = { rules, self: "wren" as PeerId, name: "wren", device: "cpu" };
  const times = { waitMs: 0, transferMs: 0, nextMs: 1, heldOut: null, leaving: false };
  return buildOffer({ chain, base }, { ...work, ...changes }, { ...about, ...times });
}

Deno.test("an offer says what its box measured, and a zero offer nothing", () => {
  assert.deepEqual(built({}).noise, noise);
  assert.equal(whyMalformed(built({}), rules), null);
  const zero = built({ blob: null });
  assert.equal(zero.noise, null);
  assert.match(whyMalformed({ ...zero, noise }, rules)!, /measured gradients without a contribution/);
});

const absurd: readonly (readonly [string, GradientStatistics, RegExp])[] = [
  ["more steps than it made", { ...noise, tests: 3 }, /measured 3 of 2 steps/],
  ["no step", { ...noise, tests: 0 }, /measured 0 of 2 steps/],
  ["a variance that is no number", { ...noise, variance: NaN }, /variance of its gradients is NaN/],
  ["a variance below 0", { ...noise, variance: -1 }, /variance of its gradients is -1/],
  ["an infinite signal", { ...noise, signal: -Infinity }, /signal of its gradients is -Infinity/],
  ["noise along it beyond any", { ...noise, along: 2e18 }, /along of its gradients is 2000000000000000000/],
  ["a short sketch", { ...noise, sketch: { ...sketch, codes: new Uint8Array(255) } }, /sketch has 255 values/],
  ["a huge sketch", { ...noise, sketch: { ...sketch, exponent: 127 } }, /sketch has exponent 127/],
  ["a sketch of nothing", { ...noise, sketch: { ...sketch, sequences: 0 } }, /sketch is of 0 sequences/],
];

for (const [what, noise, reason] of absurd) {
  Deno.test(`an offer is malformed that measured ${what}; no learner's figures can make one`, () => {
    assert.match(whyMalformed({ ...built({}), noise }, rules)!, reason);
    assert.equal(built({ noise }).noise, null);
  });
}
