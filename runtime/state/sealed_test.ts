import { strict as assert } from "node:assert";
import { blobDigest } from "../../p2p/store/chunks.ts";
import { joinBytes, memoryReader } from "../folder.ts";
import { sealed, unseal } from "./sealed.ts";

const bytes = (length: number, seed: number) => Uint8Array.from({ length }, (_, i) => i * seed + (i >> 8));
/** Of many lengths, in all some pieces and a bit. */
const parts = [3, 0, 1 << 20, 700_001, 2_500_000, 5].map((length, i) => bytes(length, i + 1));
const content = joinBytes(parts);

Deno.test("what is sealed comes in pieces of 1 MiB that nobody else has, and ends with its blob digest", async () => {
  const pieces = await Array.fromAsync(sealed(parts)), last = pieces.at(-1)!;
  assert.deepEqual(pieces.slice(0, -2).map(({ length }) => length), Array(4).fill(1 << 20));
  assert.deepEqual(joinBytes(pieces.slice(0, -1)), content);
  assert.equal(last.toHex(), await blobDigest(content));
  assert.equal(new Set(pieces.map(({ buffer }) => buffer)).size, pieces.length);
  assert.deepEqual((await Array.fromAsync(sealed([]))).map(({ length }) => length), [32]);
});

Deno.test("unseal gives the content from a byte on, in order, and says whether it is whole", async () => {
  const file = joinBytes(await Array.fromAsync(sealed(parts)));
  for (const start of [0, 7, 1 << 20, content.length - 1]) {
    const found = new Uint8Array(content.length - start);
    let next = start;
    const take = (at: number, piece: Uint8Array) => {
      assert.equal(at, next);
      next += piece.length;
      found.set(piece, at - start);
    };
    assert.equal(await unseal(memoryReader(file), { start, take }), true);
    assert.deepEqual(found, content.subarray(start));
  }
  for (const at of [0, content.length - 1, content.length, file.length - 1]) {
    const damaged = file.slice();
    damaged[at]! ^= 1;
    assert.equal(await unseal(memoryReader(damaged), { start: 0, take() {} }), false, `byte ${at}`);
  }
});
