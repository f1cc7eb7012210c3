import { strict as assert } from "node:assert";
import { bytes, clock, counted, grouped, nats, percent, shortPeer, sparkline, table } from "./format.ts";

Deno.test("grouped() sets commas between thousands", () => {
  assert.deepEqual([0, 999, 1000, 1234567].map(grouped), ["0", "999", "1,000", "1,234,567"]);
});

Deno.test("counted() keeps three digits and carries over to the next unit", () => {
  assert.deepEqual([0, 950, 1234, 412_345, 999_999, 1_060_000].map(counted), [
    "0",
    "950",
    "1.23 k",
    "412 k",
    "1.00 M",
    "1.06 M",
  ]);
});

Deno.test("bytes() uses decimal units", () => {
  assert.deepEqual([12, 61_000_000].map(bytes), ["12 B", "61.0 MB"]);
});

Deno.test("clock() shows hours only when there are any, and never a negative time", () => {
  assert.deepEqual([102_000, 3_723_000, -5].map(clock), ["1:42", "1:02:03", "0:00"]);
});

Deno.test("nats() shows a dash for a loss that does not exist yet", () => {
  assert.deepEqual([2.414, null, NaN].map(nats), ["2.41", "–", "–"]);
});

Deno.test("shortPeer() keeps the end of an id, where ids differ", () => {
  assert.equal(shortPeer("12D3KooWD4ybto5ymZDv6VvFNVxgdimELrF9iZF4jiqRux2hcquQ"), "…ux2hcquQ");
});

Deno.test("percent() rounds", () => assert.equal(percent(0.968), "97 %"));

Deno.test("sparkline() falls when the values fall and averages what does not fit", () => {
  assert.equal(sparkline([3, 2, 1]), "█▅▁");
  assert.equal(sparkline([4, 4, 0, 0], 2), "█▁");
  assert.equal(sparkline([1, 1]), "▁▁");
  assert.equal(sparkline([]), "");
});

Deno.test("table() aligns numbers to the right and words to the left", () => {
  assert.deepEqual(table(["peer", " steps"], [["wren", "14"], ["finch", "8"]]), [
    "  peer   steps",
    "  wren      14",
    "  finch      8",
  ]);
});
