/**
 * What the fuzzer would find, shown by targets that do it.
 * @module
 */
import { strict as assert } from "node:assert";
import { FuzzProcess } from "./fuzz_process.ts";
import { rerunOf } from "./fuzz.ts";
import { runCases } from "./run_cases.ts";
import type { Target } from "./target.ts";

const EPISODE = 10;

/** A target that does this with each case, and this at the end of each episode. */
function planted(run: (number: number) => boolean, end?: () => void): Target {
  let number = 0;
  const next = () => ({ sizeBytes: 1, run: () => run(number++) });
  return {
    ...{ name: "planted", share: 1, episode: EPISODE },
    begin: () => ({ next, ...(end === undefined ? {} : { end }) }),
  };
}

const run = (target: Target, from = 0) => runCases(target, { seed: 1, from, to: from + 2 * EPISODE });

Deno.test("a case that throws, or takes more than its bytes are worth, is found and named", async () => {
  const { failure } = await run(planted((number) => {
    assert.notEqual(number, 13, "unlucky");
    return true;
  }));
  assert.equal(failure?.number, 13);
  assert.match(failure.reason, /unlucky/);
  const kept: Uint8Array[] = [];
  const large = await run(planted((number) => kept.push(new Uint8Array(number === 7 ? 1 << 25 : 1)) > 0));
  assert.equal(large.failure?.number, 7);
  assert.match(large.failure.reason, /it took \d+ bytes for 1, at most \d+ are right/);
});

Deno.test("an episode that fails at its end is run again whole by the line that is told", async () => {
  let episodes = 0;
  const { failure } = await run(planted(() => true, () => assert.ok(++episodes < 2, "no rounds")));
  assert.equal(failure?.number, 2 * EPISODE - 1);
  assert.match(rerunOf(failure), /--case 19$/);
});

Deno.test("a target that keeps a little of each batch is found, though no batch keeps much", async () => {
  const kept: Uint8Array[] = [];
  const leaking = planted(() => kept.push(new Uint8Array(1 << 20)) > 0); // 20 MiB a batch
  assert.equal((await run(leaking)).failure, null);
  assert.equal((await run(leaking, 20)).failure, null);
  assert.match((await run(leaking, 40)).failure?.reason ?? "", /cases up to 60 left \d+ bytes behind/);
});

const BATCH = { target: "planted", seed: 1, from: 0, to: 1 };
const programOf = (code: string) => `data:application/typescript,${encodeURIComponent(code)}`;

Deno.test("a batch without an end is given up, and its process is gone", async () => {
  await using process = new FuzzProcess({ program: programOf("for (;;);"), hungMs: 300 });
  assert.deepEqual(await process.ask(BATCH), { kind: "gone", reason: "it took more than 300 ms" });
});

Deno.test("a batch that takes memory without bound is given up before the machine has none left", async () => {
  const code = "const kept = []; for (;;) kept.push(new Uint8Array(1 << 20).fill(1));";
  await using process = new FuzzProcess({ program: programOf(code), mostBytes: 300 * 1024 * 1024 });
  const answer = await process.ask(BATCH);
  assert.match(answer.kind === "gone" ? answer.reason : "", /its process holds \d+ bytes, at most|its process ended/);
});

Deno.test("a process that ends in a batch is told with its last words", async () => {
  await using process = new FuzzProcess({ program: programOf(`console.error("alas"); Deno.exit(7);`) });
  const answer = await process.ask(BATCH);
  assert.match(answer.kind === "gone" ? answer.reason : "", /its process ended with 7\nalas/);
});
