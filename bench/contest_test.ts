import { strict as assert } from "node:assert";
import { contest, type Contestant, type Turn, type Work } from "./contest.ts";

const work: Work = { kind: "products", products: [[3, 2, 4, 0, 0], [2, 3, 5, 1, 1]] };
const options = { rounds: 3, turnMs: 10, restMs: 0 };
/** The last value of the second product, by hand: a's last column times b's last row, in thirteenths squared. */
const RIGHT = ([1, 3, 5, 7, 9].map((i) => i * 7 % 13 - 6).map((a, k) => a * ((10 + k) * 7 % 13 - 6))
  .reduce((sum, value) => sum + value)) / 169;

function scripted(device: string, turn: (call: number, count: number) => Turn): Contestant & { counts: number[] } {
  const counts: number[] = [];
  return {
    about: { device },
    counts,
    turn(_, count) {
      counts.push(count);
      return Promise.resolve(turn(counts.length, count));
    },
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}

Deno.test("a contestant works as often in a turn as fills it, and its median and best time of one are told", async () => {
  const times = [50, 2, 10, 20, 30]; // the first two do not count; the second says how often
  const steady = scripted("steady", (call) => ({ ms: times[call - 1]!, value: RIGHT }));
  const [outcome] = await contest([steady], work, options);
  assert.deepEqual(steady.counts, [1, 1, 5, 5, 5]);
  assert.ok(outcome?.ok);
  assert.deepEqual([outcome.medianMs, outcome.bestMs], [4, 2]);
});

Deno.test("contestants take turns, and one that fails is left out with its reason", async () => {
  const order: string[] = [];
  const of = (device: string, fails: number) =>
    scripted(device, (call) => {
      order.push(`${device}${call}`);
      if (call === fails) throw new Error("no memory");
      return { ms: 10, value: RIGHT };
    });
  const [a, b] = await contest([of("a", 0), of("b", 3)], work, { ...options, rounds: 2 });
  assert.deepEqual(order, ["a1", "b1", "a2", "b2", "a3", "b3", "a4"]);
  assert.ok(a!.ok);
  assert.deepEqual(b, { about: { device: "b" }, ok: false, reason: "no memory" });
});

Deno.test("a contestant that gives a wrong value, or none, does not count", async () => {
  const outcomes = await contest(
    [scripted("wrong", () => ({ ms: 1, value: RIGHT + 0.01 })), scripted("silent", () => ({ ms: 1 }))],
    work,
    options,
  );
  for (const outcome of outcomes) assert.ok(!outcome.ok && /last value of 2×3×5 aᵀ bᵀ/.test(outcome.reason));
});
