/**
 * `docs/bad_input.md` names tests that exist: each row has one, in a file that there is, by words of its name.
 * @module
 */
import { strict as assert } from "node:assert";
import { join, normalize } from "node:path";

const ROOT = normalize(join(import.meta.dirname!, ".."));
const files = listTests(ROOT);

/** A test as a row names it: `file`: "words of its name … more words". */
const NAMED = /`([\w/]+\.ts)`((?:[,:] "[^"]+")*)/g;

Deno.test("every row of docs/bad_input.md names tests that exist", () => {
  const rows = Deno.readTextFileSync(join(ROOT, "docs/bad_input.md")).split("\n")
    .filter((line) => line.startsWith("| ") && !line.startsWith("| what ") && !line.startsWith("| --"));
  assert.ok(rows.length > 50);
  assert.deepEqual(rows.flatMap((row) => whyWrong(row).map((reason) => `${row.slice(2, 80).trim()}: ${reason}`)), []);
});

Deno.test("a row without a test, or with one that does not exist, would be found", () => {
  const row = (cell: string) => whyWrong(`| what | happens | ${cell} |`);
  assert.deepEqual(row('`wire_test.ts`: "never throw on"'), []);
  assert.match(row("some test")[0]!, /names no test/);
  assert.match(row("`wire_test.ts`")[0]!, /names no test of wire_test\.ts/);
  assert.match(row('`wire_test.ts`: "is as it was"')[0]!, /has no test "is as it was"/);
  assert.match(row('`no_such_test.ts`: "never throw on"')[0]!, /0 files/);
});

function whyWrong(row: string): readonly string[] {
  const cell = row.split(" | ").at(-1)!, found = [...cell.matchAll(NAMED)];
  if (found.length === 0) return ["it names no test"];
  return found.flatMap(([, file, names = ""]) => {
    const paths = [...files.keys()].filter((path) => `/${path}`.endsWith(`/${file}`));
    if (paths.length !== 1) return [`${file} is ${paths.length} files: ${paths.join(", ")}`];
    const quoted = Array.from(names.matchAll(/"([^"]+)"/g), ([, name]) => name!);
    if (quoted.length === 0) return [`it names no test of ${file}`];
    return quoted.filter((name) => !hasTest(files.get(paths[0]!)!, name)).map((name) =>
      `${file} has no test "${name}"`
    );
  });
}

/** Whether these words, in this order, are in a name or a title in a table of tests; "…" stands for any others. */
function hasTest(text: string, name: string): boolean {
  const words = name.split("…").map((part) => part.trim().replace(/[.*+?^${}()|[\]\\]/g, "\\$&")).join(".*");
  return text.split("\n").some((line) => /["`]/.test(line) && new RegExp(words).test(line));
}

/** The text of everything that holds tests, by path. */
function listTests(folder: string, prefix = ""): Map<string, string> {
  const found = new Map<string, string>();
  for (const { name, isDirectory } of Deno.readDirSync(folder)) {
    if (name.startsWith(".") || name === "node_modules") continue;
    const path = join(folder, name);
    if (isDirectory) { for (const [at, text] of listTests(path, `${prefix}${name}/`)) found.set(at, text); }
    else if (name.endsWith("_test.ts") || prefix === "tests/conformance/") {
      found.set(`${prefix}${name}`, Deno.readTextFileSync(path));
    }
  }
  return found;
}
