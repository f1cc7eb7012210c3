/**
 * What is particular to the cpu device: threads, modules and references beside each other. What all devices do is in
 * `tests/conformance/device.ts`, what the kernels compute in `cpu_kernels_test.ts`.
 * @module
 */
import { strict as assert } from "node:assert";
import { fileURLToPath } from "node:url";
import { add } from "../../kernels/add.ts";
import { copy } from "../../kernels/copy.ts";
import { fill } from "../../kernels/fill.ts";
import type { Kernel } from "../../kernels/kernel.ts";
import { openCpuDevice } from "./cpu.ts";
import { type Device, DeviceMemoryError, type Dispatch, KernelError, whole } from "./device.ts";
import { compileWasm } from "./wasm_module.ts";

const COUNT = 5_000;
const { wasm: _, ...addByReference } = add;

for (const threads of [1, 2, 4]) {
  Deno.test(`a program of shared, small and reference steps sees each other's results on ${threads} threads`, async () => {
    await using device = await openCpuDevice({ threads, sharedWork: COUNT });
    const { program, total } = await doubling(device, 60);
    for (let run = 0; run < 20; run++) device.run(program);
    const [values] = await device.read([whole(total)]);
    // Each run makes x = 1 and doubles it 60 times; every run adds 2⁶⁰ to the total.
    assert.ok(values!.every((value) => value === 20 * 2 ** 60), `${values!.find((value) => value !== 20 * 2 ** 60)}`);
  });
}

Deno.test("kernels that are new in a later program are linked while the threads are up, and old programs still run", async () => {
  await using device = await openCpuDevice({ threads: 3, sharedWork: 0 });
  const first = await doubling(device, 2);
  device.run(first.program);
  const bytes = new Uint32Array(8).fill(7), buffer = device.allocate(8, "y"), value = device.allocate(1, "value");
  device.write(whole(value), bytes.subarray(0, 1));
  const renamed = { ...fill, name: "fill_again" };
  const spans = { value: whole(value), y: whole(buffer) };
  const second = await device.prepare([{ kernel: renamed, shape: { COUNT: 8 }, spans }], "second");
  device.run(second);
  device.run(first.program);
  const [filled, doubled] = await device.read([whole(buffer), whole(first.total)]);
  assert.deepEqual(new Uint32Array(filled!.buffer), bytes);
  assert.ok(doubled!.every((sum) => sum === 8));
});

Deno.test("programs prepared at the same time are linked one after the other", async () => {
  await using device = await openCpuDevice({ threads: 2, sharedWork: 0 });
  const all = await Promise.all([doubling(device, 1), doubling(device, 2), doubling(device, 3)]);
  for (const { program } of all) device.run(program);
  const totals = await device.read(all.map(({ total }) => ({ buffer: total, start: 0, words: 1 })));
  assert.deepEqual(totals.map(([value]) => value), [2, 4, 8]);
});

Deno.test("a kernel that traps in some thread fails its run, and the device works on", async () => {
  await using device = await openCpuDevice({ threads: 3, sharedWork: 0 });
  const source = "export function trap(y: usize, scratch: usize, start: i32, stop: i32): void { unreachable(); }";
  const kernel = wasmOnly("trap", source), y = whole(device.allocate(8, "y"));
  const program = await device.prepare([{ kernel, shape: {}, spans: { y } }], "trap");
  const { error } = console;
  console.error = () => {}; // the workers log too, which is not what is tested
  try {
    assert.throws(() => device.run(program), /Cannot finish a program on the cpu device: a kernel failed/);
  } finally {
    console.error = error;
  }
  const { program: good, total } = await doubling(device, 1);
  device.run(good);
  assert.equal((await device.read([whole(total)]))[0]![0], 2);
});

Deno.test("a WebAssembly form that does not compile is refused with its kernel, file, line and the compiler's message", async () => {
  await using device = await openCpuDevice({ threads: 2 });
  const kernel = wasmOnly("broken", "export function broken(y: usize): void {\n  nowhere();\n}");
  const y = whole(device.allocate(8, "y"));
  await assert.rejects(device.prepare([{ kernel, shape: {}, spans: { y } }], "broken"), (error: Error) => {
    assert.ok(error instanceof KernelError);
    assert.match(
      error.message,
      /Cannot compile the WebAssembly forms of broken: .*Cannot find name 'nowhere'.*broken\.ts\(2,3\)/s,
    );
    return true;
  });
  await doubling(device, 1);
});

Deno.test("compileWasm() compiles the same sources once, in whatever order they come", async () => {
  const source = (name: string) => ({ name, text: `export function ${name}(): i32 { return 42; }` });
  const [one, two] = [source("one"), source("two")];
  assert.equal(await compileWasm([one, two]), await compileWasm([two, one]));
  assert.notEqual(await compileWasm([one]), await compileWasm([two]));
});

