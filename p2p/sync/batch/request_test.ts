import { strict as assert } from "node:assert";
import type { BatchState, Noise, PeerId, PolicyChoice, SyncRules } from "../types.ts";
import { genesisState } from "../chain.ts";
import { policyOf } from "./policy.ts";
import { firstBatch, nextBatch, viewBatch, whyImpossibleBatch } from "./request.ts";
import { measured, offerWith } from "../../../tests/noisy_gradients.ts";
import { tinyRules } from "../../../tests/tiny_rules.ts";

/** tr Σ = 1000 and |G|² = 10: the noise scale is 100. */
const SOURCE = { size: 1000, variance: 1000, signal: 10 };
const NOISE: Noise = { tests: 9, variance: 1000, signal: 10, along: 10 };

const rulesOf = (choice: PolicyChoice, changes: Parameters<typeof tinyRules>[0] = {}) =>
  tinyRules({ batch: 8, batching: { most: null, ceilingTokens: 1e9, ...choice }, ...changes });
const normTest = (eta: number, estimator: "debiased" | "plug-in" = "debiased"): PolicyChoice => (
  { policy: "norm-test", eta, estimator, statistic: "halves" }
);

/** One peer trains `records` boxes of 200 steps, ten of them measured, each at the batch that is asked for. */
function grown(choice: PolicyChoice, { records, from = 8 }: { readonly records: number; readonly from?: number }) {
  const rules = rulesOf(choice, { batch: from }), requests = [from];
  let state = firstBatch(rules);
  for (let record = 0; record < records; record++) {
    const noise = measured(SOURCE, { batch: 2 * Math.ceil(state.request / 2), tests: 10, seed: 1000 * from + record });
    state = nextBatch(state, { fresh: [offerWith(noise, { steps: 200 })], tokens: 0, rules });
    requests.push(state.request);
  }
  return requests;
}

function viewOf(batch: BatchState, rules: SyncRules) {
  return viewBatch({ ...genesisState(rules), batch }, rules);
}

function wanted(choice: PolicyChoice, noise: Noise, request: number): number {
  const policy = policyOf(choice);
  assert.ok(policy.kind === "test");
  return policy.wanted(noise, request);
}

Deno.test("the debiased norm test wants the noise scale by η², whatever the batch is", () => {
  for (const [eta, batch] of [[0.25, 1600], [0.5, 400], [0.8, 156.25], [1, 100], [2, 25]] as const) {
    for (const request of [1, 64, 4096]) assert.ok(Math.abs(wanted(normTest(eta), NOISE, request) - batch) < 1e-9);
  }
});

Deno.test("the plug-in norm test wants 156 from a batch of 64, and stays where it is at (1 − η²) of the debiased one", () => {
  assert.equal(Math.round(wanted(normTest(0.5, "plug-in"), NOISE, 64)), 156);
  for (const [eta, fixed] of [[0.25, 1500], [0.5, 300], [0.8, 56.25]] as const) {
    assert.ok(Math.abs(wanted(normTest(eta, "plug-in"), NOISE, fixed) - fixed) < 1e-9, `${eta}`);
  }
});

Deno.test("the plug-in norm test grows by 1/η² at most, however little signal there is, and for η ≥ 1 never", () => {
  for (const [eta, growth] of [[0.8, 1.5625], [0.5, 4], [0.25, 16], [0.1, 100]] as const) {
    for (const signal of [-50, 0]) {
      const most = wanted(normTest(eta, "plug-in"), { ...NOISE, signal }, 64) / 64;
      assert.ok(Math.abs(most - growth) < 1e-9, `${eta}: ${most}`);
    }
    assert.ok(wanted(normTest(eta, "plug-in"), { ...NOISE, signal: 1e-9 }, 64) <= growth * 64);
  }
  for (const signal of [-50, 0, 1e-9, 10, 1e9]) {
    for (const request of [1, 64, 4096]) {
      assert.ok(wanted(normTest(1, "plug-in"), { ...NOISE, signal }, request) <= request);
      assert.ok(wanted(normTest(1.5, "plug-in"), { ...NOISE, signal }, request) <= request);
    }
  }
});

Deno.test("on noisy gradients the debiased norm test reaches 400 and the plug-in one 300, and both stay", () => {
  // At 400 sequences a test's |G|² deviates by 0.35, its mean of 20 tests by 0.8 %: the largest of many is kept.
  const debiased = grown(normTest(0.5), { records: 40 }), plugIn = grown(normTest(0.5, "plug-in"), { records: 40 });
  assert.ok(Math.abs(debiased.at(-1)! - 400) <= 20, `${debiased}`);
  assert.ok(Math.abs(plugIn.at(-1)! - 300) <= 15, `${plugIn}`);
  const wide = grown(normTest(0.8), { records: 40 }).at(-1)!;
  assert.ok(Math.abs(wide - 156.25) <= 16, `${wide}`);
});

