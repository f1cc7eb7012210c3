import { strict as assert } from "node:assert";
import { testCodec } from "../../../tests/conformance/codec.ts";
import { normal, sumOfSquares } from "../../../tests/normal.ts";
import type { CodecName } from "./codec.ts";
import { anyCodec, codecs, codecsOf } from "./codecs.ts";
import { HEADER_BYTES } from "./header.ts";
import { int8, INT8_BLOCK, packInt8 } from "./int8.ts";

testCodec(codecs.f32);
testCodec(codecs.int8);

Deno.test("anyCodec reads what any codec wrote, and names the rest", () => {
  const values = Float32Array.from({ length: 100 }, (_, i) => i);
  for (const codec of Object.values(codecs)) {
    const { bytes } = codec.encode(values), one = codec.open(bytes, 100), any = anyCodec.open(bytes, 100);
    assert.ok(one.ok && any.ok);
    assert.equal(any.vector.normSquared(), one.vector.normSquared(), codec.name);
  }
  const unknown = codecs.f32.encode(values).bytes;
  unknown[4] = 77;
  for (const wrong of [unknown, new Uint8Array(3)]) {
    const opened = anyCodec.open(wrong, 100);
    assert.ok(!opened.ok && /codec 77|has 3 bytes/.test(opened.reason));
  }
});

Deno.test("the table of codecs has each under its own name", () => {
  for (const name of Object.keys(codecs) as CodecName[]) assert.equal(codecs[name].name, name);
});

Deno.test("int8 encodes 1,000,000 values in 12 + 15,625 + 1,000,000 bytes", () => {
  assert.equal(int8.sizeBytes(1_000_000), 1_015_637);
});

Deno.test("int8 scales by the least power of two that reaches the largest value of a block, and rounds ties to even", () => {
  const values = new Float32Array(INT8_BLOCK);
  values.set([127, -127, 0.5, 1.5, 2.5, -0.5, -1.5]);
  const { bytes, residual } = int8.encode(values);
  assert.equal(bytes[HEADER_BYTES], 127, "scale 2^0");
  assert.deepEqual([...new Int8Array(bytes.buffer, HEADER_BYTES + 1, 7)], [127, -127, 0, 2, 2, 0, -2]);
  assert.deepEqual([...residual.subarray(0, 7)], [0, 0, 0.5, -0.5, 0.5, -0.5, 0.5]);

  values[0] = 127.00001;
  assert.equal(int8.encode(values).bytes[HEADER_BYTES], 128, "scale 2^1");
});

Deno.test("int8 leaves less than half a step of any value out", () => {
  const values = Float32Array.from({ length: 640 }, (_, i) => Math.sin(i) * 10 ** (i % 9 - 6));
  const { residual } = int8.encode(values);
  for (let b = 0; b < values.length; b += INT8_BLOCK) {
    const largest = Math.max(...values.subarray(b, b + INT8_BLOCK).map(Math.abs));
    for (const rest of residual.subarray(b, b + INT8_BLOCK)) assert.ok(Math.abs(rest) <= largest / 127);
  }
});

Deno.test("int8 refuses scales with which a code could overflow", () => {
  const { bytes } = int8.encode(new Float32Array(100).fill(1));
  bytes[HEADER_BYTES + 1] = 248;
  assert.deepEqual(int8.open(bytes, 100), { ok: false, reason: "is not finite: block 1 has the exponent 248" });
});

Deno.test("int8 leaves less of normally distributed values out than a codebook over six deviations would", () => {
  const values = normal(100_000), { residual } = int8.encode(values);
  const lost = Math.sqrt(sumOfSquares(residual) / sumOfSquares(values));
  // A codebook of 256 over ±6σ leaves 0.0135, over ±3σ 0.022 or 0.016: one scale for 64 values is finer than one for all.
  assert.ok(lost > 0.006 && lost < 0.01, `relative error ${lost}`);
});

Deno.test("packInt8 takes the lowest byte of a word first and drops what lies after the values", () => {
  const bytes = packInt8({
    codes: new Uint32Array([0x04_fd_02_01, 0xffff_ff05]),
    exponents: new Uint32Array([127, 99]),
    length: 5,
    block: 64,
  });
  const opened = int8.open(bytes, 5), values = new Float64Array(5);
  assert.ok(opened.ok);
  opened.vector.addTo(values, { start: 0, share: 1 });
  assert.deepEqual([...values], [1, 2, -3, 4, 5]);
});

Deno.test("codecsOf reads what a run's peers may send, and refuses other codecs by their number", () => {
  const values = new Float32Array(100).fill(1);
  const reads = (choice: Parameters<typeof codecsOf>[0]) =>
    Object.values(codecs).filter((codec) => codecsOf(choice).open(codec.encode(values).bytes, 100).ok);
  assert.deepEqual(reads("int8").map(({ name }) => name), ["int8"]);
  assert.deepEqual(reads("f32").map(({ name }) => name), ["f32"]);
  assert.deepEqual(reads("auto").map(({ name }) => name), ["int8", "topk"]);
  const opened = codecsOf("int8").open(codecs.f32.encode(values).bytes, 100);
  assert.ok(!opened.ok && /codec 1, this run uses 2/.test(opened.reason));
});
