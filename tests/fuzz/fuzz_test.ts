/**
 * Some of the cases of `main.ts`, the same in every run; a failure names target, seed and case.
 * @module
 */
import { strict as assert } from "node:assert";
import { fuzz, rerunOf } from "./fuzz.ts";

const SEED = 1, CASES = 50_000;

Deno.test(`${CASES} random and mutated inputs harm nothing: no throw, bounded memory, peers keep their rounds (seed ${SEED})`, async () => {
  const results = await fuzz({ cases: CASES, seed: SEED });
  const failures = results.flatMap(({ failures }) => failures);
  assert.deepEqual(failures.map((failure) => `${rerunOf(failure)}\n${failure.reason}`), []);
  for (const { target, cases, accepted } of results) {
    assert.ok(accepted > 0 && accepted < cases, `${accepted} of ${cases} inputs of '${target}' were accepted`);
  }
});
