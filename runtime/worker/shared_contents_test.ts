import { strict as assert } from "node:assert";
import { type Content, contentIn } from "../../p2p/learner.ts";
import { SharedContents } from "./shared_contents.ts";

const bytesOf = (length: number, seed: number) => Uint8Array.from({ length }, (_, i) => i * seed);
const content = (length: number, seed: number) => contentIn(bytesOf(length, seed));

Deno.test("contents are given as they are, in shared memory, each aligned", async () => {
  const seeds = [[100, 1], [0, 2], [65, 3]] as const;
  await new SharedContents().use(seeds.map(([length, seed]) => content(length, seed)), (shared) => {
    assert.deepEqual(shared.map((bytes) => [...bytes]), seeds.map(([length, seed]) => [...bytesOf(length, seed)]));
    for (const bytes of shared) assert.ok(bytes.buffer instanceof SharedArrayBuffer && bytes.byteOffset % 64 === 0);
    return Promise.resolve();
  });
});

Deno.test("contents are read to where they are given, once each, and one that cannot be had is told", async () => {
  const held = new SharedContents(), reads: Uint8Array[] = [];
  const read: Content = { sizeBytes: 3, readInto: (into) => Promise.resolve(void reads.push(into)) };
  await held.use([read, read], (shared) => Promise.resolve(assert.ok(shared.every((bytes, i) => bytes === reads[i]))));
  assert.equal(reads.length, 2);
  const gone: Content = { sizeBytes: 3, readInto: () => Promise.reject(new Error("it is not on this disk")) };
  await assert.rejects(held.use([read, gone], () => Promise.resolve(assert.fail())), /it is not on this disk/);
  await held.use([read], () => Promise.resolve());
  assert.equal(held.blockCount, 1, "the memory is free again");
});

Deno.test("memory is used again once the work is settled, well or not, and not before", async () => {
  const held = new SharedContents(), first = Promise.withResolvers<void>();
  const seen: Uint8Array<SharedArrayBuffer>[] = [];
  const one = held.use([content(100, 1)], ([bytes]) => (seen.push(bytes!), first.promise));
  await held.use([content(100, 2)], ([bytes]) => (seen.push(bytes!), Promise.resolve()));
  assert.equal(held.blockCount, 2, "the first is at work");
  first.reject(new Error("alas"));
  await assert.rejects(one, /alas/);
  await held.use([content(90, 3)], ([bytes]) => (seen.push(bytes!), Promise.resolve()));
  assert.deepEqual([...seen[2]!.subarray(0, 3)], [0, 3, 6]);
  await held.use([content(9, 4)], async ([four]) => {
    await held.use([content(9, 5)], ([five]) => Promise.resolve(assert.notEqual(four!.buffer, five!.buffer)));
  });
  assert.equal(held.blockCount, 2);
});

Deno.test("one part more mostly fits where the others were; far fewer do not keep a large block", async () => {
  const held = new SharedContents(),
    use = (count: number) =>
      held.use(Array.from({ length: count }, (_, i) => content(640, i)), () => Promise.resolve());
  for (let count = 9; count <= 12; count++) await use(count);
  assert.equal(held.blockCount, 1);
  await use(1);
  assert.equal(held.blockCount, 2);
});
