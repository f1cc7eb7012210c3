import { strict as assert } from "node:assert";
import { account, dealLeases, EMPTY_LEDGER, enterTrained, leaseOf } from "./ledger.ts";
import type { PeerId } from "./types.ts";

const wren = "wren" as PeerId, finch = "finch" as PeerId;
const forWren = dealLeases(EMPTY_LEDGER, [{ peer: wren, windows: 10 }]);

Deno.test("a lease is topped up from new windows, and trained windows leave it", () => {
  const trained = enterTrained(forWren, [[{ start: 0, end: 4 }]]);
  assert.deepEqual(leaseOf(trained, wren), [{ start: 4, end: 10 }]);
  assert.deepEqual(leaseOf(dealLeases(trained, [{ peer: wren, windows: 10 }]), wren), [{ start: 4, end: 14 }]);
});

Deno.test("what a departed peer did not train is leased again before the cursor moves on", () => {
  const both = dealLeases(EMPTY_LEDGER, [{ peer: wren, windows: 10 }, { peer: finch, windows: 10 }]);
  assert.deepEqual([leaseOf(both, wren), leaseOf(both, finch)], [[{ start: 0, end: 10 }], [{ start: 10, end: 20 }]]);
  const trained = enterTrained(both, [[{ start: 0, end: 4 }]]);
  assert.deepEqual(dealLeases(trained, [{ peer: finch, windows: 10 }]).returned, [{ start: 4, end: 10 }]);
  const again = dealLeases(trained, [{ peer: finch, windows: 18 }]);
  assert.deepEqual(leaseOf(again, finch), [{ start: 4, end: 22 }]);
  assert.deepEqual(again.returned, []);
});

Deno.test("windows trained under the lease of a lost fork are taken from whoever has them now, or counted twice", () => {
  const once = enterTrained(forWren, [[{ start: 0, end: 5 }]]);
  const twice = enterTrained(once, [[{ start: 3, end: 7 }]]);
  assert.equal(twice.duplicated, 2);
  assert.deepEqual(leaseOf(twice, wren), [{ start: 7, end: 10 }]);
  assert.deepEqual(enterTrained(forWren, [[{ start: 0, end: 5 }], [{ start: 3, end: 7 }]]), twice, "or in one record");
});

Deno.test("windows beyond the cursor leave a gap that is returned", () => {
  const ledger = enterTrained(EMPTY_LEDGER, [[{ start: 5, end: 8 }]]);
  assert.deepEqual([ledger.cursor, ledger.returned], [8, [{ start: 0, end: 5 }]]);
});

Deno.test("account() finds nothing in a right ledger, and names windows that are nobody's or two peers'", () => {
  const ledger = enterTrained(forWren, [[{ start: 0, end: 4 }]]);
  assert.deepEqual(account(ledger, [[{ start: 0, end: 4 }]]), []);
  assert.deepEqual(account(ledger, []), ["windows 0–4 are nobody's"]);
  const stolen = { ...ledger, returned: [{ start: 8, end: 9 }] };
  assert.deepEqual(account(stolen, [[{ start: 0, end: 4 }]]), ["windows 8–9 are returned and leased to wren"]);
  assert.deepEqual(account({ ...ledger, duplicated: 1 }, [[{ start: 0, end: 4 }]]), [
    "0 windows are duplicated, not 1",
  ]);
});

Deno.test("leases are dealt in one go as they would be one after another, of a class of windows and of all", () => {
  for (const cell of ["", "01"]) {
    const shares = ["robin", "wren", "finch"].map((peer, i) => ({ peer: peer as PeerId, windows: 70 + 30 * i }));
    const first = dealLeases(
      EMPTY_LEDGER,
      [{ peer: wren, windows: 300 }, { peer: "gone" as PeerId, windows: 90 }],
      cell,
    );
    const before = enterTrained(first, [[{ start: 100, end: 220 }]], cell);
    // One after another: those who come later keep what they hold, and nothing more.
    let one = before;
    for (const i of shares.keys()) {
      const held = shares.map(({ peer, windows }, j) => ({ peer, windows: j <= i ? windows : 0 }));
      one = dealLeases(one, held, cell);
    }
    assert.deepEqual(dealLeases(before, shares, cell), one, `cell '${cell}'`);
  }
});