Deno.test("a closed device leaves no thread behind: a process that did nothing else ends by itself", async () => {
  const config = new URL("../../deno.json", import.meta.url), module = new URL("./cpu.ts", import.meta.url);
  const script = `
    import { openCpuDevice } from "${module}";
    const device = await openCpuDevice({ threads: 3 });
    await device.prepare([], "nothing");
    await device[Symbol.asyncDispose]();
    console.log("closed");`;
  const child = new Deno.Command(Deno.execPath(), {
    args: ["eval", "--config", fileURLToPath(config), "--ext=ts", script],
    stdout: "piped",
    signal: AbortSignal.timeout(30_000), // only a process that hangs gets to see it
  });
  const { success, stdout } = await child.output();
  assert.equal(new TextDecoder().decode(stdout), "closed\n");
  assert.ok(success);
});

Deno.test("what was freed or closed is refused instead of waited for", async () => {
  const device = await openCpuDevice({ threads: 2, sharedWork: 0 });
  const { program, total } = await doubling(device, 1), { program: other } = await doubling(device, 1);
  device.free(total);
  assert.throws(() => device.run(program), /Cannot use buffer 'total': it was freed/);
  await device[Symbol.asyncDispose]();
  const refusal = { name: "DeviceLostError", message: /on cpu \(WebAssembly SIMD, 2 threads\b.*\): it was closed/ };
  assert.throws(() => device.run(other), refusal);
  assert.throws(() => device.allocate(1, "late"), refusal);
  await assert.rejects(device.prepare([], "late"), refusal);
  await assert.rejects(device.read([]), refusal);
});

Deno.test("memory beyond a limit is refused by name with a remedy", async () => {
  await using device = await openCpuDevice({ threads: 1, limitBytes: 2 ** 20 });
  assert.throws(
    () => device.allocate(2 ** 20, "logits"),
    (error: Error) => error instanceof DeviceMemoryError && /'logits'.*use a smaller micro-batch/.test(error.message),
  );
});

Deno.test("openCpuDevice() refuses a count of threads that is not one", async () => {
  for (const threads of [0, -1, 1.5, 65, NaN]) {
    await assert.rejects(openCpuDevice({ threads }), /give a whole number from 1 to 64/);
  }
});

/**
 * total += 2ⁿ by n additions, each in three parts: shared, too small to share, and by reference. The shared part reads
 * from the beginning, what the two others have just written.
 */
async function doubling(device: Device, additions: number) {
  const one = device.allocate(1, "one"), x = [device.allocate(COUNT, "x0"), device.allocate(COUNT, "x1")];
  const total = device.allocate(COUNT, "total");
  device.write(whole(one), Float32Array.of(1));
  const dispatches: Dispatch[] = [{ kernel: fill, shape: { COUNT }, spans: { value: whole(one), y: whole(x[0]!) } }];
  for (let i = 0; i < additions; i++) {
    const from = x[i % 2]!, to = x[(i + 1) % 2]!;
    const part = (kernel: Kernel, { reads, writes, words }: Record<"reads" | "writes" | "words", number>): Dispatch => {
      const source = { buffer: from, start: reads, words }, target = { buffer: to, start: writes, words };
      return { kernel, shape: { COUNT: words }, spans: { a: source, b: source, y: target } };
    };
    dispatches.push(
      part(add, { reads: 0, writes: 128, words: COUNT - 128 }),
      part(add, { reads: 64, writes: 64, words: 64 }),
      part(addByReference, { reads: 0, writes: 0, words: 64 }),
    );
  }
  const last = x[additions % 2]!;
  dispatches.push({ kernel: copy, shape: { COUNT, ACCUMULATE: 1 }, spans: { x: whole(last), y: whole(total) } });
  return { program: await device.prepare(dispatches, "doubling"), total };
}

function wasmOnly(name: string, source: string): Kernel {
  return {
    name,
    source: "",
    bindings: { y: { access: "write", type: "f32", length: () => 8 } },
    grid: () => [1, 1, 1],
    reference: () => {},
    wasm: { source, entry: name, args: () => [], items: () => 8 },
  };
}

Deno.test("a profile gives no dispatch the time of the one before it, though another thread may begin on it first", async () => {
  await using device = await openCpuDevice({ threads: 2, sharedWork: 0 });
  const COUNT = 1 << 18, x = whole(device.allocate(COUNT, "x")), y = whole(device.allocate(COUNT, "y"));
  const dispatch = { kernel: copy, shape: { COUNT, ACCUMULATE: 1 }, spans: { x, y } };
  const program = await device.prepare(Array.from({ length: 200 }, () => dispatch), "alike");
  await device.profile(program);
  const times = await device.profile(program), shortest = Math.min(...times);
  const gbps = 3 * 4 * COUNT / shortest / 1e6;
  assert.ok(gbps < 200, `one of them moved ${gbps.toFixed(0)} GB/s, in ${shortest} ms`);
});
