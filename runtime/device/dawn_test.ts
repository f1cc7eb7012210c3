import { strict as assert } from "node:assert";
import { join } from "node:path";
import { fill } from "../../kernels/fill.ts";
import { openDawnDevice } from "./dawn.ts";
import { DAWN_VERSION, dawnFile, type DawnFileOptions, NoDawnError } from "./dawn_package.ts";
import { tryDawn } from "./dawn_trial.ts";
import { KernelError, whole } from "./device.ts";

// Dawn's null backend has no GPU and computes nothing; it checks and compiles all, on any machine. What a GPU has to
// compute for is in tests/conformance/dawn_device_test.ts.
const open = () => openDawnDevice({ backend: "null" });

Deno.test("a dawn device says what it is, and by which version", async () => {
  await using device = await open();
  assert.deepEqual([device.kind, device.description], ["dawn", `null-backend, through Dawn ${DAWN_VERSION}`]);
  assert.equal(device.storesF16, true);
});

Deno.test("a shader that Tint does not compile is named, with its message and the numbered source", async () => {
  await using device = await open();
  const broken = { ...fill, name: "broken", variants: [], source: fill.source.replace("value[0]", "valeu[0]") };
  const spans = { value: whole(device.allocate(1, "value")), y: whole(device.allocate(4, "y")) };
  await assert.rejects(device.prepare([{ kernel: broken, shape: { COUNT: 4 }, spans }], "bad"), (error: Error) => {
    assert.ok(error instanceof KernelError);
    assert.match(error.message, /^Cannot compile broken for \{"COUNT":4\}: unresolved value 'valeu'/);
    assert.match(error.message, /^ +\d+ \| .*valeu\[0\]/m);
    return true;
  });
  await device.prepare([{ kernel: fill, shape: { COUNT: 4 }, spans }], "good"); // it works on
});

Deno.test("memory of a dawn device is counted, and gone when it is freed", async () => {
  await using device = await open();
  const first = device.allocate(1000, "first"), second = device.allocate(24, "second");
  assert.deepEqual(device.memory(), { bytes: 4096, peakBytes: 4096 });
  device.free(first);
  device.free(second);
  assert.deepEqual(device.memory(), { bytes: 0, peakBytes: 4096 });
});

Deno.test("a call that Dawn refuses later is reported once, by the next call that waits", async () => {
  await using device = await open();
  const buffer = device.allocate(4, "buffer");
  await assert.rejects(device.read([{ buffer, start: 0, words: 8 }]), /WebGPU refused a call: .*does not fit/);
  await device.idle();
});

const WAYS = [
  ...["closed", "left open", "exit", "worker terminated", "two workers terminated", "worker left"],
  "after the garbage collector has looked",
];

for (const way of WAYS) {
  Deno.test(`a process ends by itself and without a crash with a dawn device at work: ${way}`, async () => {
    const program = new URL("../../tests/kernels/dawn_end.ts", import.meta.url).pathname;
    const { code, signal, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", "--quiet", "--v8-flags=--expose-gc", program, way],
      stdout: "piped",
      stderr: "piped",
      signal: AbortSignal.timeout(60_000),
    }).output();
    const said = new TextDecoder().decode(stdout).trim();
    assert.deepEqual({ code, signal, said }, { code: 0, signal: null, said: way }, new TextDecoder().decode(stderr));
  });
}

/** Asks for the library of a user whose cache is empty. */
async function withCache(body: (cacheFolder: string) => Promise<void>): Promise<void> {
  const cacheFolder = await Deno.makeTempDir();
  try {
    await body(cacheFolder);
  } finally {
    await Deno.remove(cacheFolder, { recursive: true });
  }
}

const reason = (message: RegExp) => (error: Error) => error instanceof NoDawnError && message.test(error.message);

/** As if the registry had given the package. */
async function putLibrary(folder: string): Promise<void> {
  for (const system of ["linux-x64", "linux-arm64", "darwin-universal", "win32-x64", "win32-arm64"]) {
    const place = join(folder, "node_modules", ".deno", `webgpu@${DAWN_VERSION}`, "node_modules", "webgpu", "dist");
    await Deno.mkdir(join(place, system), { recursive: true });
    await Deno.writeTextFile(join(place, system, "dawn.node"), "native code");
  }
}

Deno.test("the library is fetched once, with a word about it, with the digests that we know", async () => {
  await withCache(async (cacheFolder) => {
    const said: string[] = [];
    let installCount = 0;
    const options: DawnFileOptions = {
      ...{ fetching: "asked", cacheFolder, variable: undefined },
      onNotice: (message) => said.push(message),
      async install(folder) {
        installCount++;
        assert.match(
          await Deno.readTextFile(join(folder, "deno.lock")),
          new RegExp(`"webgpu@${DAWN_VERSION}":{"integrity":"sha512-`),
        );
        await putLibrary(folder);
      },
    };
    const file = await dawnFile(options);
    assert.equal(await Deno.readTextFile(file), "native code");
    assert.equal(await dawnFile(options), file);
    assert.deepEqual([installCount, said], [1, [`Fetching Dawn ${DAWN_VERSION} (51 MB, once) …`]]);
    assert.deepEqual([...Deno.readDirSync(cacheFolder)].map(({ name }) => name), [`dawn-${DAWN_VERSION}`]);
  });
});

