import { strict as assert } from "node:assert";
import { identityFromSeed } from "../../p2p/identity.ts";
import { MemoryNetwork } from "../../p2p/net/memory.ts";
import { aloneTrial, flockTrial, planOf, smallText, sweepIn } from "../../tests/experiment_scene.ts";
import { turn } from "../../tests/training_scene.ts";
import { openPlainDevice } from "../device/plain.ts";
import { memoryFolder } from "../folder.ts";
import type { Clock } from "../worker/clock.ts";
import { Dealer } from "./dealer.ts";
import { helpWithTrials, serveTrials, type SharingEvent } from "./sharing.ts";
import { runSweep } from "./sweep.ts";
import { SweepFile } from "./sweep_file.ts";
import type { Trial } from "./trial.ts";
import { Workbench } from "./workbench.ts";

const plan = planOf([
  ...[1, 2, 3, 4].map((seed) => ({ ...aloneTrial, id: `seed ${seed}`, seed })),
  { ...flockTrial, id: "flock" },
]);
const owner = identityFromSeed(new Uint8Array(32).fill(1)), helper = identityFromSeed(new Uint8Array(32).fill(2));
const still: Clock = { now: () => 0, sleep: turn };
/** Sleeping takes no time and passes it all. */
const leaping = (): Clock => {
  let ms = 0;
  return {
    now: () => ms,
    async sleep(forMs, signal) {
      await turn();
      if (!signal.aborted) ms += forMs;
    },
  };
};

/** An owner that deals, and a helper that is connected to it. */
async function openScene(clock: Clock) {
  const network = new MemoryNetwork(), transport = network.join(owner.peer), away = network.join(helper.peer);
  const events: SharingEvent[] = [], folder = memoryFolder(), stopHelper = new AbortController();
  const dealer = new Dealer(plan, await SweepFile.open(folder, plan));
  serveTrials(transport, { dealer, clock, onEvent: (event) => events.push(event) });
  await away.connect(`/memory/${owner.peer}`);
  const bench = () => new Workbench({ device: openPlainDevice(), text: smallText, seed: 1, onWarning: () => {} });
  const taken: string[] = [], brought: [string, boolean][] = [];
  return {
    ...{ transport, away, dealer, events, taken, brought, stopHelper },
    ask: async (value: unknown) => {
      const bytes = typeof value === "string" ? value : JSON.stringify(value);
      return JSON.parse(
        new TextDecoder().decode(await away.request(owner.peer, "trials/1", new TextEncoder().encode(bytes))),
      );
    },
    own: () =>
      runSweep({ dealer, folder, bench: bench(), clock, signal: new AbortController().signal, onEvent: () => {} }),
    help: (onTrial: (trial: Trial) => void = () => {}) =>
      helpWithTrials({
        transport: away,
        owner: owner.peer,
        addresses: [`/memory/${owner.peer}`],
        bench: bench(),
        clock: still,
        signal: stopHelper.signal,
        onTrial(trial) {
          taken.push(trial.id);
          onTrial(trial);
        },
        onProgress: () => {},
        onResult: (trial, _, isTaken) => brought.push([trial.id, isTaken]),
      }),
  };
}

Deno.test("an owner and a helper share a sweep, and it ends with what one alone finds", async () => {
  const alone = await sweepIn(memoryFolder(), plan), scene = await openScene(still);
  const helping = scene.help();
  assert.ok(await scene.own());
  await helping;
  assert.deepEqual([...scene.dealer.results].sort(), [...alone.results].sort());
  assert.ok(scene.taken.length > 0 && scene.taken.length < 5, `the helper took ${scene.taken}`);
  assert.deepEqual(scene.brought, scene.taken.map((trial) => [trial, true]));
  assert.equal(scene.events.filter(({ kind }) => kind === "result").length, scene.taken.length);
});

Deno.test("a helper that dies loses its trial, and the owner ends the sweep alone", async () => {
  const clock = leaping(), scene = await openScene(clock);
  assert.equal((await scene.ask({ kind: "take" })).trial.id, "seed 1"); // and is never heard of again
  await scene.away[Symbol.asyncDispose]();
  assert.ok(await scene.own());
  assert.equal(scene.dealer.results.size, 5);
  assert.ok(clock.now() >= 60_000, "the owner has waited for it");
});

Deno.test("a helper that is stopped gives its trial back at once", async () => {
  const scene = await openScene(still);
  await scene.help(() => scene.stopHelper.abort());
  assert.deepEqual(scene.taken, ["seed 1"]);
  assert.deepEqual(scene.brought, []);
  const dealt = scene.dealer.take("another", 0);
  assert.equal(dealt.kind === "trial" && dealt.trial.id, "seed 1");
});

Deno.test("an owner believes no result of a trial that it did not deal, or of a wrong form, and no rubbish", async () => {
  const scene = await openScene(still);
  const result = {
    trial: "seed 2",
    outcome: "spent",
    steps: 1,
    tokens: 1,
    loss: 0.1,
    curve: [],
    noise: null,
    device: "a",
    trainedMs: 1,
  };
  assert.equal((await scene.ask({ kind: "take" })).trial.id, "seed 1");
  assert.deepEqual(await scene.ask({ kind: "give", result }), { kind: "told", isYours: false });
  for (
    const wrong of [
      "hello",
      { kind: "give", result: { ...result, trial: "seed 1", loss: "low" } },
      { kind: "give", result: { ...result, trial: "seed 1", device: "a\u001b[2J" } },
      { kind: "steal" },
    ]
  ) await assert.rejects(() => scene.ask(wrong), { name: "TransportError" }, JSON.stringify(wrong));
  assert.equal(scene.dealer.results.size, 0);
});
