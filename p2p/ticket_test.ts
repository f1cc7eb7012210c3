import { strict as assert } from "node:assert";
import { encode } from "@ipld/dag-cbor";
import { sha256 } from "@noble/hashes/sha2.js";
import { toString } from "uint8arrays";
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
  for (const original of [ticket, { ...ticket, networkKey: null, name: "bird-club-2" }]) {
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

Deno.test("parseTicket() refuses a name that would lead out of the folder it is joined in", () => {
  const content = encode({ run: new Uint8Array(32), name: "../../etc", addresses: [...ticket.addresses], key: null });
  const check = sha256(new Uint8Array([...new TextEncoder().encode("star1"), ...content])).subarray(0, 4);
  assert.match(reason(`star1${toString(new Uint8Array([...content, ...check]), "base32")}`), /its parts are not those/);
});

Deno.test("formatTicket() refuses a ticket that nobody could use", () => {
  assert.throws(() => formatTicket({ ...ticket, addresses: [] }), RangeError);
  assert.throws(() => formatTicket({ ...ticket, networkKey: new Uint8Array(31) }), RangeError);
  for (const name of ["x".repeat(41), "", "../club", "/etc", "a\u001b[2J", "Club"]) {
    assert.throws(() => formatTicket({ ...ticket, name }), RangeError, name);
  }
  assert.throws(() => formatTicket({ ...ticket, addresses: ["/ip4/\u001b]0;x"] }), RangeError);
});

function reason(text: string): string {
  const parsed = parseTicket(text);
  assert.equal(parsed.ok, false);
  return parsed.ok ? "" : parsed.reason;
}
