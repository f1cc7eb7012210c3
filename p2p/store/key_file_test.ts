import { strict as assert } from "node:assert";
import { openIdentity } from "./key_file.ts";

Deno.test("openIdentity() makes a key once, for its owner's eyes alone, and finds it again", async () => {
  await inFolder(async (folder) => {
    const first = await openIdentity(`${folder}/key`);
    const second = await openIdentity(`${folder}/key`);
    assert.equal(first.peer, second.peer);
    if (Deno.build.os !== "windows") assert.equal((await Deno.stat(`${folder}/key`)).mode! & 0o777, 0o600);
    assert.notEqual((await openIdentity(`${folder}/other`)).peer, first.peer);
  });
});

Deno.test("openIdentity() never replaces a damaged key, and says what to do", async () => {
  await inFolder(async (folder) => {
    const path = `${folder}/key`;
    await openIdentity(path);
    const whole = await Deno.readTextFile(path);
    for (
      const text of ["", "hello", whole.slice(0, -10), whole.replace("1", "2"), `${whole}${whole}`, flipped(whole)]
    ) {
      await Deno.writeTextFile(path, text);
      await assert.rejects(
        openIdentity(path),
        /it is damaged \(found \d+ characters.*Restore it from a copy, or delete/,
      );
      assert.equal(await Deno.readTextFile(path), text);
    }
  });
});

/** Another seed, as good as the one that was written. */
function flipped(text: string): string {
  const at = text.indexOf("\n") + 5;
  return `${text.slice(0, at)}${text[at] === "3" ? "7" : "3"}${text.slice(at + 1)}`;
}

async function inFolder(body: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    await body(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}