Deno.test("from 64 the plug-in test of a single record wants 156 ± 5", () => {
  const rules = rulesOf(normTest(0.5, "plug-in"), { batch: 64 });
  for (let seed = 1; seed <= 5; seed++) {
    // 400 steps of 64: |G|² deviates by 0.063 and tr Σ by 2.2, so what is wanted by 0.5.
    const noise = measured(SOURCE, { batch: 64, tests: 400, seed });
    const { wanted } = nextBatch(firstBatch(rules), { fresh: [offerWith(noise, { steps: 8000 })], tokens: 0, rules });
    assert.ok(Math.abs(wanted - 156) <= 5, `seed ${seed}: ${wanted}`);
  }
});

Deno.test("a request never shrinks, and at one test it at most doubles", () => {
  for (
    const choice of [normTest(0.5), normTest(0.1, "plug-in"), { policy: "inner-product", theta: 0.1, nu: 0.1 }] as const
  ) {
    const requests = grown(choice, { records: 12 });
    for (const [i, request] of requests.slice(1).entries()) {
      assert.ok(request >= requests[i]! && request <= 2 * requests[i]!, `${requests}`);
    }
    assert.deepEqual(requests.slice(0, 4), [8, 16, 32, 64], "it was far below");
  }
});

Deno.test("where noise hides the gradient every test doubles the batch, up to the ceiling", () => {
  const rules = rulesOf(normTest(0.7), { batching: { ...normTest(0.7), most: null, ceilingTokens: 64 * 50 } as never });
  const fresh = [offerWith({ ...NOISE, signal: -1, sketch: null }, { steps: 20 })];
  let state = firstBatch(rules);
  const requests = [1, 2, 3, 4].map(() => (state = nextBatch(state, { fresh, tokens: 0, rules })).request);
  assert.deepEqual(requests, [16, 32, 50, 50]);
  assert.equal(viewOf(state, rules).noiseScale, null);
});

Deno.test("a policy is asked once in 20 inner steps, and steps of short records add up", () => {
  const rules = rulesOf(normTest(0.5)), fresh = [offerWith({ ...NOISE, sketch: null }, { steps: 9 })];
  let state = firstBatch(rules);
  const seen = Array.from({ length: 6 }, () => {
    state = nextBatch(state, { fresh, tokens: 0, rules });
    return [state.request, state.steps];
  });
  assert.deepEqual(seen, [[8, 9], [8, 18], [16, 0], [16, 9], [16, 18], [32, 0]]);
  const idle = nextBatch(state, { fresh: [offerWith(null, { steps: 1e9 })], tokens: 0, rules: rulesOf(normTest(0.5)) });
  assert.equal(idle.request, 64, "what was measured before still counts");
});

Deno.test("before anything is measured a test asks for nothing, and its steps do not add up without end", () => {
  const rules = rulesOf(normTest(0.5));
  let state = firstBatch(rules);
  for (let i = 0; i < 3; i++) state = nextBatch(state, { fresh: [offerWith(null, { steps: 1e15 })], tokens: 0, rules });
  assert.deepEqual(state, { request: 8, wanted: 8, steps: 20, noise: null });
});

Deno.test("the augmented inner-product test wants what the worse of its two tests wants", () => {
  const of = (theta: number, nu: number, along: number) =>
    wanted({ policy: "inner-product", theta, nu }, { ...NOISE, along }, 64);
  // Isotropic: Var⟨g_i, G⟩ = |G|² = 10, so 999 of 1000 lie across.
  assert.ok(Math.abs(of(0.5, 1, 10) - 99.9) < 1e-9);
  assert.ok(Math.abs(of(0.5, 0.5, 10) - 399.6) < 1e-9);
  // All along: Var⟨g_i, G⟩ = 10 · 1000, and nothing across.
  assert.ok(Math.abs(of(0.5, 1, 10_000) - 400) < 1e-9);
  assert.equal(of(0.5, 1, 20_000), 800, "an estimate beyond what is there is no fault");
  assert.equal(wanted({ policy: "inner-product", theta: 0.5, nu: 1 }, { ...NOISE, signal: 0 }, 64), Infinity);
});

Deno.test("without any noise no test wants more than one sequence", () => {
  const silent: Noise = { tests: 1, variance: 0, signal: 0, along: 0 };
  for (
    const choice of [normTest(0.5), normTest(0.5, "plug-in"), { policy: "inner-product", theta: 0.5, nu: 1 }] as const
  ) {
    assert.equal(wanted(choice, silent, 8), 1);
  }
});

