import { strict as assert } from "node:assert";
import { blobDigest } from "../../p2p/store/chunks.ts";
import { chance } from "../../tests/chance.ts";
import { average, type WeightedState } from "./average.ts";

const WORDS = 4096;

function side(seed: number, share: number): WeightedState {
  const draw = chance(seed);
  const values = () => Float32Array.from({ length: WORDS }, () => draw.between(-2, 2));
  return { parameters: values(), momentum: values(), share };
}

function averaged(a: WeightedState, b: WeightedState) {
  const out = { parameters: new Float32Array(WORDS), momentum: new Float32Array(WORDS) };
  average(a, b, out);
  return out;
}

Deno.test("average() weighs both sides by their shares, weights and momentum alike", () => {
  const a = side(1, 3_000), b = side(2, 1_000), { parameters, momentum } = averaged(a, b);
  for (let i = 0; i < WORDS; i++) {
    assert.equal(parameters[i], Math.fround(a.parameters[i]! + 0.25 * (b.parameters[i]! - a.parameters[i]!)));
    assert.equal(momentum[i], Math.fround(a.momentum![i]! + 0.25 * (b.momentum![i]! - a.momentum![i]!)));
  }
});

Deno.test("average() leaves equal values as they are, and takes one side whole if the other brings nothing", () => {
  const a = side(3, 7), b = { ...side(4, 0) };
  assert.deepEqual(averaged(a, { ...a, share: 0.1 }).parameters, a.parameters);
  assert.deepEqual(averaged(a, b).parameters, a.parameters);
  assert.deepEqual(averaged(a, b).momentum, a.momentum);
});

Deno.test("average() without momentum leaves it out, and refuses shares that add up to nothing", () => {
  const a = { ...side(5, 1), momentum: null }, b = { ...side(6, 1), momentum: null };
  const out = { parameters: new Float32Array(WORDS), momentum: null };
  average(a, b, out);
  assert.ok(out.parameters.some((value) => value !== 0));
  assert.throws(() => average({ ...a, share: 0 }, { ...b, share: 0 }, out), /Cannot average/);
});

// The digest is of these very bits: another one means that peers of different versions would part (law 3).
Deno.test("average() gives the pinned bits", async () => {
  const { parameters, momentum } = averaged(side(7, 12_345), side(8, 6_789));
  const bytes = new Uint8Array(8 * WORDS);
  bytes.set(new Uint8Array(parameters.buffer));
  bytes.set(new Uint8Array(momentum.buffer), 4 * WORDS);
  assert.equal(await blobDigest(bytes), "e7f2efbc1eca78acebaddc2f2356cb66620c21a784ded711d5bd555adbf6ab92");
});
