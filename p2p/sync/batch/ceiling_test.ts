import { strict as assert } from "node:assert";
import { ceilingOf, criticalTokens, mostOf } from "./ceiling.ts";
import { tinyRules } from "../../../tests/tiny_rules.ts";

const rules = (changes: Parameters<typeof tinyRules>[0] = {}) =>
  tinyRules({ contextLength: 512, batch: 4, ...changes });

Deno.test("the critical batch is 512 · 22.8 · (D / 10⁶)^0.47 tokens, rounded down", () => {
  for (let tokens = 1; tokens < 2 ** 53; tokens = Math.ceil(tokens * 1.37)) {
    const real = 512 * 22.8 * (tokens / 1e6) ** 0.47;
    assert.ok(Math.abs(criticalTokens(tokens) - Math.floor(real)) <= 1, `${tokens} tokens: ${real}`);
  }
  const rounded = (tokens: number) => Math.round(criticalTokens(tokens) / 1e4) / 100;
  assert.deepEqual([0.2e9, 1e9, 2.5e9, 7e9].map(rounded), [0.14, 0.3, 0.46, 0.75], "millions of tokens");
  assert.equal(criticalTokens(1_000_000), 11_673);
  assert.equal(criticalTokens(0), 0);
});

Deno.test("the law gives the critical batches that were measured, within a third", () => {
  // Zhang et al. 2024: millions of parameters, with 20 tokens each, and sequences of 512 tokens.
  for (const [parameters, measured] of [[85, 745], [151, 955], [302, 1394], [604, 1889], [1200, 2533]] as const) {
    const found = criticalTokens(20e6 * parameters) / 512;
    assert.ok(Math.abs(found / measured - 1) < 1 / 3, `${parameters} M: ${found}, measured ${measured}`);
  }
});

Deno.test("a ceiling is in sequences, of the planned tokens; an open-ended run is taken to be at its middle", () => {
  assert.equal(ceilingOf(0, rules({ targetTokens: 1_000_000 })), 22);
  assert.equal(ceilingOf(9e9, rules({ targetTokens: 1_000_000 })), 22);
  assert.equal(ceilingOf(0, rules()), 22);
  assert.equal(ceilingOf(500_000, rules()), 22);
  assert.equal(ceilingOf(500_000_000, rules()), Math.floor(criticalTokens(1e9) / 512));
  assert.equal(ceilingOf(0, rules({ targetTokens: 1, contextLength: 4096 })), 1, "a sequence at least");
});

Deno.test("a measured ceiling replaces the law, the run's most limits both, and the run's own batch may be larger", () => {
  const limited = (most: number | null, ceilingTokens: number | null, batch = 4) =>
    mostOf(0, rules({ batch, batching: { policy: "constant", most, ceilingTokens } }));
  assert.equal(limited(null, 512 * 100), 100);
  assert.equal(limited(60, 512 * 100), 60);
  assert.equal(limited(200, 512 * 100), 100);
  assert.equal(limited(null, 512 * 100, 150), 150);
  assert.equal(limited(null, 1e12), 2 ** 20, "what a batch can be");
});