Deno.test("what cannot be fetched is a reason; auto does not try again on that day, who asks for dawn does", async () => {
  await withCache(async (cacheFolder) => {
    let tries = 0;
    const options = {
      ...{ cacheFolder, variable: undefined },
      install: () => Promise.reject(new Error(`error: no way to the registry, try ${++tries}`)),
    };
    const brief = () => dawnFile({ ...options, fetching: "brief" });
    await assert.rejects(brief(), reason(/Dawn could not be fetched \(error: no way to the registry, try 1\)/));
    await assert.rejects(brief(), reason(/could not be fetched .* less than a day ago; --device dawn tries again/));
    await assert.rejects(dawnFile({ ...options, fetching: "asked" }), reason(/try 2/));
    const yesterday = Date.now() / 1000 - 25 * 3600;
    await Deno.utime(join(cacheFolder, `dawn-${DAWN_VERSION}.failed`), yesterday, yesterday);
    await assert.rejects(brief(), reason(/try 3/));
    assert.deepEqual([...Deno.readDirSync(cacheFolder)].map(({ name }) => name), [`dawn-${DAWN_VERSION}.failed`]);
  });
});

Deno.test("of two processes that fetch the library at once, both use what the first one put there", async () => {
  await withCache(async (cacheFolder) => {
    const install = async (folder: string) => {
      await putLibrary(join(cacheFolder, `dawn-${DAWN_VERSION}`)); // the other was faster
      await putLibrary(folder);
    };
    const file = await dawnFile({ fetching: "asked", cacheFolder, variable: undefined, install });
    assert.equal(await Deno.readTextFile(file), "native code");
    assert.equal([...Deno.readDirSync(cacheFolder)].length, 1);
  });
});

Deno.test("STARLING_DAWN names a library, or forbids one; a wrong one is refused with a reason", async () => {
  await withCache(async (cacheFolder) => {
    const asked = { fetching: "asked", cacheFolder } as const, file = join(cacheFolder, "my.node");
    await assert.rejects(dawnFile({ ...asked, variable: "off" }), reason(/Dawn is not wanted: STARLING_DAWN is off/));
    await assert.rejects(
      dawnFile({ ...asked, variable: file }),
      reason(/not where STARLING_DAWN says: there is no .*my/),
    );
    await Deno.writeTextFile(file, "no native code");
    assert.equal(await dawnFile({ ...asked, variable: file }), file);
    const program = new URL("../../tests/kernels/dawn_end.ts", import.meta.url).pathname;
    const { code, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", "--quiet", program, "closed"],
      env: { STARLING_DAWN: file, NO_COLOR: "1" },
      stderr: "piped",
    }).output();
    assert.equal(code, 1);
    assert.match(new TextDecoder().decode(stderr), /NoDawnError: Cannot open a Dawn device: Dawn does not load \(/);
  });
});

Deno.test("without the permission for native code there is no dawn device, and nobody is asked for it", async () => {
  await withCache(async (folder) => {
    const program = join(folder, "program.ts"), dawn = JSON.stringify(new URL("./dawn.ts", import.meta.url).href);
    await Deno.writeTextFile(
      program,
      `import { openDawnDevice } from ${dawn}; await openDawnDevice().catch(({ message }) => console.log(message));`,
    );
    const config = new URL("../../deno.json", import.meta.url).pathname;
    const { stdout } = await new Deno.Command(Deno.execPath(), {
      args: ["run", "--quiet", "--config", config, "--allow-read", "--allow-env", program],
      stdout: "piped",
    }).output();
    assert.match(
      new TextDecoder().decode(stdout),
      /^Cannot open a Dawn device: Dawn needs the permission --allow-ffi\./,
    );
  });
});

Deno.test("a trial of dawn that crashes, or that ends with an error, is a reason and harms nobody", async () => {
  await withCache(async (folder) => {
    const file = join(folder, "my.node"), crashing = join(folder, "crashing.ts");
    await Deno.writeTextFile(file, "no native code");
    await assert.rejects(tryDawn({ variable: file }), reason(/Cannot open a Dawn device: Dawn does not load \(/));
    await Deno.writeTextFile(
      crashing,
      `Deno.dlopen("libc.so.6", { abort: { parameters: [], result: "void" } }).symbols.abort();`,
    );
    if (Deno.build.os !== "linux") return;
    await assert.rejects(
      tryDawn({ variable: file, program: crashing }),
      reason(/Dawn crashed when it was tried \(SIGABRT\)/),
    );
  });
});
