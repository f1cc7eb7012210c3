import { strict as assert } from "node:assert";
import { joinBytes } from "../folder.ts";
import { checkpointPieces, decodeCheckpoint, type KeptLineage, writtenLineage } from "./checkpoint.ts";

const words = 64;
const moments = {
  first: new Float32Array(words).map((_, i) => i),
  second: new Float32Array(words).map((_, i) => i / 3),
  residual: new Float32Array(words).map((_, i) => -i),
  stepCount: 2 ** 33 + 1,
  beta2Product: 0.98 ** 5,
};

const lineages = [{ from: [1], moments: { ...moments, stepCount: 3 } }, { from: [0, 2, 15], moments }];

const encodeCheckpoint = async (lineages: readonly KeptLineage[]) =>
  joinBytes(await Array.fromAsync(checkpointPieces(lineages.map(writtenLineage), { words })));

Deno.test("a checkpoint gives the optimizer of each lineage back, whole", async () => {
  const bytes = await encodeCheckpoint(lineages), shifted = new Uint8Array(bytes.length + 1);
  shifted.set(bytes, 1);
  assert.deepEqual(await decodeCheckpoint(bytes, { words }), { ok: true, lineages });
  assert.deepEqual(await decodeCheckpoint(shifted.subarray(1), { words }), { ok: true, lineages });
});

Deno.test("a checkpoint of the version before, which ends with the SHA-256 of all of it, is still read", async () => {
  const bytes = await encodeCheckpoint(lineages), end = bytes.length - 32;
  bytes[3] = "3".charCodeAt(0);
  assert.equal((await decodeCheckpoint(bytes, { words })).ok, false, "its checksum is of version 4");
  bytes.set(new Uint8Array(await crypto.subtle.digest("SHA-256", bytes.subarray(0, end))), end);
  assert.deepEqual(await decodeCheckpoint(bytes, { words }), { ok: true, lineages });
});

Deno.test("a checkpoint with any byte changed, cut short or of another model is reported, not used", async () => {
  const good = await encodeCheckpoint(lineages);
  for (let at = 0; at < good.length; at += 13) {
    const bytes = good.slice();
    bytes[at]! ^= 1;
    const decoded = await decodeCheckpoint(bytes, { words });
    assert.ok(!decoded.ok && /starts afresh/.test(decoded.reason), `byte ${at}`);
  }
  for (const length of [0, 10, 100, good.length - 1]) {
    assert.equal((await decodeCheckpoint(good.slice(0, length), { words })).ok, false, `${length} bytes`);
  }
  assert.equal((await decodeCheckpoint(good, { words: 128 })).ok, false);
});
