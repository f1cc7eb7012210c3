import { strict as assert } from "node:assert";
import { AUTHOR_BYTES, isBy, withAuthor } from "./authorship.ts";
import type { PeerId } from "./sync/types.ts";

const wren = "wren" as PeerId, finch = "finch" as PeerId;

Deno.test("a contribution is its author's alone, and has the content that was given", () => {
  const content = Uint8Array.of(1, 2, 3), blob = withAuthor(content, wren);
  assert.equal(isBy(wren, blob), true);
  assert.equal(isBy(finch, blob), false);
  assert.deepEqual(blob.subarray(AUTHOR_BYTES), content);
});

Deno.test("bytes too short to name an author are nobody's", () => {
  assert.equal(isBy(wren, withAuthor(new Uint8Array(), wren)), true);
  assert.equal(isBy(wren, withAuthor(new Uint8Array(), wren).subarray(0, AUTHOR_BYTES - 1)), false);
});
