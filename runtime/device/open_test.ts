import { strict as assert } from "node:assert";
import { chooseDevice, listDevices, type Measurement, openDevice } from "./open.ts";
import type { Device } from "./device.ts";
import { openPlainDevice } from "./plain.ts";
import { measureGflops } from "./probe.ts";

const cpu = { kind: "cpu", ok: true, description: "cpu (WebAssembly SIMD, 2 threads)", gflops: 60 } as const;
const gpu = { kind: "webgpu", ok: true, description: "NVIDIA RTX 3060", gflops: 5000 } as const;
const software = { kind: "webgpu", ok: true, description: "llvmpipe (LLVM 15), a software driver", gflops: 1 } as const;
const absent = { kind: "webgpu", ok: false, problem: "no adapter found" } as const;

const dawn = { kind: "dawn", ok: true, description: "nvidia, through Dawn 0.6.2", gflops: 6000 } as const;
const noDawn = { kind: "dawn", ok: false, problem: "Dawn crashed when it was tried (SIGSEGV)" } as const;

const scenes: readonly [string, readonly Measurement[], Measurement["kind"], RegExp][] = [
  ["a real GPU that is faster", [cpu, gpu], "webgpu", /webgpu reaches 5.00e\+3 GFLOP\/s; cpu reaches 60.0 GFLOP\/s/],
  ["the cpu where it beats a weak GPU", [cpu, { ...gpu, gflops: 20 }], "cpu", /webgpu reaches 20.0 GFLOP\/s/],
  ["the GPU of two equals", [cpu, { ...gpu, gflops: 60 }], "webgpu", /cpu reaches 60.0/],
  [
    "the cpu over a software driver",
    [cpu, software],
    "cpu",
    /webgpu is llvmpipe .*, a software driver \(1.00 GFLOP\/s\)/,
  ],
  ["the cpu over a software driver that measures faster", [cpu, { ...software, gflops: 99 }], "cpu", /software driver/],
  ["the cpu where there is no adapter", [cpu, absent], "cpu", /webgpu does not work here \(no adapter found\)/],
  ["dawn where it is faster", [cpu, gpu, dawn], "dawn", /^dawn reaches 6.00e\+3 .*; cpu .*; webgpu reaches 5.00e\+3/],
  [
    "webgpu where dawn is hardly faster",
    [cpu, gpu, { ...dawn, gflops: 5200 }],
    "webgpu",
    /dawn reaches 5.20e\+3 GFLOP\/s, which is less than 5 % more/,
  ],
  ["webgpu where dawn is slower", [cpu, gpu, { ...dawn, gflops: 4000 }], "webgpu", /dawn reaches 4.00e\+3 GFLOP\/s$/],
  ["webgpu where dawn crashes", [cpu, gpu, noDawn], "webgpu", /dawn does not work here \(Dawn crashed/],
  ["a software driver where nothing else works", [{ ...absent, kind: "cpu" }, software], "webgpu", /cpu does not work/],
];

for (const [what, measurements, kind, reason] of scenes) {
  Deno.test(`chooseDevice() takes ${what}, in any order, and says why`, () => {
    const choice = chooseDevice(measurements);
    assert.equal(choice.kind, kind);
    assert.match(choice.reason, reason);
    assert.deepEqual(chooseDevice(measurements.toReversed()), choice);
  });
}

Deno.test("chooseDevice() names every problem when no device works", () => {
  assert.throws(
    () => chooseDevice([{ kind: "cpu", ok: false, problem: "no shared memory" }, absent]),
    /Cannot choose a device: cpu does not work here \(no shared memory\); webgpu does not work here \(no adapter found\)/,
  );
});

Deno.test("openDevice('auto') returns the winner open, with all measurements, and closes the loser", async () => {
  const host = fakeHost({ cpu: 10, webgpu: 20 });
  const { device, reason, measurements } = await openDevice("auto", host.options);
  assert.equal(device.description, "webgpu");
  assert.match(reason, /webgpu reaches 20.0 GFLOP\/s; cpu reaches 10.0/);
  assert.equal(measurements.length, 3);
  assert.deepEqual([host.opened, host.closed], [["cpu", "webgpu"], ["cpu"]]);
});

Deno.test("openDevice('auto') goes on without a device that fails while it is measured, and closes it", async () => {
  const host = fakeHost({ cpu: 10 });
  const { device, reason } = await openDevice("auto", host.options);
  assert.equal(device.description, "cpu");
  assert.match(reason, /webgpu does not work here \(it broke\)/);
  assert.deepEqual(host.closed, ["webgpu"]);
});

Deno.test("openDevice('auto') opens dawn only if it has won, after a trial that it was not open for", async () => {
  const host = fakeHost({ cpu: 10, webgpu: 20, dawn: 30 });
  const { device, reason } = await openDevice("auto", host.options);
  assert.deepEqual([device.description, host.tried], ["dawn", 1]);
  assert.match(reason, /^dawn reaches 30.0 GFLOP\/s; cpu reaches 10.0 GFLOP\/s; webgpu reaches 20.0/);
  assert.deepEqual([host.opened, host.closed], [["cpu", "webgpu", "dawn"], ["cpu", "webgpu"]]);
});

Deno.test("openDevice('auto') takes the second if dawn has won and then does not open", async () => {
  const host = fakeHost({ cpu: 10, webgpu: 20, dawn: 30 });
  const providers = { ...host.options.providers, dawn: () => Promise.reject(new Error("no more")) };
  const { device, reason } = await openDevice("auto", { ...host.options, providers });
  assert.equal(device.description, "webgpu");
  assert.match(reason, /dawn does not work here \(no more\)/);
  assert.deepEqual(host.closed, ["cpu"]);
});

Deno.test("openDevice('auto') does not try dawn where there is no GPU, or only a software driver", async () => {
  for (const webgpu of ["no GPU", "llvmpipe, a software driver"]) {
    const host = fakeHost({ cpu: 10, "llvmpipe, a software driver": 99 }, { webgpu });
    const { device, reason, measurements } = await openDevice("auto", host.options);
    assert.deepEqual([device.description, host.tried], ["cpu", 0]);
    assert.doesNotMatch(reason, /dawn/);
    assert.match(String(!measurements[2]!.ok && measurements[2]!.problem), /^not tried, since (no GPU|there is only)/);
  }
});

Deno.test("openDevice() opens what was asked for without measuring", async () => {
  const host = fakeHost({});
  const { device, reason, measurements } = await openDevice("webgpu", host.options);
  assert.deepEqual([device.description, reason, measurements, host.closed], ["webgpu", "it was asked for", [], []]);
});

Deno.test("listDevices() measures all, closes all and tells what auto would take", async () => {
  const host = fakeHost({ cpu: 30, webgpu: 20, dawn: 25 });
  const { measurements, choice, f16Problems, faults } = await listDevices(host.options);
  assert.deepEqual(measurements.map((one) => one.ok && one.gflops), [30, 20, 25]);
  assert.equal(choice.kind, "cpu");
  assert.deepEqual([...faults], [["cpu", []], ["webgpu", []], ["dawn", ["of it"]]]);
  assert.deepEqual([...f16Problems], [["cpu", null], ["webgpu", null], ["dawn", "of the trial"]]); // two are references
  assert.deepEqual(host.closed.toSorted(), ["cpu", "webgpu"]);
});

Deno.test("measureGflops() doubles the work until a measurement is long enough, and leaves nothing allocated", async () => {
  const plain = openPlainDevice();
  // A run takes 30 ms on this clock, so four are the first to take 100 ms.
  let runs = 0;
  const device: Device = { ...plain, run: () => void runs++ };
  const gflops = await measureGflops(device, { now: () => runs * 30 });
  assert.equal(runs, 1 + 1 + 2 + 4);
  assert.equal(gflops.toFixed(6), (3 * 2 * 256 * 256 * 512 / 30e6).toFixed(6));
  assert.equal(device.memory().bytes, 0);
});

/** Devices that are only names, with speeds; one without a speed fails when it is measured. */
function fakeHost(speeds: Readonly<Record<string, number>>, names: Readonly<Record<string, string>> = {}) {
  const opened: string[] = [], closed: string[] = [];
  const open = (kind: string) => (): Promise<Device> => {
    const description = names[kind] ?? kind;
    opened.push(description);
    return Promise.resolve({
      ...openPlainDevice(),
      description,
      [Symbol.asyncDispose]: () => Promise.resolve(void closed.push(description)),
    });
  };
  const speedOf = (description: string) =>
    speeds[description] === undefined ? Promise.reject(new Error("it broke")) : Promise.resolve(speeds[description]);
  const host = {
    opened,
    closed,
    tried: 0,
    options: {
      providers: { cpu: open("cpu"), webgpu: open("webgpu"), dawn: open("dawn") },
      measure: ({ description }: Device) => speedOf(description),
      tryDawn: async () => {
        host.tried++;
        return { description: "dawn", gflops: await speedOf("dawn"), f16Problem: "of the trial", faults: ["of it"] };
      },
    },
  };
  return host;
}
