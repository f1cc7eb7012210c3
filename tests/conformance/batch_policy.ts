/**
 * What every batch policy must do: ask for whole sequences, the same for the same statistics.
 * @module
 */
import { strict as assert } from "node:assert";
import type { BatchPolicy } from "../../runtime/batching/policy.ts";

const TOKENS = [0, 1, 999, 1_000, 123_456, 1e9, Number.MAX_SAFE_INTEGER];

/** Registers the suite's tests. @param open Makes a policy anew. */
export function testBatchPolicy(open: () => BatchPolicy): void {
  const title = (behaviour: string) => `batch policy ${open().name} ${behaviour}`;

  Deno.test(title("asks for whole sequences, at least one"), () => {
    const policy = open();
    for (const tokens of TOKENS) {
      const request = policy.request({ tokens });
      assert.ok(Number.isSafeInteger(request) && request >= 1, `${request} at ${tokens} tokens`);
    }
  });

  Deno.test(title("answers by statistics alone, whatever was asked before"), () => {
    const asked = open();
    const forward = TOKENS.map((tokens) => asked.request({ tokens }));
    const backward = TOKENS.toReversed().map((tokens) => open().request({ tokens })).reverse();
    assert.deepEqual(forward, backward);
  });

  Deno.test(title("never shrinks the batch as tokens grow"), () => {
    const policy = open(), requests = TOKENS.map((tokens) => policy.request({ tokens }));
    assert.deepEqual(requests, requests.toSorted((a, b) => a - b));
  });
}
