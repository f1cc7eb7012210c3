import { strict as assert } from "node:assert";
import { newCounter, takeItems, waitForItems } from "./shared_items.ts";

Deno.test("items are taken once, whoever comes for them", () => {
  const counter = newCounter(10), done: string[] = [];
  const taken = takeItems(counter, () => (item) => {
    done.push(`a${item}`);
    // Another thread comes while this one is at work on its third item.
    if (item === 2) assert.equal(takeItems(counter, () => (item) => done.push(`b${item}`)), 7);
  });
  assert.equal(taken, 3);
  assert.deepEqual(done, ["a0", "a1", "a2", "b3", "b4", "b5", "b6", "b7", "b8", "b9"]);
  waitForItems(counter);
});

Deno.test("who comes late to a task does not even begin", () => {
  const counter = newCounter(0);
  assert.equal(takeItems(counter, () => assert.fail("nothing is to be done")), 0);
  waitForItems(counter);
});

Deno.test("an item that fails does not keep the others from being done, and the wait tells", () => {
  const counter = newCounter(3), done: number[] = [], { error } = console;
  console.error = () => {}; // it is logged as well
  try {
    takeItems(counter, () => (item) => {
      if (item === 1) throw new Error("alas");
      done.push(item);
    });
  } finally {
    console.error = error;
  }
  assert.deepEqual(done, [0, 2]);
  assert.throws(() => waitForItems(counter), /Cannot fold: an item failed/);
});
