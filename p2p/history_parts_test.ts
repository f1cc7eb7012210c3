import { strict as assert } from "node:assert";
import { inParts } from "./history_parts.ts";
import type { Digest, History, Offer, RoundRecord, Signed } from "./sync/types.ts";

const run = "aa".repeat(32) as Digest;
// What is in a signed body does not matter here: only which ones there are, and in what order.
const offers = Array.from({ length: 40 }, (_, i) => ({ signature: new Uint8Array([i]) }) as unknown as Signed<Offer>);
const records = [{ signature: new Uint8Array([99]) } as unknown as Signed<RoundRecord>];

Deno.test("inParts() gives all offers in order and few at once, then all records together", () => {
  const parts = inParts({ kind: "history", run, records, offers }) as readonly History[];
  assert.deepEqual(parts.flatMap((part) => part.offers), offers);
  assert.ok(parts.every((part) => part.offers.length <= 16 && part.run === run));
  assert.deepEqual(parts.map((part) => part.records.length), [0, 0, 0, 1]);
});

Deno.test("inParts() leaves short messages whole", () => {
  const short: History = { kind: "history", run, records, offers: offers.slice(0, 16) };
  assert.deepEqual(inParts(short), [short]);
  assert.deepEqual(inParts({ kind: "ask-state", run }), [{ kind: "ask-state", run }]);
});
