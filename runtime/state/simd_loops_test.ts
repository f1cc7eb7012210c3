import { strict as assert } from "node:assert";
import { foldSumsModule, foldSumsSource } from "../../kernels/fold_sums.ts";
import { chance } from "../../tests/chance.ts";
import { wasmBytesOf } from "../device/wasm_module.ts";
import type { EncodedVector } from "./codec/codec.ts";
import { F32Vector } from "./codec/f32.ts";
import { Int8Vector } from "./codec/int8_vector.ts";
import { topk } from "./codec/topk.ts";
import { plainLoops } from "./fold_loops.ts";
import { simdLoops } from "./simd_loops.ts";

const SEED = 21;
const random = chance(SEED).next;
const loops = simdLoops();

/** Codes that begin `offset` bytes into their memory; every code and, up to 247, every exponent may occur. */
function int8Of(length: number, { block, offset = 0 }: { readonly block: number; readonly offset?: number }) {
  const codes = new Int8Array(new SharedArrayBuffer(length + offset), offset);
  codes.forEach((_, i) => codes[i] = Math.floor(random() * 256) - 128);
  const exponents = Uint8Array.from({ length: Math.ceil(length / block) }, () => Math.floor(random() * 248));
  return new Int8Vector({ codes, exponents, block });
}

function f32Of(length: number, scale = 1): EncodedVector {
  return new F32Vector(Float32Array.from({ length }, () => (random() - 0.5) * scale));
}

function sparseOf(length: number): EncodedVector {
  const codec = topk(128), opened = codec.open(codec.encode(Float32Array.from({ length }, random)).bytes, length);
  assert.ok(opened.ok);
  return opened.vector;
}

function assertSame(found: Float64Array, wanted: Float64Array, what: string): void {
  const at = wanted.findIndex((value, i) => !Object.is(value, found[i]));
  assert.equal(at, -1, `${what}: place ${at} is ${found[at]}, not ${wanted[at]}`);
}

Deno.test("the module is what its source compiles to", async () => {
  const wanted = await wasmBytesOf([foldSumsSource], { relaxed: false });
  const remedy = "it is another one: write it anew with deno run -A tests/golden/make_fold_sums.ts";
  assert.deepEqual([...foldSumsModule], [...wanted], remedy);
});

Deno.test("an engine that cannot read the module folds with plain loops", () => {
  assert.equal(simdLoops(new Uint8Array([1, 2, 3])), plainLoops);
});

Deno.test("this engine's WebAssembly gives the bits of plain loops, so it is used", () => {
  assert.notEqual(loops, plainLoops);
});

Deno.test(`fast sums of parts of every codec, block and order have the bits of plain ones (seed ${SEED})`, () => {
  const length = 9_037;
  const blocks = [16, 64, 4096, 64, 64, 128, 64, 256, 32, 64, 512],
    int8 = blocks.map((block, i) => int8Of(length, { block, offset: i % 9 }));
  const mixed = [f32Of(length), ...int8.slice(0, 2), sparseOf(length), f32Of(length, 1e30), f32Of(length, 1e-42)];
  for (const vectors of [[], int8.slice(0, 1), int8, mixed, [...mixed, ...int8, ...mixed]]) {
    const shares = vectors.map((_, i) => (i - 2) / 7), add = loops.adderOf(vectors, shares);
    const plain = plainLoops.adderOf(vectors, shares), [room] = loops.rooms(1, 4096);
    for (const start of [0, 16, 1024, 4096, 6144, 8192, 9024, 9036]) {
      for (const count of [1, 15, 100, 1024, 4096].map((most) => Math.min(most, length - start))) {
        const wanted = Float64Array.from({ length: count }, (_, i) => i % 5 === 0 ? -0 : i / 3);
        const found = room!.subarray(0, count), other = wanted.slice();
        found.set(wanted);
        add(found, start);
        plain(wanted, start);
        assertSame(found, wanted, `${vectors.length} parts, ${count} values from ${start}`);
        add(other, start);
        assertSame(other, wanted, "in memory of another kind");
      }
    }
  }
});

Deno.test(`fast norms have the bits of plain ones, for every length, block and place in memory (seed ${SEED})`, () => {
  for (const length of [1, 15, 16, 17, 63, 64, 65, 4095, 4096, 4097, 9_037]) {
    for (const [offset, block] of [16, 64, 4096, 32, 64, 128, 256, 64, 512].entries()) {
      const vector = int8Of(length, { block, offset });
      vector.codes[0] = -128;
      assert.equal(loops.normSquared(vector), vector.normSquared(), `${length} values, blocks of ${block}`);
    }
    const f32 = f32Of(length, 1e20), sparse = sparseOf(length);
    for (const vector of [f32, sparse]) assert.equal(loops.normSquared(vector), vector.normSquared());
  }
  for (const bad of [NaN, Infinity]) {
    assert.ok(!Number.isFinite(loops.normSquared(new F32Vector(new Float32Array([1, bad, 1])))));
  }
});

Deno.test(`fast inner products have the bits of plain ones, of any number of rows of any length (seed ${SEED})`, () => {
  for (const count of [1, 2, 3, 4, 5, 8, 9, 40]) {
    const rooms = loops.rooms(count, 1024), pairs = count * (count + 1) / 2;
    for (const length of [1, 3, 4, 5, 1021, 1024]) {
      const rows = rooms.map((room) => room.subarray(0, length)), found = new Float64Array(pairs);
      rows.forEach((row) => row.forEach((_, i) => row[i] = random() - 0.5));
      const wanted = new Float64Array(pairs), copies = rows.map((row) => row.slice());
      loops.products(rows, found);
      plainLoops.products(copies, wanted);
      assertSame(found, wanted, `${count} rows of ${length}`);
      loops.products(copies, found.fill(0));
      assertSame(found, wanted, "in memory of another kind");
    }
  }
});

Deno.test("rooms are zeros, also when they are given a second time", () => {
  loops.rooms(2, 100).forEach((room) => room.fill(7));
  assert.ok(loops.rooms(2, 100).every((room) => room.length === 100 && room.every((value) => value === 0)));
});

for (
  const [what, line, wrong] of [
    ["sums of codes", "f64x2.mul(factor, f64x2.convert_low", "f64x2.add(factor, f64x2.convert_low"],
    ["sums of f32", "f64x2.mul(share", "f64x2.add(share"],
    ["squares", "<f64> squares * scale * scale", "<f64> squares * scale"],
    ["inner products", "s0 + f64x2.extract_lane(first, 1) + (", "s0 + (f64x2.extract_lane(first, 1)) - ("],
  ] as const
) {
  Deno.test(`an engine that gets ${what} wrong is not believed`, async () => {
    assert.ok(foldSumsSource.text.includes(line));
    const text = foldSumsSource.text.replace(line, wrong);
    assert.equal(simdLoops(await wasmBytesOf([{ ...foldSumsSource, text }], { relaxed: false })), plainLoops);
  });
}
