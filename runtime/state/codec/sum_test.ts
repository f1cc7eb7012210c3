import { strict as assert } from "node:assert";
import { chance } from "../../../tests/chance.ts";
import { codecs } from "./codecs.ts";
import type { EncodedVector } from "./codec.ts";
import { Int8Vector } from "./int8_vector.ts";
import { adderOf } from "./sum.ts";

const SEED = 8, LENGTH = 3_001;

/** Int8 vectors with blocks of different sizes, and one in f32. */
function vectors(): EncodedVector[] {
  const random = chance(SEED).next;
  const f32 = codecs.f32.open(codecs.f32.encode(Float32Array.from({ length: LENGTH }, random)).bytes, LENGTH);
  assert.ok(f32.ok);
  const all = [64, 16, 4096, 64, 128, 64, 64, 64, 256].map((block): EncodedVector => {
    const codes = Int8Array.from({ length: LENGTH }, () => Math.floor(random() * 256) - 128);
    const exponents = Uint8Array.from({ length: Math.ceil(LENGTH / block) }, () => 100 + Math.floor(random() * 20));
    return new Int8Vector({ codes, exponents, block });
  });
  return all.toSpliced(5, 0, f32.vector);
}

Deno.test(`a sum of vectors has the bits of adding one after the other, in any pieces (seed ${SEED})`, () => {
  const all = vectors(), shares = all.map((_, i) => (i + 1) / 7), add = adderOf(all, shares);
  const wanted = Float64Array.from({ length: LENGTH }, (_, i) => i / 3), found = wanted.slice();
  all.forEach((vector, i) => vector.addTo(wanted, { start: 0, share: shares[i]! }));
  for (let start = 0, piece = 1; start < LENGTH; start += piece, piece += 37) {
    add(found.subarray(start, start + piece), start);
  }
  assert.equal(found.findIndex((value, i) => !Object.is(value, wanted[i])), -1);
});

Deno.test("int8 vectors know the exact norm of their codes, wherever these begin in memory", () => {
  const random = chance(SEED).next;
  for (const length of [1, 15, 16, 17, 63, 64, 65, 130, 4097]) {
    for (const offset of [0, 1, 2, 3]) {
      const memory = new ArrayBuffer(length + offset), codes = new Int8Array(memory, offset, length);
      codes.forEach((_, i) => codes[i] = i % 3 === 0 ? -128 : Math.floor(random() * 256) - 128);
      // A scale of 1: the norm is a whole number, so its order of addition does not matter.
      const exponents = new Uint8Array(Math.ceil(length / 16)).fill(127);
      const wanted = codes.reduce((sum, code) => sum + code * code, 0);
      assert.equal(new Int8Vector({ codes, exponents, block: 16 }).normSquared(), wanted, `${length} from ${offset}`);
    }
  }
});
