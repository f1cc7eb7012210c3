import { strict as assert } from "node:assert";
import { testCodec } from "../../../tests/conformance/codec.ts";
import type { CodecName } from "./codec.ts";
import { codecs } from "./codecs.ts";
import { HEADER_BYTES } from "./header.ts";
import { int8, INT8_BLOCK, packInt8 } from "./int8.ts";

for (const codec of Object.values(codecs)) testCodec(codec);

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
