import { strict as assert } from "node:assert";
import type { Digest } from "./sync/types.ts";
import { formatTicket, parseTicket, type Ticket } from "./ticket.ts";

const ticket: Ticket = {
  run: "7f".repeat(32) as Digest,
  name: "club",
  addresses: [
    "/ip4/192.168.1.7/tcp/4001/p2p/12D3KooWJtjpm9zdVqTWjVCPRvj4QHSLCvWbwwnBfBBNMxVPbcZK",
    "/ip4/127.0.0.1/tcp/4001/p2p/12D3KooWJtjpm9zdVqTWjVCPRvj4QHSLCvWbwwnBfBBNMxVPbcZK",
  ],
  networkKey: new Uint8Array(32).fill(9),
};

Deno.test("a ticket says the same after it was written and read", () => {
  for (const original of [ticket, { ...ticket, networkKey: null, name: "Été 🐦" }]) {
    assert.deepEqual(parseTicket(formatTicket(original)), { ok: true, ticket: original });
  }
});

Deno.test("a ticket survives capitals, line breaks and spaces", () => {
  const text = formatTicket(ticket);
  const mangled = ` ${text.slice(0, 50).toUpperCase()}\r\n  ${text.slice(50)}\n`;
  assert.deepEqual(parseTicket(mangled), { ok: true, ticket });
});

Deno.test("parseTicket() says of other text that it is no ticket", () => {
  for (const text of ["", "hello", "https://example.org", "star", "start", "🐦", "x".repeat(1e6)]) {
    assert.match(reason(text), /^This is not a ticket: .*begins with "star1"/);
  }
});

Deno.test("parseTicket() finds every changed or missing letter", () => {
  const text = formatTicket(ticket);
  for (let i = 5; i < text.length - 1; i++) {
    const other = text[i] === "a" ? "b" : "a";
    assert.match(reason(text.slice(0, i) + other + text.slice(i + 1)), /is damaged: its checksum is wrong/, `at ${i}`);
    assert.match(reason(text.slice(0, i)), /is damaged/, `cut at ${i}`);
  }
});

Deno.test("parseTicket() asks to update for a ticket from the future", () => {
  assert.match(
    reason(formatTicket(ticket).replace("star1", "star2")),
    /version 2, newer .* understands \(1\)\. Update/,
  );
});

Deno.test("formatTicket() refuses a ticket that nobody could use", () => {
  assert.throws(() => formatTicket({ ...ticket, addresses: [] }), RangeError);
  assert.throws(() => formatTicket({ ...ticket, networkKey: new Uint8Array(31) }), RangeError);
  assert.throws(() => formatTicket({ ...ticket, name: "x".repeat(81) }), RangeError);
});

function reason(text: string): string {
  const parsed = parseTicket(text);
  assert.equal(parsed.ok, false);
  return parsed.ok ? "" : parsed.reason;
}
