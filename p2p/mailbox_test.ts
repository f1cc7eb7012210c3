import { strict as assert } from "node:assert";
import { identityFromSeed } from "./identity.ts";
import { Mailbox } from "./mailbox.ts";
import type { Input } from "./sync/effects.ts";
import type { Digest } from "./sync/types.ts";

const run = "aa".repeat(32) as Digest;

function senderOf(n: number) {
  return identityFromSeed(new Uint8Array(32).fill(n)).peer;
}

function message(n: number): Input {
  const from = senderOf(n);
  return { kind: "message", from, message: { kind: "ask-state", run } };
}

Deno.test("Mailbox gives our own inputs first and in order, also to a taker that waits", async () => {
  const mailbox = new Mailbox();
  const first = mailbox.take();
  mailbox.put({ kind: "leave" });
  mailbox.put(message(1));
  assert.equal((await first)?.kind, "leave");
  assert.equal((await mailbox.take())?.kind, "message");
});

Deno.test("Mailbox holds one tick however often the alarm rings", async () => {
  const mailbox = new Mailbox();
  for (let i = 0; i < 10; i++) assert.equal(mailbox.put({ kind: "tick" }), true);
  assert.equal(mailbox.size, 1);
  await mailbox.take();
  mailbox.put({ kind: "tick" });
  assert.equal(mailbox.size, 1);
});

Deno.test("Mailbox refuses what one sender sends too much, and still hears the others and ourselves", async () => {
  const mailbox = new Mailbox();
  const taken = Array.from({ length: 1000 }, () => mailbox.put(message(1))).filter(Boolean).length;
  assert.equal(taken, 256);
  assert.equal(mailbox.put(message(2)), true);
  assert.equal(mailbox.put({ kind: "leave" }), true);
  for (let i = 0; i < 2; i++) await mailbox.take(); // "leave", and a message of the first
  assert.equal(mailbox.put(message(1)), true);
});

Deno.test("Mailbox refuses messages when too many senders send, and never an answer to ourselves", () => {
  const mailbox = new Mailbox();
  for (let n = 0; n < 20; n++) for (let i = 0; i < 256; i++) mailbox.put(message(n));
  assert.equal(mailbox.size, 4096);
  assert.equal(mailbox.put({ kind: "evaluated", record: run, loss: null }), true);
});

Deno.test("Mailbox that a crowd has filled takes what others say, in place of what the crowd said last", async () => {
  const mailbox = new Mailbox(), crowd = 16;
  for (let n = 0; n < crowd; n++) for (let i = 0; i < 256; i++) assert.equal(mailbox.put(message(n)), true);
  assert.equal(mailbox.put(message(0)), false);
  for (let n = 0; n < 4; n++) for (let i = 0; i < 200; i++) assert.equal(mailbox.put(message(100 + n)), true);
  assert.equal(mailbox.size, 4096);
  const heard = new Map<string, number>();
  for (let i = 0; i < 4096; i++) {
    const input = await mailbox.take();
    assert.ok(input?.kind === "message");
    heard.set(input.from, (heard.get(input.from) ?? 0) + 1);
  }
  assert.deepEqual([0, 1, 2, 3].map((n) => heard.get(senderOf(100 + n))), [200, 200, 200, 200]);
  assert.equal(heard.get(senderOf(0)), 256 - 4 * 200 / crowd);
});

Deno.test("Mailbox lets senders take turns, so that a flood delays its sender alone", async () => {
  const mailbox = new Mailbox();
  for (let i = 0; i < 100; i++) mailbox.put(message(1));
  mailbox.put(message(2));
  mailbox.put(message(3));
  mailbox.put({ kind: "leave" });
  const order: string[] = [];
  for (let i = 0; i < 5; i++) {
    const input = await mailbox.take();
    order.push(input?.kind === "message" ? [1, 2, 3].find((n) => senderOf(n) === input.from)!.toString() : input!.kind);
  }
  assert.deepEqual(order, ["leave", "1", "2", "3", "1"]);
});

Deno.test("Mailbox lets its taker go when it is closed", async () => {
  const mailbox = new Mailbox();
  const waiting = mailbox.take();
  mailbox.close();
  assert.equal(await waiting, null);
  assert.equal(mailbox.put({ kind: "leave" }), false);
});
