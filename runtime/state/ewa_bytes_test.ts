import { strict as assert } from "node:assert";
import { decodeEwa, encodeEwa } from "./ewa_bytes.ts";

const progress = { tokens: 123_456, steps: 12.5, mass: 0.75 };
const average = Float32Array.from({ length: 128 }, (_, i) => Math.sin(i));

Deno.test("an average reads back as it was written", async () => {
  const decoded = await decodeEwa(await encodeEwa(progress, average), { words: 128 });
  assert.deepEqual(decoded, { ok: true, progress, average });
});

Deno.test("a damaged, cut or foreign average is refused with the reason", async () => {
  const bytes = await encodeEwa(progress, average);
  const reasonOf = async (changed: Uint8Array<ArrayBuffer>, words = 128) => {
    const decoded = await decodeEwa(changed, { words });
    assert.ok(!decoded.ok);
    return decoded.reason;
  };
  assert.match(await reasonOf(bytes, 64), /of another model/);
  assert.match(await reasonOf(bytes.slice(0, -1)), /has 575 bytes and needs 576/);
  assert.match(await reasonOf(new Uint8Array()), /not of version 1/);
  for (let at = 0; at < bytes.length; at += 7) {
    const changed = bytes.slice();
    changed[at]! ^= 4;
    await reasonOf(changed);
  }
});
