import { strict as assert } from "node:assert";
import { attention, type AttentionShape } from "../../kernels/attention.ts";
import { attentionBackwardKeyValue } from "../../kernels/attention_backward_key_value.ts";
import { attentionBackwardQuery } from "../../kernels/attention_backward_query.ts";
import { noise } from "../../tests/kernels/check.ts";
import { openCpuDevice } from "./cpu.ts";
import { jointOf } from "./cpu_joint.ts";
import { asWords, type Device, type Dispatch, whole } from "./device.ts";

// One strip, blocks of 64 keys and what is left of them, shared heads, and sizes that are no multiple of a vector.
for (
  const shape of [
    { B: 2, T: 1, H: 1, G: 1, D: 1 },
    { B: 2, T: 37, H: 4, G: 2, D: 8 },
    { B: 2, T: 131, H: 6, G: 2, D: 20 },
    { B: 1, T: 70, H: 3, G: 3, D: 13 },
    { B: 4, T: 64, H: 1, G: 1, D: 32 },
  ]
) {
  Deno.test(`attention's backward in one has the bits of one after the other for ${JSON.stringify(shape)}`, async () => {
    for (const threads of [1, 2]) {
      await using device = await openCpuDevice({ threads, sharedWork: 0 });
      const wanted = await gradients(device, shape, (dispatches) => dispatches.map((one) => [one]));
      const found = await gradients(device, shape, (dispatches) => {
        assert.ok(jointOf(dispatches[0]!, dispatches[1], threads) !== undefined, "it is done in one");
        return [dispatches];
      });
      for (const [i, name] of ["dot", "dqkv"].entries()) {
        const differing = wanted[i]!.findIndex((word, at) => found[i]![at] !== word);
        assert.equal(differing, -1, `a word of ${name} on ${threads} threads`); // all of them as text take a minute
        assert.ok(!found[i]!.includes(UNWRITTEN), `${name} is written`);
      }
    }
  });
}

Deno.test("only a kernel that follows on the same buffers is done together with the one before it", async () => {
  await using device = await openCpuDevice({ threads: 1 });
  const shape = { B: 2, T: 8, H: 2, G: 2, D: 4 }, [first, second] = dispatchesOf(device, shape).dispatches;
  const { dy: _, ...spans } = second!.spans, elsewhere = whole(device.allocate(2 * 8 * 2 * 4, "elsewhere"));
  assert.ok(jointOf(first!, second, 1) !== undefined);
  assert.equal(jointOf(first!, { ...second!, spans: { ...spans, dy: elsewhere } }, 1), undefined);
  assert.equal(jointOf(first!, { ...second!, shape: { ...shape, B: 1 } }, 1), undefined);
  assert.equal(jointOf(first!, undefined, 1), undefined);
  assert.equal(jointOf(second!, first, 1), undefined);
  const { wasm: __, ...byReference } = first!.kernel;
  assert.equal(jointOf({ ...first!, kernel: byReference }, second, 1), undefined);
});

Deno.test("few heads on many threads are left to the two kernels, which have more items", async () => {
  await using device = await openCpuDevice({ threads: 1 });
  const [first, second] = dispatchesOf(device, { B: 1, T: 8, H: 12, G: 12, D: 4 }).dispatches;
  const isJoint = [1, 2, 4, 6, 8, 9, 12, 16, 17, 64].map((threads) => jointOf(first!, second, threads) !== undefined);
  assert.deepEqual(isJoint, [true, true, true, true, true, false, true, true, true, false]);
});

Deno.test("a profile tells what each of two took that were done in one, by their operations", async () => {
  await using device = await openCpuDevice({ threads: 1 });
  const shape = { B: 2, T: 128, H: 2, G: 2, D: 32 }, { dispatches } = dispatchesOf(device, shape);
  const [query, keyValue] = await device.profile(await device.prepare(dispatches, "backward"));
  const wanted = attentionBackwardQuery.flops!(shape) / attentionBackwardKeyValue.flops!(shape);
  assert.ok(query! > 0 && Math.abs(query! / keyValue! / wanted - 1) < 1e-6, `${query} and ${keyValue} ms`);
});

/** A NaN that nothing computes. */
const UNWRITTEN = 0x7fc0_dead;

/** The bits of `dot` and `dqkv` after programs of the two dispatches. */
async function gradients(
  device: Device,
  shape: AttentionShape,
  split: (dispatches: readonly Dispatch[]) => readonly (readonly Dispatch[])[],
): Promise<readonly Uint32Array[]> {
  const { dispatches, written } = dispatchesOf(device, shape);
  for (const program of split(dispatches)) device.run(await device.prepare(program, "backward"));
  return (await device.read(written)).map(asWords);
}

function dispatchesOf(device: Device, shape: AttentionShape) {
  const { bindings } = attentionBackwardQuery, qkv = noise(bindings["qkv"]!.length(shape), 1, 2);
  const y = new Float64Array(bindings["y"]!.length(shape)), lse = new Float64Array(bindings["lse"]!.length(shape));
  attention.reference({ qkv: Float64Array.from(qkv), y, lse } as never, shape);
  const filled = { qkv, y, lse, dy: noise(y.length, 2) };
  const place = (name: string, length: number) => {
    const span = whole(device.allocate(length, name)), values = filled[name as keyof typeof filled];
    device.write(span, values === undefined ? new Uint32Array(length).fill(UNWRITTEN) : Float32Array.from(values));
    return span;
  };
  const spans = Object.fromEntries(
    Object.entries(bindings).map(([name, { length }]) => [name, place(name, length(shape))]),
  );
  const { y: _, ...shared } = spans;
  const dispatches: readonly Dispatch[] = [
    { kernel: attentionBackwardQuery, shape, spans },
    { kernel: attentionBackwardKeyValue, shape, spans: shared },
  ];
  return { dispatches, written: [spans["dot"]!, spans["dqkv"]!] };
}
