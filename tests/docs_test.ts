/**
 * What the pages name exists: files, and the places that links lead to.
 * @module
 */
import { strict as assert } from "node:assert";
import { dirname, join, normalize } from "node:path";

const ROOT = normalize(join(import.meta.dirname!, ".."));
const files = listFiles(ROOT);
const pages = [...files].filter((path) => /^(docs\/(methods\/)?)?[\w-]+\.md$/.test(path));

Deno.test("every file that a page names exists", () => {
  assert.ok(pages.length > 10);
  assert.deepEqual(pages.flatMap((page) => absentFiles(read(page)).map((name) => `${page} names ${name}`)), []);
});

Deno.test("every link of a page leads to a file, and to a heading of it", () => {
  assert.deepEqual(pages.flatMap((page) => deadLinks(page, read(page)).map((link) => `${page} links to ${link}`)), []);
});

Deno.test("a name without a file, and a link to nowhere, would be found", () => {
  assert.deepEqual(absentFiles("`p2p/wire.ts`, `wire.ts`, `kernels/x.ts`, `p2p/sync/`, `p2p/none.ts`, `tests/no/`"), [
    "p2p/none.ts",
    "tests/no/",
  ]);
  const text = "# A page: its end\n[a](#a-page-its-end) [b](runs.md#disk) [c](runs.md#no) [d](no.md) [e](https://x.y)";
  assert.deepEqual(deadLinks("docs/page.md", text), ["runs.md#no", "no.md"]);
});

/** Names in code marks that look like a path of the project; `x` stands for any kernel. */
function absentFiles(text: string): readonly string[] {
  const names = text.matchAll(
    /`([\w./-]+\.(?:ts|wgsl|as|py|md|svg)|(?:p2p|runtime|kernels|cli|tests|bench|docs)\/[\w./-]*)`/g,
  );
  return Array.from(names, ([, name]) => name!).filter((name) =>
    !/(^|\/)x(_test)?\.\w+$/.test(name) &&
    ![...files].some((path) => `/${path}`.endsWith(`/${name.replace(/\/$/, "")}`))
  );
}

function deadLinks(page: string, text: string): readonly string[] {
  return Array.from(text.matchAll(/\]\(([^)\s]+)\)/g), ([, link]) => link!).filter((link) => {
    if (/^https?:/.test(link)) return false;
    const [path = "", heading] = link.split("#"), target = path === "" ? page : join(dirname(page), path);
    if (path !== "" && !files.has(target)) return true;
    return heading !== undefined && !headings(path === "" ? text : read(target)).includes(heading);
  });
}

/** As GitHub names them. */
function headings(text: string): readonly string[] {
  return Array.from(
    text.matchAll(/^#+ (.+)$/gm),
    ([, title]) => title!.toLowerCase().replace(/[^\w\- ]/g, "").replaceAll(" ", "-"),
  );
}

function read(path: string): string {
  return Deno.readTextFileSync(join(ROOT, path));
}

/** Files and folders, as paths from the root. */
function listFiles(folder: string, prefix = ""): Set<string> {
  const found = new Set<string>();
  for (const { name, isDirectory } of Deno.readDirSync(folder)) {
    if (name.startsWith(".") || name === "node_modules" || name === "coverage") continue;
    found.add(`${prefix}${name}`);
    if (isDirectory) { for (const path of listFiles(join(folder, name), `${prefix}${name}/`)) found.add(path); }
  }
  return found;
}
