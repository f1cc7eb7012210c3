import { strict as assert } from "node:assert";
import { sha256 } from "@noble/hashes/sha2.js";
import { bytesToHex, utf8ToBytes } from "@noble/hashes/utils.js";
import { EMBEDDED_DIGEST, loadEmbeddedText } from "./embedded.ts";
import { embeddedModules } from "./embedded_modules.ts";

Deno.test("The embedded corpus is the edition that its digest names", async () => {
  assert.equal(bytesToHex(sha256(utf8ToBytes(await loadEmbeddedText()))), EMBEDDED_DIGEST);
});

Deno.test("The embedded corpus is sorted by module, each of them text that ends its line", () => {
  const names = embeddedModules.map(([name]) => name);
  assert.deepEqual(names, names.toSorted());
  assert.equal(new Set(names).size, names.length);
  for (const [name, text] of embeddedModules) assert.ok(text.length > 100 && text.endsWith("\n"), name);
});
