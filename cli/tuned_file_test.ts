import { strict as assert } from "node:assert";
import { join } from "node:path";
import type { TunedDevice, TunedProducts } from "../runtime/tuning/tuned_products.ts";
import { loadTuned, saveTuned, tunedPath } from "./tuned_file.ts";

const found: TunedDevice = {
  subject: "a GPU",
  classes: {
    "NT 4 × 4 × 4 f32": { form: "64x64x16_4x4", split: 2, sizes: [4, 4, 4], gflops: 2, gflopsByShape: 1 },
  },
};
const products: TunedProducts = [found];

Deno.test("the file lies where each system keeps what can be found out again, or where a variable says", () => {
  const path = (os: typeof Deno.build.os, environment: Record<string, string>) =>
    tunedPath((name) => environment[name], os);
  const linux = { HOME: "/home/wren" };
  assert.equal(path("linux", linux), join("/home/wren", ".cache", "starling", "products.json"));
  assert.equal(path("linux", { ...linux, XDG_CACHE_HOME: "/c" }), join("/c", "starling", "products.json"));
  assert.equal(path("darwin", linux), join("/home/wren", "Library", "Caches", "starling", "products.json"));
  assert.equal(path("windows", { LOCALAPPDATA: "/local" }), join("/local", "starling", "products.json"));
  assert.equal(path("linux", { ...linux, STARLING_CACHE: "/here" }), join("/here", "products.json"));
  assert.equal(path("windows", linux), null);
  assert.equal(path("linux", { HOME: "" }), null);
});

Deno.test("what is saved is loaded again; without a file nothing is known, and nothing said", async () => {
  const folder = await Deno.makeTempDir(), path = join(folder, "new", "products.json");
  const said: string[] = [];
  try {
    assert.equal(await loadTuned((message) => said.push(message), path), null);
    await saveTuned(products, path);
    assert.deepEqual(await loadTuned((message) => said.push(message), path), products);
    assert.deepEqual([...Deno.readDirSync(join(folder, "new"))].map(({ name }) => name), ["products.json"]);
    const other = { ...found, subject: "a GPU, through Dawn" }, newClass = Object.values(found.classes)[0]!;
    await saveTuned([other], path); // of a peer that knew of no other
    await saveTuned([{ ...found, classes: { "TN 8 × 8 × 8 f32": newClass } }, other], path);
    const wanted = [{ ...found, classes: { ...found.classes, "TN 8 × 8 × 8 f32": newClass } }, other];
    assert.deepEqual(await loadTuned((message) => said.push(message), path), wanted);
    await saveTuned(products, null);
    assert.equal(await loadTuned((message) => said.push(message), null), null);
    assert.deepEqual(said, []);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("a damaged or unreadable file is nothing known, told in one line", async () => {
  const folder = await Deno.makeTempDir(), path = join(folder, "products.json");
  const said: string[] = [];
  try {
    await Deno.writeTextFile(path, JSON.stringify(products).slice(0, -1));
    assert.equal(await loadTuned((message) => said.push(message), path), null);
    assert.equal(await loadTuned((message) => said.push(message), folder), null);
    assert.deepEqual(said, [
      `${path} is damaged, or of another version: what it was for is measured again`,
      `Cannot read ${folder}: what it is for is measured again`,
    ]);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
