import { strict as assert } from "node:assert";
import { type Device, DeviceMemoryError, type Dispatch, KernelError, type Program } from "./device.ts";
import { measurePeak } from "./peak.ts";
import { openPlainDevice } from "./plain.ts";
import { workOf } from "./work.ts";

interface Made {
  readonly gflops: number;
  readonly gbps: number;
  /** Words of memory, and of the largest binding. */
  readonly room?: number;
  readonly binds?: number;
}

/** A device that computes nothing, and says it took as long as its speeds make it. */
function madeDevice({ gflops, gbps, room = Infinity, binds = Infinity }: Made) {
  const prepared = new Map<Program, readonly Dispatch[]>(), profiled: (readonly Dispatch[])[] = [];
  let words = 0;
  const device: Device = {
    ...openPlainDevice(),
    allocate(count, label) {
      if (words + count > room) throw new DeviceMemoryError(`no room for '${label}'`);
      words += count;
      return { words: count, label };
    },
    free: (buffer) => void (words -= buffer.words),
    write: () => {},
    prepare(dispatches, label) {
      const large = dispatches.flatMap(({ spans }) => Object.values(spans)).find(({ words }) => words > binds);
      if (large !== undefined) throw new KernelError(`'${large.buffer.label}' is too large to bind`);
      const program = { label, dispatchCount: dispatches.length };
      prepared.set(program, dispatches);
      return Promise.resolve(program);
    },
    run: () => {},
    profile(program) {
      const dispatches = prepared.get(program)!;
      profiled.push(dispatches);
      return Promise.resolve(dispatches.map((dispatch) => {
        const { flops, bytes } = workOf(dispatch);
        return (profiled.length % 3 + 1) * Math.max(flops / gflops, bytes / gbps) / 1e6; // the best of three is right
      }));
    },
  };
  return { device, profiled, usedWords: () => words };
}

const near = (found: number, wanted: number) =>
  assert.ok(Math.abs(found / wanted - 1) < 1e-9, `${found} not ${wanted}`);

for (
  const [what, gflops, gbps] of [["laptop's CPU", 30, 8], ["large GPU", 60_000, 3_000], [
    "slow driver",
    1,
    0.5,
  ]] as const
) {
  Deno.test(`measurePeak() finds the speeds of a ${what}, by runs that last long enough`, async () => {
    const { device, profiled, usedWords } = madeDevice({ gflops, gbps });
    const peak = await measurePeak(device);
    near(peak.gflops, gflops);
    near(peak.gbps, gbps);
    assert.equal(usedWords(), 0);
    const longestMs = Math.max(...profiled.map((dispatches) => {
      return dispatches.reduce((sum, dispatch) => {
        const { flops, bytes } = workOf(dispatch);
        return sum + Math.max(flops / gflops, bytes / gbps) / 1e6;
      }, 0);
    }));
    assert.ok(longestMs > 10 && longestMs < 1000, `the longest run took ${longestMs} ms`);
  });
}

Deno.test("measurePeak() copies less where there is little memory, or small bindings", async () => {
  const poor = madeDevice({ gflops: 100, gbps: 10, room: 10 << 20 });
  near((await measurePeak(poor.device)).gbps, 10);
  assert.equal(poor.usedWords(), 0);
  const narrow = madeDevice({ gflops: 100, gbps: 10, binds: 16 << 20 });
  near((await measurePeak(narrow.device)).gbps, 10);
  assert.equal(Math.max(...narrow.profiled.map(([first]) => first!.shape["COUNT"] ?? 0)), 16 << 20);
});

Deno.test("measurePeak() measures arithmetic with as much as there is memory for", async () => {
  const { device, profiled } = madeDevice({ gflops: 60_000, gbps: 3_000, room: 5 << 20 });
  near((await measurePeak(device)).gflops, 60_000);
  assert.deepEqual(Math.max(...profiled.map(([first]) => first!.shape["GROUPS"] ?? 0)), 1024);
});

Deno.test("measurePeak() says what the device says where there is no memory at all", async () => {
  const { device, usedWords } = madeDevice({ gflops: 1, gbps: 1, room: 1 << 20 });
  await assert.rejects(measurePeak(device), { name: "DeviceMemoryError", message: "no room for 'y'" });
  assert.equal(usedWords(), 0);
});
