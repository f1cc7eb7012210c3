import { strict as assert } from "node:assert";
import { join } from "node:path";
import { cachedModule } from "./module_cache.ts";

const MODULE = Uint8Array.of(0, 0x61, 0x73, 0x6d, 1, 0, 0, 0);

/** With an empty cache, and a compiler that counts. */
async function withCache(body: (scene: Scene) => Promise<void>): Promise<void> {
  const cache = await Deno.makeTempDir();
  let count = 0;
  const get = (sources: string) =>
    cachedModule(sources, () => {
      count++;
      return Promise.resolve(MODULE);
    }, cache);
  try {
    await body({ folder: join(cache, "wasm"), get, compiled: () => count });
  } finally {
    await Deno.remove(cache, { recursive: true });
  }
}

interface Scene {
  /** Where the modules are. */
  readonly folder: string;
  get(sources: string): Promise<Uint8Array>;
  /** How often something was compiled. */
  compiled(): number;
}

Deno.test("a module is compiled once for the same sources, and again for others", async () => {
  await withCache(async ({ get, compiled }) => {
    assert.deepEqual(await get("one"), MODULE);
    assert.deepEqual(await get("one"), MODULE);
    assert.equal(compiled(), 1);
    await get("two");
    assert.equal(compiled(), 2);
  });
});

Deno.test("a module that was damaged on the disk, or cut off, is compiled again and then whole", async () => {
  await withCache(async ({ folder, get, compiled }) => {
    await get("one");
    const [{ name }] = [...Deno.readDirSync(folder)] as [Deno.DirEntry];
    const path = join(folder, name), whole = await Deno.readFile(path);
    const damaged = whole.with(whole.length - 1, 7);
    for (const [i, contents] of [damaged, whole.slice(0, -1), new Uint8Array()].entries()) {
      await Deno.writeFile(path, contents);
      assert.deepEqual(await get("one"), MODULE);
      assert.equal(compiled(), 2 + i);
      assert.deepEqual(await Deno.readFile(path), whole);
    }
  });
});

Deno.test("of more than 200 modules the oldest are removed, and parts that were left with them", async () => {
  await withCache(async ({ folder, get }) => {
    await get("one");
    const long = Date.now() / 1000 - 3600;
    for (let i = 0; i < 210; i++) {
      const path = join(folder, `${i}.part`);
      await Deno.writeFile(path, MODULE);
      await Deno.utime(path, long + i, long + i);
    }
    await get("two");
    const names = [...Deno.readDirSync(folder)].map(({ name }) => name);
    assert.equal(names.length, 200);
    assert.ok(!names.includes("11.part") && names.includes("12.part"));
  });
});

Deno.test("a cache that cannot be written is no error, and neither is none", async () => {
  const file = await Deno.makeTempFile();
  const compile = () => Promise.resolve(MODULE);
  try {
    assert.deepEqual(await cachedModule("one", compile, file), MODULE);
    assert.deepEqual(await cachedModule("one", compile, null), MODULE);
  } finally {
    await Deno.remove(file);
  }
});
