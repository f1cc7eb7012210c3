import { strict as assert } from "node:assert";
import { identityFromSeed } from "./identity.ts";
import { Rates } from "./rates.ts";

const [wren, finch] = [1, 2].map((n) => identityFromSeed(new Uint8Array(32).fill(n)).peer) as [
  ReturnType<typeof identityFromSeed>["peer"],
  ReturnType<typeof identityFromSeed>["peer"],
];

Deno.test("Rates let a burst through, then as many messages a second as may go on, and others as before", () => {
  const rates = new Rates();
  const passed = (sender: typeof wren, nowMs: number) =>
    Array.from({ length: 1000 }, () => rates.take(sender, 100, nowMs)).filter(Boolean).length;
  assert.equal(passed(wren, 0), 400);
  assert.equal(passed(wren, 1000), 100);
  assert.equal(passed(wren, 500), 0, "a clock that jumps back fills nothing");
  assert.equal(passed(finch, 1000), 400);
});

Deno.test("Rates bound bytes as well as messages", () => {
  const rates = new Rates(), large = 1024 * 1024;
  assert.equal(Array.from({ length: 100 }, () => rates.take(wren, large, 0)).filter(Boolean).length, 16);
  assert.equal(rates.take(wren, large, 250), true);
  assert.equal(rates.take(wren, large, 250), false);
});

Deno.test("Rates give all who are not connected one bucket together, and take nothing from who is", () => {
  const rates = new Rates();
  assert.equal(Array.from({ length: 1000 }, () => rates.take(null, 100, 0)).filter(Boolean).length, 400);
  assert.equal(rates.take(wren, 100, 0), true);
});
