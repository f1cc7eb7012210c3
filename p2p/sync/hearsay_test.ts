import { strict as assert } from "node:assert";
import { tinyRules } from "../../tests/tiny_rules.ts";
import { genesisState } from "./chain.ts";
import { ownedIn } from "./classes.ts";
import { digestOf } from "./digest.ts";
import { hear } from "./hearsay.ts";
import { enterTrained, trainedIn } from "./ledger.ts";
import { intersect, windowCount } from "./ranges.ts";
import type { Met, Range } from "./types.ts";

const rules = tinyRules({ cellSize: 4, cellRounds: 4 });
const usual = 10 * rules.contextLength; // ten windows an offer
const ledger = enterTrained(genesisState(rules).ledger, [[{ start: 0, end: 10 }]], "00");
const chain = { cell: "00", met: [8, 4], usual, ledger };
/** Two rounds, four cells of four members, and four times ten windows of each. */
const MOST = 2 * 4 * 4 * 4 * 10;

function met(...known: readonly Range[]): Met {
  const digest = digestOf("other");
  return { cell: "01", record: digest, known, rest: digest, weights: { digest, sizeBytes: 8 } };
}

Deno.test("what another cell can have known to be trained is believed, but for windows of the own class", () => {
  const { believed, doubted } = hear(chain, { met: met({ start: 0, end: 400 }), round: 10, rules });
  assert.deepEqual(intersect(believed, ownedIn([{ start: 0, end: 400 }], "00")), []);
  assert.equal(windowCount(believed), 400 - windowCount(ownedIn([{ start: 0, end: 400 }], "00")));
  assert.equal(doubted, 0);
});

Deno.test("of what nobody can have trained since the last meeting the first windows are believed, and no more", () => {
  const { believed, doubted } = hear(chain, { met: met({ start: 0, end: 1_000_000 }), round: 10, rules });
  assert.equal(windowCount(believed), MOST);
  assert.ok(believed.at(-1)!.end < 2 * MOST);
  assert.ok(doubted > 700_000);
  const later = hear(chain, { met: met({ start: 0, end: 1_000_000 }), round: 12, rules });
  assert.equal(windowCount(later.believed), 2 * MOST, "twice the time, twice as much");
});

Deno.test("what is known already takes nothing from what is believed", () => {
  const known = { ...chain, ledger: enterTrained(ledger, [[{ start: 64, end: 320 }]], "") };
  const { believed } = hear(known, { met: met({ start: 0, end: 1_000_000 }), round: 10, rules });
  assert.equal(windowCount(believed), MOST);
  assert.deepEqual(intersect(believed, trainedIn(known.ledger)), []);
});

Deno.test("before anybody has trained anything a window an offer is believed", () => {
  const { believed } = hear({ ...chain, usual: 0 }, { met: met({ start: 64, end: 1_000_000 }), round: 10, rules });
  assert.equal(windowCount(believed), MOST / 10);
});
