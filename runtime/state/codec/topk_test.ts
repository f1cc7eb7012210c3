import { strict as assert } from "node:assert";
import { chance } from "../../../tests/chance.ts";
import { testCodec } from "../../../tests/conformance/codec.ts";
import { normal, sumOfSquares } from "../../../tests/normal.ts";
import { HEADER_BYTES } from "./header.ts";
import { DENSITIES, type Density, topk, TOPK_DECAY } from "./topk.ts";
import { chunkBytes, type CodedValue, forEachValue, whyNoChunk, writeChunk } from "./topk_chunk.ts";

for (const kept of DENSITIES) testCodec(topk(kept), { variant: ` at ${kept}`, units: 1 });

const CHUNK = 4096;

function decode(bytes: Uint8Array, length: number): Float64Array {
  const opened = topk(64).open(bytes, length), values = new Float64Array(length);
  assert.ok(opened.ok, opened.ok ? "" : opened.reason);
  opened.vector.addTo(values, { start: 0, share: 1 });
  return values;
}

Deno.test("topk encodes 1,000,000 values in 245 chunks of 112, 224, 448 or 640 bytes and a header of 20", () => {
  const sizes = DENSITIES.map((kept) => topk(kept).sizeBytes(1_000_000) - HEADER_BYTES - 8);
  assert.deepEqual(sizes, [27_440, 54_880, 109_760, 156_800]);
  assert.equal(topk(64).encode(normal(10_000)).bytes.length, 20 + 3 * 112);
});

for (const kept of [4, 64, 128, 256, 512]) {
  Deno.test(`a chunk of ${kept} slots gives back every place and code, with any number of values`, () => {
    const random = chance(kept);
    const some = [[], [0], [4095], [0, 4095], [1], [0, 1], [7, 8], [4094, 4095]].map((places) => places.slice(0, kept));
    for (const count of [kept, kept - 1, kept >> 1]) {
      const places = new Set([0, 4095].slice(0, count));
      while (places.size < count) places.add(random.whole(0, 4095));
      some.push([...places].sort((a, b) => a - b));
    }
    for (const places of some) {
      const wanted = places.map((place): CodedValue => ({ place, code: random.whole(0, 3) }));
      const bytes = new Uint8Array(chunkBytes(kept)), found: CodedValue[] = [];
      writeChunk(bytes, wanted, kept);
      forEachValue(bytes, kept, (place, code) => found.push({ place, code }));
      assert.deepEqual(found, wanted);
      assert.equal(whyNoChunk(bytes, { kept, end: CHUNK }), null);
    }
  });
}

Deno.test("a chunk whose places do not ascend, lie beyond the end or are too many is refused with the reason", () => {
  const bytes = new Uint8Array(chunkBytes(4));
  writeChunk(bytes, [5, 9, 200, 300].map((place) => ({ place, code: 0 })), 4);
  assert.match(whyNoChunk(bytes, { kept: 4, end: 300 })!, /place 300, beyond the last value/);
  bytes[3] = 1; // the third place
  assert.match(whyNoChunk(bytes, { kept: 4, end: CHUNK })!, /place 1 after 9/);
  const bitmap = new Uint8Array(chunkBytes(512)).fill(255);
  assert.match(whyNoChunk(bitmap, { kept: 512, end: CHUNK })!, /4096 values and 512 slots/);
});

Deno.test("topk at 64 holds 11.9 % of the energy of normally distributed values", () => {
  const values = normal(50 * CHUNK), { bytes } = topk(64).encode(values), decoded = decode(bytes, values.length);
  const held = values.filter((_, i) => decoded[i] !== 0);
  assert.equal(held.length, 50 * 64);
  const share = sumOfSquares(held) / sumOfSquares(values);
  assert.ok(Math.abs(share - 0.119) < 0.005, `${share}`);
});

Deno.test("two levels leave a relative error below 0.11 in what topk at 64 keeps, where an even codebook leaves 0.27", () => {
  const values = normal(50 * CHUNK), { bytes } = topk(64).encode(values), decoded = decode(bytes, values.length);
  let error = 0, evenError = 0, energy = 0;
  const largest = values.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  decoded.forEach((level, i) => {
    if (level === 0) return;
    const size = Math.abs(values[i]!), even = size > largest / 2 ? 0.75 * largest : 0.25 * largest;
    error += (values[i]! - level) ** 2;
    evenError += (size - even) ** 2;
    energy += size ** 2;
  });
  assert.ok(Math.sqrt(error / energy) < 0.085, `${Math.sqrt(error / energy)}`); // the least that two levels can: 0.078
  assert.ok(Math.sqrt(evenError / energy) > 0.25, `${Math.sqrt(evenError / energy)}`);
});

