/**
 * The walls of ARCHITECTURE.md §1, held by reading the text of every file. It draws no picture and knows no style.
 * @module
 */
import { strict as assert } from "node:assert";
import { basename, dirname, join, normalize, relative } from "node:path";
import { kernels } from "../kernels/all.ts";
import { SHAPES } from "./kernels/shapes.ts";

const ROOT = normalize(join(import.meta.dirname!, ".."));
const ROOMS = ["kernels", "runtime", "p2p", "cli", "tests", "bench"];

/** Which rooms a room may import, besides itself. */
const ARROWS: Readonly<Record<string, readonly string[]>> = {
  kernels: [],
  p2p: [],
  runtime: ["kernels", "p2p"],
  cli: ["runtime", "p2p"],
  "mod.ts": ["kernels", "runtime", "p2p"],
  tests: ["kernels", "runtime", "p2p", "cli", "bench", "mod.ts"],
  bench: ["kernels", "runtime", "p2p", "cli", "tests", "mod.ts"],
};

/** Arrows inside a room: what a folder may import of its own room, besides itself. A file beside the folders may all. */
const INNER_ARROWS: Readonly<Record<string, readonly string[]>> = {
  "p2p/sync": ["p2p/learner.ts"],
  "p2p/store": ["p2p/sync", "p2p/identity.ts", "p2p/reason.ts"],
  "p2p/net": ["p2p/sync", "p2p/store", "p2p/identity.ts", "p2p/plain_text.ts", "p2p/reason.ts", "p2p/clock.ts"],
  "runtime/device": [],
  "runtime/graph": ["runtime/device"],
  "runtime/model": ["runtime/graph", "runtime/device", "runtime/folder.ts"],
  "runtime/train": ["runtime/model", "runtime/graph", "runtime/device", "runtime/config.ts"],
  "runtime/tuning": ["runtime/graph", "runtime/device"],
  "runtime/batching": ["runtime/device"],
  "runtime/data": ["runtime/config.ts", "runtime/folder.ts"],
  "runtime/state": ["runtime/train", "runtime/model", "runtime/config.ts", "runtime/folder.ts"],
  "runtime/worker": [
    ...["runtime/train", "runtime/tuning", "runtime/batching", "runtime/state", "runtime/data", "runtime/model"],
    ...["runtime/device", "runtime/config.ts", "runtime/folder.ts", "runtime/folder_disk.ts"],
  ],
  "runtime/profile": ["runtime/train", "runtime/model", "runtime/device"],
  "runtime/experiment": [
    ...["runtime/train", "runtime/state", "runtime/data", "runtime/model", "runtime/device"],
    ...["runtime/config.ts", "runtime/folder.ts", "runtime/worker/held_out.ts", "runtime/worker/clock.ts"],
  ],
};

/** The file that calls foreign code. */
const FOREIGN = "runtime/device/blas.ts";

/** Files outside cli, tests and bench whose job is disk, or foreign code. */
const MAY_SAY_DENO = [
  "p2p/store/disk.ts",
  "p2p/store/disk_journal.ts",
  "p2p/store/disk_partial.ts",
  "p2p/store/files.ts",
  "p2p/store/journal_file.ts",
  "p2p/store/key_file.ts",
  "p2p/store/lock.ts",
  "p2p/store/shared_file.ts",
  "runtime/data/text_files.ts",
  FOREIGN,
  "runtime/device/dawn.ts",
  "runtime/device/dawn_package.ts",
  "runtime/device/dawn_trial.ts",
  "runtime/device/module_cache.ts",
  "runtime/device/user_cache.ts",
  "runtime/folder_disk.ts",
  "runtime/metrics_log.ts",
  "runtime/run_folder.ts",
];

/** The files that write shaders: `main` of the matmul family, in each of its tilings. */
const WRITES_WGSL = ["kernels/matrix_product.ts", "kernels/tiled_product.ts"];

