import { strict as assert } from "node:assert";
import { joinBytes, memoryReader } from "../folder.ts";
import { ewaPieces, readEwa } from "./ewa_bytes.ts";

const progress = { tokens: 123_456, steps: 12.5, mass: 0.75 };
/** In shared memory, more than a piece of it. */
const average = new Float32Array(new SharedArrayBuffer(4 * 300_000));
for (let i = 0; i < average.length; i++) average[i] = Math.sin(i);

const encoded = async (values: Float32Array) => joinBytes(await Array.fromAsync(ewaPieces(progress, values)));

Deno.test("an average reads back as it was written", async () => {
  const bytes = await encoded(average), into = new Float32Array(average.length);
  assert.deepEqual(await readEwa(memoryReader(bytes), into), { ok: true, progress });
  assert.deepEqual(into, Float32Array.from(average));
});

Deno.test("an average of the version before, which ends with the SHA-256 of all of it, is still read", async () => {
  const bytes = await encoded(average), end = bytes.length - 32, into = new Float32Array(average.length);
  bytes[3] = "1".charCodeAt(0);
  assert.equal((await readEwa(memoryReader(bytes), into)).ok, false, "its checksum is of version 2");
  bytes.set(new Uint8Array(await crypto.subtle.digest("SHA-256", bytes.subarray(0, end))), end);
  assert.deepEqual(await readEwa(memoryReader(bytes), into), { ok: true, progress });
  assert.deepEqual(into, Float32Array.from(average));
});

Deno.test("a damaged, cut or foreign average is refused with the reason", async () => {
  const bytes = await encoded(average.subarray(0, 128));
  const reasonOf = async (changed: Uint8Array<ArrayBuffer>, words = 128) => {
    const read = await readEwa(memoryReader(changed), new Float32Array(words));
    assert.ok(!read.ok);
    return read.reason;
  };
  assert.match(await reasonOf(bytes, 64), /of another model/);
  assert.match(await reasonOf(bytes.slice(0, -1)), /has 575 bytes and needs 576/);
  assert.match(await reasonOf(new Uint8Array()), /not of version 1 or 2/);
  for (let at = 0; at < bytes.length; at += 7) {
    const changed = bytes.slice();
    changed[at]! ^= 4;
    await reasonOf(changed);
  }
});
