/**
 * `starling join` where no address lets it in: each cause is said once, with the addresses that it holds for.
 * @module
 */
import { strict as assert } from "node:assert";
import { join } from "node:path";
import { identityFromSeed } from "../p2p/identity.ts";
import { startLibp2p } from "../p2p/net/libp2p.ts";
import { DIAL_TIMEOUT_MS } from "../p2p/net/libp2p_node.ts";
import type { Digest } from "../p2p/sync/types.ts";
import { formatTicket } from "../p2p/ticket.ts";
import { startChild } from "../cli/child.ts";
import { LOCAL, starling } from "./starling.ts";

const identity = (n: number) => identityFromSeed(new Uint8Array(32).fill(n));
const run = "ab".repeat(32) as Digest, networkKey = new Uint8Array(32).fill(7);

/** What joining by a ticket with these addresses says on standard error. */
async function joinBy(addresses: readonly string[]) {
  const folder = await Deno.makeTempDir({ prefix: "starling-join-" });
  try {
    const ticket = formatTicket({ run, name: "club", addresses, networkKey });
    return await starling(["join", ticket, "--folder", join(folder, "new"), "--no-mdns", "--listen", "127.0.0.1"]);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** How often a text holds another. */
function countOf(text: string, part: string): number {
  return text.split(part).length - 1;
}

Deno.test("join says each cause once, with the addresses it holds for, and what to do", async () => {
  const off = [9, 10].map((port) => `/ip4/127.0.0.1/tcp/${port}/p2p/${identity(1).peer}`);
  const nameless = `/dns4/nowhere.invalid/tcp/4001/p2p/${identity(2).peer}`;
  const { code, err } = await joinBy([off[0]!, nameless, off[1]!]);
  assert.equal(code, 5);
  assert.match(err, /Cannot join "club": no address led to a peer of it\./);
  assert.equal(countOf(err, "nothing listens there"), 1, err);
  assert.ok(err.includes(`port right?\n    ${off[0]}\n    ${off[1]}\n`), err);
  assert.equal(countOf(err, "that name is not known here"), 1, err);
  assert.match(err, /Ask for a fresh ticket, or add --peer <address>\. 'starling doctor <ticket>' looks closer\./);
});

Deno.test("join says once that a peer does not let it in, who can change that, and does not knock at each of its doors", async () => {
  const listen = ["/ip4/127.0.0.1/tcp/0", "/ip4/127.0.0.1/tcp/0", "/ip4/127.0.0.1/tcp/0/ws"];
  await using wren = await startLibp2p({ identity: identity(3), run, listen, networkKey });
  wren.admit([]);
  const { code, err } = await joinBy(wren.addresses());
  assert.equal(code, 5);
  assert.match(err, /Cannot join "club": a peer answered and did not let this one in\./);
  assert.equal(countOf(err, "--allow 12D3KooW"), 1, err);
  for (const address of wren.addresses()) assert.ok(err.includes(`\n    ${address}`), err);
  assert.equal(countOf(err, "trying"), 0, "all three are one peer");
  assert.match(err, /When it is let in, join again with the same ticket\./);
});

Deno.test("join that is interrupted while it dials ends at once, and it is no error", async () => {
  const silent = Deno.listen({ hostname: "127.0.0.1", port: 0 }), folder = await Deno.makeTempDir();
  try {
    const addresses = [`/ip4/127.0.0.1/tcp/${silent.addr.port}/p2p/${identity(1).peer}`];
    const ticket = formatTicket({ run, name: "club", addresses, networkKey });
    await using child = startChild({
      args: ["join", ticket, "--folder", join(folder, "new"), ...LOCAL],
      onEvent: () => {},
    });
    using _dialling = await silent.accept();
    const interruptedAtMs = performance.now();
    child.interrupt();
    assert.equal(await child.ended, 0, child.complaint());
    assert.ok(performance.now() - interruptedAtMs < DIAL_TIMEOUT_MS / 2, "it did not wait for an answer");
  } finally {
    silent.close();
    await Deno.remove(folder, { recursive: true });
  }
});