const sources = listFiles(ROOT).filter((path) => path.endsWith(".ts"));
const product = sources.filter((path) => !isTest(path) && !/^(tests|bench)\//.test(path));

Deno.test("every arrow between rooms is one that ARCHITECTURE.md allows", () => {
  const wrong = sources.flatMap((path) =>
    importsOf(path).filter((target) => !arrowAllowed(path, target)).map((target) => `${path} imports ${target}`)
  );
  assert.deepEqual(wrong, []);
});

Deno.test("every arrow inside p2p and runtime is one that ARCHITECTURE.md allows", () => {
  const folders = new Set(product.map(folderOf).filter((folder) => /^(p2p|runtime)\/./.test(folder)));
  assert.deepEqual([...folders].sort(), Object.keys(INNER_ARROWS).sort(), "each folder has its arrows here");
  const wrong = product.filter((path) => folderOf(path) in INNER_ARROWS).flatMap((path) =>
    importsOf(path).filter((target) => {
      const from = folderOf(path), to = folderOf(target);
      return roomOf(target) === roomOf(path) && to !== from &&
        !INNER_ARROWS[from]!.some((may) => may === to || may === target);
    }).map((target) => `${path} imports ${target}`)
  );
  assert.deepEqual(wrong, []);
});

Deno.test("nothing outside tests and bench imports tests or bench", () => {
  const wrong = product.flatMap((path) =>
    importsOf(path).filter((target) => /^(tests|bench)\//.test(target) || isTest(target)).map((to) => `${path} → ${to}`)
  );
  assert.deepEqual(wrong, []);
});

Deno.test("no files import each other in a circle", () => {
  const state = new Map<string, "open" | "done">();
  const visit = (path: string, trail: readonly string[]): void => {
    if (state.get(path) === "done") return;
    assert.notEqual(state.get(path), "open", `circle: ${[...trail, path].join(" → ")}`);
    state.set(path, "open");
    for (const target of importsOf(path, { types: false })) {
      if (sources.includes(target)) visit(target, [...trail, path]);
    }
    state.set(path, "done");
  };
  for (const path of sources) visit(path, []);
});

Deno.test("p2p/sync is pure: no clock, chance, I/O, promise or Deno", () => {
  const impure =
    /\bDate\.now|\bnew Date\b|performance\.|Math\.random|crypto\.(getRandomValues|subtle|randomUUID)|\bDeno\.|\bPromise\b|\basync\b|\bawait\b|setTimeout|setInterval|queueMicrotask|\bfetch\(|console\./;
  const wrong = product.filter((path) => path.startsWith("p2p/sync/")).flatMap((path) =>
    codeLines(path).filter(({ text }) => impure.test(text)).map(({ line, text }) => `${path}:${line} ${text.trim()}`)
  );
  assert.deepEqual(wrong, []);
});

Deno.test("p2p/sync takes nothing from packages but encoding and hashing, and of the learner only types", () => {
  const beside = /^(\.\/(batch\/)?\w+\.ts|@ipld\/dag-cbor|@noble\/hashes\/.+)$/, below = /^\.\.?\/\w+\.ts$/;
  const wrong = product.filter((path) => path.startsWith("p2p/sync/")).flatMap((path) =>
    codeLines(path).filter(({ text }) => {
      const [, from] = /from "([^"]+)"/.exec(text) ?? [];
      return from !== undefined && !(dirname(path) === "p2p/sync" ? beside : below).test(from) &&
        !(from === "../learner.ts" && /^import type /.test(text));
    }).map(({ line, text }) => `${path}:${line} ${text.trim()}`)
  );
  assert.deepEqual(wrong, []);
});

Deno.test("mod.ts lists the names that it exports", () => {
  assert.ok(product.every((path) => codeLines(path).every(({ text }) => !/^export (\*|default)/.test(text))));
});

Deno.test("navigator.gpu appears in one product file", () => {
  const files = product.filter((path) => codeLines(path).some(({ text }) => text.includes("navigator.gpu")));
  assert.ok(files.length <= 1, files.join(", "));
});

Deno.test("foreign code is called in one product file", () => {
  const files = product.filter((path) =>
    codeLines(path).some(({ text }) => /\bdlopen\b|\bUnsafe\w*Pointer/.test(text))
  );
  assert.deepEqual(files, [FOREIGN]);
});

Deno.test("outside cli, Deno. and node: appear in the files whose job is disk or foreign code, and nowhere else", () => {
  const found = product.filter((path) => !path.startsWith("cli/"))
    .filter((path) => codeLines(path).some(({ text }) => /\bDeno\.|"node:/.test(text)));
  assert.deepEqual(found, MAY_SAY_DENO);
});

Deno.test("WGSL and AssemblyScript live only in kernels, each beside its contract", () => {
  const shaders = listFiles(ROOT).filter((path) => path.endsWith(".wgsl"));
  const wrong = shaders.filter((path) =>
    !path.startsWith("kernels/") || !sources.includes(path.replace(/\.wgsl$/, ".ts"))
  );
  const strayAssembly = listFiles(ROOT).filter((path) => path.endsWith(".as") && !path.startsWith("kernels/"));
  const inline = product.filter((path) =>
    !WRITES_WGSL.includes(path) && codeLines(path).some(({ text }) => /@compute|@workgroup_size/.test(text))
  );
  assert.deepEqual([...wrong, ...strayAssembly, ...inline], []);
});

Deno.test("the table of kernels in ARCHITECTURE.md has every kernel with its shape and its bindings in order", () => {
  const rows = Deno.readTextFileSync(join(ROOT, "ARCHITECTURE.md")).matchAll(
    /^\| `(\w+)` +\| ([A-Z_ ]+?) +\| (.+) \|$/gm,
  );
  const table = new Map(Array.from(rows, ([, name, shape, bindings]) => [name, { shape, bindings }]));
  assert.deepEqual([...table.keys()].sort(), kernels.map(({ name }) => name).sort());
  for (const { name, bindings } of kernels) {
    const row = table.get(name)!;
    assert.equal(row.shape, Object.keys(SHAPES[name]![0]!).join(" "), name);
    const written = Object.entries(bindings).map(([key, { access, stored }]) =>
      key + (access === "write" ? "\\*" : "(?!\\w)") + (stored ? "°" : "(?!°)")
    );
    assert.match(row.bindings!, new RegExp(`^${written.join(".*? ")}`), name);
  }
});

Deno.test("ARCHITECTURE.md names every file of p2p/sync and p2p/sync/batch, and every one beside the folders of p2p and runtime", () => {
  const page = Deno.readTextFileSync(join(ROOT, "ARCHITECTURE.md"));
  const wanted = product.filter((path) => ["p2p", "p2p/sync", "p2p/sync/batch", "runtime"].includes(dirname(path)));
  const absent = wanted.filter((path) => !new RegExp(`(^|[\\s/\`])${basename(path, ".ts")}\\.ts`, "m").test(page));
  assert.deepEqual(absent, []);
});

function listFiles(folder: string): string[] {
  const found: string[] = [];
  for (const entry of Deno.readDirSync(folder)) {
    if (entry.name.startsWith(".") || entry.name === "node_modules" || entry.name === "coverage") continue;
    const path = join(folder, entry.name);
    if (entry.isDirectory) found.push(...listFiles(path));
    else found.push(relative(ROOT, path));
  }
  return found.sort();
}

function isTest(path: string): boolean {
  return path.endsWith("_test.ts");
}

function roomOf(path: string): string {
  const first = path.split("/")[0]!;
  return ROOMS.includes(first) ? first : path;
}

/** "runtime/state" for all that lies in or below it; the room for a file beside the folders. */
function folderOf(path: string): string {
  return path.split("/").slice(0, -1).slice(0, 2).join("/");
}

function arrowAllowed(from: string, to: string): boolean {
  const fromRoom = isTest(from) ? "tests" : roomOf(from), toRoom = roomOf(to);
  return fromRoom === toRoom || (ARROWS[fromRoom] ?? []).includes(toRoom);
}

/** Targets inside the project, as paths from the root. */
function importsOf(path: string, { types = true } = {}): string[] {
  const text = Deno.readTextFileSync(join(ROOT, path));
  const statements = text.matchAll(
    /^(?:import|export)\s+(type\s)?[^;"']*?from\s+"([^"]+)"|^import\s+"([^"]+)"|(?:import\(|new URL\()\s*"(\.[^"]+\.ts)"/gm,
  );
  const targets: string[] = [];
  for (const [, typeOnly, from, bare, dynamic] of statements) {
    const target = from ?? bare ?? dynamic!;
    if (!types && (typeOnly !== undefined || dynamic !== undefined)) continue;
    if (target === "starling") targets.push("mod.ts");
    else if (target.startsWith(".") && target.endsWith(".ts")) {
      targets.push(normalize(join(dirname(path), target)));
    }
  }
  return targets;
}

/** Lines of a file without its comments. */
function codeLines(path: string): { line: number; text: string }[] {
  const text = Deno.readTextFileSync(join(ROOT, path));
  const bare = text.replace(/\/\*[\s\S]*?\*\//g, (comment) => comment.replace(/[^\n]/g, " "))
    .replace(/(^|\s)\/\/.*$/gm, "$1");
  return bare.split("\n").map((line, i) => ({ line: i + 1, text: line }));
}