for (const [kept, passes] of [[64, 0.3], [128, 0.5], [256, 0.7]] as const) {
  Deno.test(`error feedback passes ${passes} of a constant signal at ${kept} of 4,096`, () => {
    const rounds = 4 * CHUNK / kept, codec = topk(kept), signal = new Float32Array(CHUNK).fill(1);
    let residual = new Float32Array(CHUNK), sent = 0;
    for (let round = 0; round < rounds; round++) {
      const encoded = codec.encode(signal.map((value, i) => value + TOPK_DECAY * residual[i]!));
      residual = encoded.residual;
      // The first times around the queue of places is filling.
      if (round >= rounds / 2) sent += decode(encoded.bytes, CHUNK).reduce((sum, value) => sum + value, 0);
    }
    const share = sent / (rounds / 2 * CHUNK), wait = CHUNK / kept;
    const wanted = (1 - TOPK_DECAY ** wait) / ((1 - TOPK_DECAY) * wait);
    assert.ok(Math.abs(share - wanted) < 0.01 && Math.abs(share - passes) < 0.02, `${share}, by the sum ${wanted}`);
  });
}

Deno.test("error feedback without decay keeps every bit of mass over fifty rounds in which a third is lost (seed 9)", () => {
  const random = chance(9), length = 5000, codec = topk(64);
  const sent = new Float64Array(length), given = new Float64Array(length);
  let residual = new Float32Array(length);
  for (let round = 0; round < 50; round++) {
    const delta = normal(length, 100 + round), values = delta.map((value, i) => value + residual[i]!);
    delta.forEach((value, i) => given[i]! += value);
    const encoded = codec.encode(values);
    const isLost = random.happens(1 / 3);
    residual = isLost ? values : encoded.residual;
    if (!isLost) decode(encoded.bytes, length).forEach((value, i) => sent[i]! += value);
  }
  const off = given.map((value, i) => sent[i]! + residual[i]! - value);
  const relative = Math.sqrt(sumOfSquares(off) / sumOfSquares(given));
  assert.ok(relative < 1e-5 && relative > 0, `${relative}`);
});

Deno.test("nothing that topk sends is farther from its value than nothing at all, whatever scales are mixed", () => {
  const values = normal(4 * CHUNK).map((value, i) => value * 1000 ** -(i >> 12));
  for (const kept of DENSITIES) {
    const { residual } = topk(kept).encode(values);
    residual.forEach((rest, i) => assert.ok(Math.abs(rest) <= Math.abs(values[i]!), `${kept}, value ${i}`));
  }
});

Deno.test("topk sends nothing of zeros, a lone value exactly, and an array's end in a short chunk", () => {
  for (const kept of DENSITIES) {
    const zeros = new Float32Array(5000);
    assert.ok(decode(topk(kept).encode(zeros).bytes, 5000).every((value) => value === 0));
    for (const place of [0, 1, 4095, 4096, 4999]) {
      const values = zeros.slice().fill(-0.3, place, place + 1);
      assert.deepEqual(decode(topk(kept).encode(values).bytes, 5000), Float64Array.from(values), `${kept}, ${place}`);
    }
  }
});

Deno.test("topk refuses an unknown density and levels that are not finite", () => {
  const { bytes } = topk(64).encode(normal(100));
  const refused = (at: number, byte: number) => {
    const wrong = bytes.slice();
    wrong[at] = byte;
    const opened = topk(64).open(wrong, 100);
    return opened.ok ? "" : opened.reason;
  };
  assert.match(refused(6, 65), /keeps 65 of 4096 values, wanted one of 64, 128, 256, 512/);
  assert.match(refused(15, 0xff), /levels/);
  assert.match(refused(19, 0xff), /levels/);
});

Deno.test("topk's bytes for given values are pinned: they are the same on every machine", async () => {
  const digests = await Promise.all(DENSITIES.map(async (kept: Density) => {
    const { bytes } = topk(kept).encode(
      Float32Array.from({ length: 9000 }, (_, i) => Math.fround((i * 7919 % 9001) / 3 - 1500)),
    );
    const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
    return [...hash.subarray(0, 4)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  }));
  assert.deepEqual(digests, ["bd8b521a", "ec5e3773", "a5e309f9", "33478934"]);
});
