import { strict as assert } from "node:assert";
import { account, EMPTY_LEDGER, enterTrained, leaseOf, returnLease, topUpLease } from "./ledger.ts";
import type { PeerId } from "./types.ts";

const wren = "wren" as PeerId, finch = "finch" as PeerId;

Deno.test("a lease is topped up from new windows, and trained windows leave it", () => {
  const leased = topUpLease(EMPTY_LEDGER, wren, 10);
  const trained = enterTrained(leased, [{ start: 0, end: 4 }]);
  assert.deepEqual(leaseOf(trained, wren), [{ start: 4, end: 10 }]);
  assert.deepEqual(leaseOf(topUpLease(trained, wren, 10), wren), [{ start: 4, end: 14 }]);
});

Deno.test("what a departed peer did not train is leased again before the cursor moves on", () => {
  const both = topUpLease(topUpLease(EMPTY_LEDGER, wren, 10), finch, 10);
  const returned = returnLease(enterTrained(both, [{ start: 0, end: 4 }]), wren);
  assert.deepEqual(returned.returned, [{ start: 4, end: 10 }]);
  const again = topUpLease(returned, finch, 18);
  assert.deepEqual(leaseOf(again, finch), [{ start: 4, end: 22 }]);
  assert.deepEqual(again.returned, []);
});

Deno.test("windows trained under the lease of a lost fork are taken from whoever has them now, or counted twice", () => {
  const leased = topUpLease(EMPTY_LEDGER, wren, 10);
  const once = enterTrained(leased, [{ start: 0, end: 5 }]);
  const twice = enterTrained(once, [{ start: 3, end: 7 }]);
  assert.equal(twice.duplicated, 2);
  assert.deepEqual(leaseOf(twice, wren), [{ start: 7, end: 10 }]);
});

Deno.test("windows beyond the cursor leave a gap that is returned", () => {
  const ledger = enterTrained(EMPTY_LEDGER, [{ start: 5, end: 8 }]);
  assert.deepEqual([ledger.cursor, ledger.returned], [8, [{ start: 0, end: 5 }]]);
});

Deno.test("account() finds nothing in a right ledger, and names windows that are nobody's or two peers'", () => {
  const ledger = enterTrained(topUpLease(EMPTY_LEDGER, wren, 10), [{ start: 0, end: 4 }]);
  assert.deepEqual(account(ledger, [[{ start: 0, end: 4 }]]), []);
  assert.deepEqual(account(ledger, []), ["windows 0–4 are nobody's"]);
  const stolen = { ...ledger, returned: [{ start: 8, end: 9 }] };
  assert.deepEqual(account(stolen, [[{ start: 0, end: 4 }]]), ["windows 8–9 are returned and leased to wren"]);
  assert.deepEqual(account({ ...ledger, duplicated: 1 }, [[{ start: 0, end: 4 }]]), [
    "0 windows are duplicated, not 1",
  ]);
});
