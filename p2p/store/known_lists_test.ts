import { strict as assert } from "node:assert";
import type { Digest } from "../sync/types.ts";
import { KnownLists } from "./known_lists.ts";

const MIB = 1024 * 1024;
const digest = (i: number): Digest => String(i).repeat(64) as Digest;
const never = () => Promise.reject(new Error("it is known"));

Deno.test("a list is made once however many ask for it, and again after it was forgotten or was none", async () => {
  const lists = new KnownLists(), list = new Uint8Array(8);
  let made = 0;
  const make = () => Promise.resolve(++made === 1 ? null : list);
  assert.deepEqual(await Promise.all([lists.get(digest(1), make), lists.get(digest(1), make)]), [null, null]);
  assert.deepEqual(await Promise.all([lists.get(digest(1), make), lists.get(digest(1), make)]), [list, list]);
  assert.equal(await lists.get(digest(1), never), list);
  lists.forget(digest(1));
  await lists.get(digest(1), make);
  assert.equal(made, 3);
});

Deno.test("of lists beyond 4 MiB together the one asked for longest ago is forgotten", async () => {
  const lists = new KnownLists();
  for (const i of [1, 2, 3, 4]) lists.set(digest(i), new Uint8Array(MIB));
  await lists.get(digest(1), never);
  lists.set(digest(5), new Uint8Array(MIB));
  for (const i of [1, 3, 4, 5]) assert.equal((await lists.get(digest(i), never))?.length, MIB);
  assert.equal((await lists.get(digest(2), () => Promise.resolve(new Uint8Array(1))))?.length, 1);
});
