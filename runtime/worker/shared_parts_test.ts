import { strict as assert } from "node:assert";
import type { SharedPart } from "./messages.ts";
import { SharedParts } from "./shared_parts.ts";

const part = (length: number, seed: number) => ({
  bytes: Uint8Array.from({ length }, (_, i) => i * seed),
  at: seed,
  weight: 10 * seed,
});

Deno.test("parts are given as they are, in shared memory, each aligned", async () => {
  const parts = [part(100, 1), part(0, 2), part(65, 3)];
  await new SharedParts().use(parts, (shared) => {
    assert.deepEqual(shared.map(({ bytes, ...rest }) => ({ ...rest, bytes: [...bytes] })), [
      ...parts.map(({ bytes, ...rest }) => ({ ...rest, bytes: [...bytes] })),
    ]);
    for (const { bytes } of shared) assert.ok(bytes.buffer instanceof SharedArrayBuffer && bytes.byteOffset % 64 === 0);
    return Promise.resolve();
  });
});

Deno.test("memory is used again once the work is settled, well or not, and not before", async () => {
  const held = new SharedParts(), first = Promise.withResolvers<void>();
  const seen: SharedPart[][] = [];
  const look = (parts: readonly SharedPart[]) => void seen.push([...parts]);
  const one = held.use([part(100, 1)], (parts) => (look(parts), first.promise));
  await held.use([part(100, 2)], (parts) => (look(parts), Promise.resolve()));
  assert.equal(held.blockCount, 2, "the first is at work");
  first.reject(new Error("alas"));
  await assert.rejects(one, /alas/);
  await held.use([part(90, 3)], (parts) => (look(parts), Promise.resolve()));
  assert.deepEqual([...seen[2]![0]!.bytes.subarray(0, 3)], [0, 3, 6]);
  await held.use([part(9, 4)], async ([four]) => {
    await held.use([part(9, 5)], ([five]) => Promise.resolve(assert.notEqual(four!.bytes.buffer, five!.bytes.buffer)));
  });
  assert.equal(held.blockCount, 2);
});

Deno.test("one part more mostly fits where the others were; far fewer do not keep a large block", async () => {
  const held = new SharedParts(),
    use = (count: number) => held.use(Array.from({ length: count }, (_, i) => part(640, i)), () => Promise.resolve());
  for (let count = 9; count <= 12; count++) await use(count);
  assert.equal(held.blockCount, 1);
  await use(1);
  assert.equal(held.blockCount, 2);
});
