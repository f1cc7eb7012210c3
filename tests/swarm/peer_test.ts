/**
 * One peer's life on the command line: started, looked at, disturbed, stopped, damaged, started again.
 * @module
 */
import { strict as assert } from "node:assert";
import { join } from "node:path";
import { makeRunPlace, type RunPlace } from "../run_place.ts";
import { Seat, starling } from "../starling.ts";

Deno.test("a running peer guards its folder and its port, and shows its status, chain and ledger", async () => {
  await using place = await makeRun();
  const { run, state } = place;
  await using peer = new Seat(["start", run, "--name", "wren"]);
  const { addresses } = await peer.next("started");
  const { digest } = await peer.round(({ loss }) => loss !== null);

  const second = await starling(["start", run]);
  assert.equal(second.code, 3);
  assert.match(second.err, /is in use by another peer \(pid \d+, since .*\)[\s\S]*--state/);

  const port = /\/tcp\/(\d+)\//.exec(addresses[0]!)![1]!;
  const rival = await starling(["start", run, "--state", `${state}-2`, "--port", port, "--listen", "127.0.0.1"]);
  assert.equal(rival.code, 5, rival.err);
  assert.match(rival.err, new RegExp(`${port}[\\s\\S]*in use`));

  const status = await starling(["status", run, "--json"]);
  const shown = JSON.parse(status.out);
  assert.equal(shown.running, true);
  assert.equal(shown.peerName, "wren");
  assert.ok(shown.round >= 1 && shown.digest.length === 64);
  assert.match((await starling(["status", run, "--why"])).out, /offers: counted \d+ of \d+/);

  const chain = (await starling(["inspect", run, "chain", "--json"])).out.trim().split("\n").map((text) =>
    JSON.parse(text)
  );
  assert.ok(chain.some(({ base }: { base: string }) => base === digest) || chain[0].round >= 1);
  assert.equal((await starling(["inspect", run, chain[0].digest])).code, 0);
  assert.match(
    (await starling(["inspect", run, "ledger"])).out,
    /^proved: each window is trained, leased or returned/m,
  );
});

Deno.test("a peer that was stopped goes on where it stopped, and its model can be exported, measured and sampled", async () => {
  await using place = await makeRun();
  const { run, path } = place;
  let last: number;
  {
    await using peer = new Seat(["start", run]);
    await peer.round(({ round, loss }) => round >= 3 && loss !== null);
    peer.child.interrupt();
    assert.equal(await peer.child.ended, 0, peer.account());
    assert.equal(peer.said("stopped").length, 1);
    last = Math.max(...peer.said("round").map((event) => event.kind === "round" ? event.round : 0));
  }
  const status = JSON.parse((await starling(["status", run, "--json"])).out);
  assert.equal(status.running, false);
  assert.equal(status.round, last);

  const model = join(path, "model");
  assert.equal((await starling(["export", run, model])).code, 0);
  const loss = async (folder: string) =>
    JSON.parse((await starling(["eval", folder, "--text", join(path, "text"), "--device", "cpu", "--json"])).out).loss;
  assert.equal(await loss(model), await loss(run), "the exported model is the run's");
  assert.match((await starling(["sample", run, "--tokens", "5", "--device", "cpu", "--json"])).out, /"seed":1/);

  await using again = new Seat(["start", run]);
  const first = await again.round(() => true);
  assert.equal(first.round, last, "the peer stands where it stood");
  await again.round(({ round, loss }) => round > last && loss !== null);
});

Deno.test("a peer with a cut journal and a damaged weights blob says so and goes on from what is whole", async () => {
  await using place = await makeRun();
  const { run, state } = place;
  {
    await using peer = new Seat(["start", run]);
    await peer.round(({ round }) => round >= 3);
    peer.child.kill();
    await peer.child.ended;
  }
  const { weights } = JSON.parse(await Deno.readTextFile(join(state, "status.json")));
  await flipByte(join(state, "blobs", weights));
  const { size } = await Deno.stat(join(state, "journal"));
  await Deno.truncate(join(state, "journal"), size - 5);

  await using again = new Seat(["start", run]);
  await again.round(({ loss }) => loss !== null);
  const warnings = again.said("warning").map((event) => event.kind === "warning" ? event.message : "");
  assert.ok(warnings.some((message) => /dropped/.test(message)), JSON.stringify(warnings));
});

async function flipByte(path: string): Promise<void> {
  using file = await Deno.open(path, { read: true, write: true });
  const byte = new Uint8Array(1);
  await file.seek(1000, Deno.SeekMode.Start);
  await file.read(byte);
  await file.seek(1000, Deno.SeekMode.Start);
  await file.write(byte.map((value) => value ^ 1));
}

/** A run, the default folder of its peer, and some text. */
async function makeRun(): Promise<RunPlace & { readonly state: string }> {
  const place = await makeRunPlace();
  await Deno.writeTextFile(join(place.path, "text"), "The quick brown fox jumps over the lazy dog. ".repeat(40));
  return { ...place, state: join(place.run, "peer") };
}
