import { strict as assert } from "node:assert";
import { aloneTrial, planOf } from "../../tests/experiment_scene.ts";
import { turn } from "../../tests/training_scene.ts";
import { memoryFolder } from "../folder.ts";
import { Dealer, LEASE_MS, OWNER } from "./dealer.ts";
import { SweepFile } from "./sweep_file.ts";
import type { TrialResult } from "./trial.ts";

const plan = planOf(["one", "two", "three"].map((id) => ({ ...aloneTrial, id })));
const openDealer = async () => new Dealer(plan, await SweepFile.open(memoryFolder(), plan));

const resultOf = (trial: string): TrialResult => ({
  trial,
  outcome: "spent",
  ...{ steps: 40, tokens: 2560, loss: 2, curve: [[40, 2]], noise: null, device: "none", trainedMs: 5 },
});

/** What somebody was dealt, in a word. */
function take(dealer: Dealer, who: string, nowMs: number): string {
  const dealt = dealer.take(who, nowMs);
  return dealt.kind === "trial" ? dealt.trial.id : dealt.kind;
}

Deno.test("a dealer gives each trial to one, and who asks again gets what it has", async () => {
  const dealer = await openDealer();
  assert.deepEqual(["wren", OWNER, "finch"].map((who) => take(dealer, who, 0)), ["one", "two", "three"]);
  assert.deepEqual(["wren", OWNER, "finch"].map((who) => take(dealer, who, 1)), ["one", "two", "three"]);
  assert.deepEqual(dealer.take("robin", 2), { kind: "wait", untilMs: 1 + LEASE_MS });
});

Deno.test("a silent helper loses its trial after the lease, a talking one keeps it, the owner always", async () => {
  const dealer = await openDealer();
  ["wren", OWNER, "finch"].forEach((who) => take(dealer, who, 0));
  assert.ok(dealer.keep("finch", "three", LEASE_MS - 1));
  assert.equal(take(dealer, "robin", LEASE_MS), "one");
  assert.equal(dealer.keep("wren", "one", LEASE_MS), false, "it is robin's now");
  assert.equal(take(dealer, "wren", LEASE_MS + 1), "wait");
  assert.equal(take(dealer, OWNER, 99 * LEASE_MS), "two");
});

Deno.test("the first result of a trial counts, whoever brings it, and a later one does not", async () => {
  const dealer = await openDealer(), { changed } = dealer;
  take(dealer, "wren", 0);
  assert.ok(await dealer.give(resultOf("one")));
  await changed;
  assert.equal(await dealer.give({ ...resultOf("one"), loss: 1 }), false);
  assert.equal(dealer.results.get("one")!.loss, 2);
  assert.equal(await dealer.give(resultOf("no such trial")), false);
  assert.equal(dealer.keep("wren", "one", 1), false, "it is done");
});

Deno.test("what somebody gives back is dealt at once, and with nothing left the sweep is done", async () => {
  const dealer = await openDealer();
  take(dealer, "wren", 0);
  dealer.giveBack("wren");
  assert.equal(take(dealer, OWNER, 1), "one");
  for (const { id } of plan.trials(new Map())) await dealer.give(resultOf(id));
  assert.equal(take(dealer, OWNER, 2), "done");
});

Deno.test("results that come at once are written one after another, and all are in the file", async () => {
  const inner = memoryFolder();
  let writing = 0;
  const folder = {
    ...inner,
    async write(name: string, pieces: Iterable<Uint8Array>) {
      assert.equal(++writing, 1, "two writes of one file at a time");
      await turn();
      await inner.write(name, pieces);
      writing--;
    },
  };
  const dealer = new Dealer(plan, await SweepFile.open(folder, plan)), names = ["one", "two", "three"];
  assert.deepEqual(await Promise.all(names.map((name) => dealer.give(resultOf(name)))), [true, true, true]);
  assert.deepEqual([...(await SweepFile.open(inner, plan)).results.keys()], names);
});