Deno.test("a constant batch is constant, and its noise is measured all the same", () => {
  const rules = rulesOf({ policy: "constant" });
  const after = nextBatch(firstBatch(rules), {
    fresh: [offerWith({ ...NOISE, sketch: null }, { steps: 20 })],
    tokens: 1e9,
    rules,
  });
  assert.deepEqual([after.request, after.wanted], [8, 8]);
  assert.deepEqual(viewOf(after, rules), {
    policy: "constant",
    request: 8,
    dealt: 8,
    noiseScale: 100,
    ceiling: Math.floor(1e9 / 64),
    reason: "constant",
  });
});

Deno.test("a warm-up goes by tokens alone: in a line, or by doublings at equal distances", () => {
  const at = (shape: "linear" | "doubling", tokens: number, to = 100) => {
    const rules = rulesOf({ policy: "warmup", to, tokens: 1000, shape });
    return nextBatch(firstBatch(rules), { fresh: [], tokens, rules }).request;
  };
  assert.deepEqual([0, 500, 999, 1000, 5000].map((tokens) => at("linear", tokens)), [8, 54, 99, 100, 100]);
  // 8, 16, 32, 64 and 100: four steps.
  assert.deepEqual([0, 249, 250, 500, 999, 1000].map((tokens) => at("doubling", tokens)), [8, 8, 16, 32, 64, 100]);
  assert.deepEqual([0, 999, 1000].map((tokens) => at("doubling", tokens, 8)), [8, 8, 8]);
  const rules = rulesOf({ policy: "warmup", to: 100, tokens: 1, shape: "linear" }, {});
  const limited = { ...rules, batching: { ...rules.batching, ceilingTokens: 64 * 30 } };
  assert.equal(nextBatch(firstBatch(limited), { fresh: [], tokens: 5, rules: limited }).request, 30);
});

Deno.test("a batch has a reason for people: what is wanted, and what is allowed", () => {
  const rules = rulesOf(normTest(0.5), { batching: { ...normTest(0.5), most: 300, ceilingTokens: 64 * 350 } as never });
  const reason = (changes: Partial<BatchState>) =>
    viewOf({ request: 8, wanted: 8, steps: 0, noise: NOISE, ...changes }, rules).reason;
  assert.equal(reason({ noise: null }), "norm test: nothing is measured yet");
  assert.equal(reason({ request: 200, wanted: 200 }), "norm test: 200 wanted");
  assert.equal(reason({ request: 16, wanted: 400 }), "norm test: 400 wanted, at most 2× at a time allowed");
  assert.equal(reason({ request: 300, wanted: 400 }), "norm test: 400 wanted, 300 allowed (the run's most)");
  assert.equal(reason({ request: 16, wanted: 2 ** 20 }), "norm test: any number wanted, at most 2× at a time allowed");
  assert.equal(reason({ request: 200, wanted: 90 }), "norm test: 90 would do, and it never shrinks");
  const low = { ...rules, batching: { ...rules.batching, most: null } };
  assert.match(
    viewOf({ request: 350, wanted: 400, steps: 0, noise: NOISE }, low).reason,
    /350 allowed \(the ceiling\)/,
  );
});

Deno.test("a view says how much of the request the members have time for", () => {
  const rules = rulesOf(normTest(0.5)), peer = "wren" as PeerId;
  const roster = [{ peer, since: 1, lastCounted: 1, speed: 1_000, nextMs: 10_000, name: "wren" }];
  const batch = { request: 64, wanted: 64, steps: 0, noise: NOISE };
  const { dealt, reason } = viewBatch({ ...genesisState(rules), roster, batch }, rules);
  assert.deepEqual([dealt, reason], [15, "norm test: 64 wanted; members have time for 15"]);
});

Deno.test("a batch below the run's own or above the ceiling is none that a history leads to", () => {
  const of = (request: number): BatchState => ({ request, wanted: request, steps: 0, noise: null });
  const rules = rulesOf(normTest(0.5), { batching: { ...normTest(0.5), most: null, ceilingTokens: 64 * 50 } as never });
  assert.deepEqual([8, 50].map((request) => whyImpossibleBatch(of(request), 0, rules)), [null, null]);
  assert.match(whyImpossibleBatch(of(7), 0, rules)!, /its batch is 7, and the run's are 8 to 50/);
  assert.match(whyImpossibleBatch(of(51), 0, rules)!, /its batch is 51/);
  assert.match(whyImpossibleBatch(of(9), 0, rulesOf({ policy: "constant" }))!, /8 to 8/);
});
