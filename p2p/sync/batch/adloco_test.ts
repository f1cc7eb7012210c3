import { strict as assert } from "node:assert";
import { tinyRules } from "../../../tests/tiny_rules.ts";
import { adloco } from "./adloco.ts";
import type { AdlocoChoice } from "./batching.ts";
import { normTest } from "./gradient_norm.ts";
import { innerProduct } from "./inner_product.ts";
import { nextBatch } from "./request.ts";
import type { Noise, Offer } from "../types.ts";

const choice: AdlocoChoice = {
  ...{ policy: "adloco", lineages: 4, mergeEvery: 2, test: "norm", variant: "corrected" },
  ...{ eta: 0.5, theta: 0.5, nu: 0.3 },
};
const noise: Noise = { tests: 10, variance: 1000, signal: 10, along: 40 };

function wantedBy(changes: Partial<AdlocoChoice>, request = 64): number {
  const policy = adloco({ ...choice, ...changes });
  assert.equal(policy.kind, "test");
  return policy.kind === "test" ? policy.wanted(noise, request) : NaN;
}

Deno.test("the corrected variant's tests are those of the policies of their names", () => {
  const norm = normTest({ policy: "norm-test", eta: 0.5, statistic: "halves", estimator: "debiased" });
  assert.equal(wantedBy({}), norm.wanted(noise, 64));
  assert.equal(wantedBy({}), 400);
  const product = innerProduct({ policy: "inner-product", theta: 0.5, nu: 0.3 });
  assert.equal(wantedBy({ test: "inner-product" }), product.wanted(noise, 64));
});

Deno.test("the published tests go by |ḡ|², which holds tr Σ/b, and the augmented one by ν alone", () => {
  assert.equal(wantedBy({ variant: "published" }), 1000 / (0.25 * (10 + 1000 / 64)));
  const plain = 10 + 1000 / 100, across = 1000 - 40 / plain; // of a batch of 100
  assert.equal(wantedBy({ variant: "published", test: "inner-product" }, 100), across / (0.3 * 0.3 * plain));
  assert.equal(
    wantedBy({ variant: "published", test: "inner-product", theta: 1e-2 }, 100),
    across / (0.3 * 0.3 * plain),
  );
});

Deno.test("the published variant is asked after every round and given all it wants, the corrected one is not", () => {
  const rules = (variant: AdlocoChoice["variant"]) =>
    tinyRules({ batch: 8, batching: { ...choice, variant, most: null, ceilingTokens: null } });
  const offer = { steps: 4, tokens: 64, noise: { ...noise, signal: -5, sketch: null } } as Offer;
  const before = { request: 8, wanted: 8, steps: 0, noise: null };
  const after = (variant: AdlocoChoice["variant"], steps: number) =>
    nextBatch(before, { fresh: [{ ...offer, steps }], tokens: 0, rules: rules(variant) }).request;
  assert.deepEqual([after("published", 4), after("corrected", 4), after("corrected", 20)], [32, 8, 16]);
});

Deno.test("without a test the batch stays as it is", () => {
  assert.equal(adloco({ ...choice, test: "none" }).kind, "schedule");
});
