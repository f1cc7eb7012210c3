/**
 * What every codec of pseudo-gradients must do, whatever it leaves out. Run from the tests beside the codecs.
 * @module
 */
import { strict as assert } from "node:assert";
import type { Codec, EncodedVector } from "../../runtime/state/codec/codec.ts";
import { chance } from "../chance.ts";

const LENGTHS = [1, 3, 63, 64, 65, 1000, 4096, 5000];
const SEED = 11;

export interface CodecSuite {
  /** Tells codecs of one name apart. */
  readonly variant?: string;
  /** Rounding units of f32 by which decoded + residual may be off a value: 0 where the difference is exact. */
  readonly units?: number;
}

/** Rounding unit of f32. */
const U = 2 ** -24;

/** Registers the suite's tests for one codec. */
export function testCodec(codec: Codec, { variant = "", units = 0 }: CodecSuite = {}): void {
  const title = (behaviour: string) => `codec ${codec.name}${variant} ${behaviour}`;

  Deno.test(title("writes exactly the size it promises, for any length"), () => {
    for (const length of LENGTHS) {
      assert.equal(codec.encode(wave(length)).bytes.length, codec.sizeBytes(length), `length ${length}`);
    }
  });

  Deno.test(title("leaves in the residual exactly what its bytes leave out"), () => {
    for (const length of LENGTHS) {
      const values = wave(length), { bytes, residual } = codec.encode(values);
      const decoded = decode(open(codec, bytes, length));
      values.forEach((value, i) => {
        const off = Math.abs(decoded[i]! + residual[i]! - value);
        assert.ok(off <= units * U * Math.abs(value), `length ${length}, value ${i}: off by ${off}`);
      });
    }
  });

  Deno.test(title("keeps every bit of mass over fifty rounds of error feedback"), () => {
    const length = 300, sent = new Float64Array(length), given = new Float64Array(length);
    let residual = new Float32Array(length);
    for (let round = 0; round < 50; round++) {
      const delta = wave(length, round);
      const { bytes, residual: rest } = codec.encode(delta.map((value, i) => value + residual[i]!));
      decode(open(codec, bytes, length)).forEach((value, i) => sent[i]! += value);
      delta.forEach((value, i) => given[i]! += value);
      residual = rest;
    }
    // f32 sums of delta and residual round once a round, residuals `units` times: 50 · 2⁻²⁴ of values below 4 is 1.2e-5.
    const bound = 1.2e-5 * (1 + units);
    given.forEach((value, i) => assert.ok(Math.abs(sent[i]! + residual[i]! - value) < bound, `value ${i}`));
  });

  Deno.test(title("adds shares of its values, the same in any pieces"), () => {
    const length = 1000, vector = open(codec, codec.encode(wave(length)).bytes, length);
    const wanted = decode(vector).map((value, i) => i + 0.3 * value);
    for (const piece of [1, 7, 64, 100, 999]) {
      for (let start = 0; start < length; start += piece) {
        const into = Float64Array.from({ length: Math.min(piece, length - start) }, (_, i) => start + i);
        vector.addTo(into, { start, share: 0.3 });
        assert.deepEqual(into, wanted.slice(start, start + into.length), `from ${start} by ${piece}`);
      }
    }
  });

  Deno.test(title("knows the norm of what it decodes to"), () => {
    for (const length of LENGTHS) {
      const vector = open(codec, codec.encode(wave(length)).bytes, length);
      const wanted = decode(vector).reduce((sum, value) => sum + value * value, 0);
      // Two orders of at most 5000 additions of positive f64 values: 5000 · 2⁻⁵² is 1.1e-12.
      assert.ok(Math.abs(vector.normSquared() - wanted) <= 2e-12 * wanted, `length ${length}`);
    }
  });

  Deno.test(title("reads bytes that do not start at a multiple of four"), () => {
    const length = 130, { bytes } = codec.encode(wave(length)), shifted = new Uint8Array(bytes.length + 1);
    shifted.set(bytes, 1);
    assert.deepEqual(decode(open(codec, shifted.subarray(1), length)), decode(open(codec, bytes, length)));
  });

  Deno.test(title("names what is wrong with truncated, longer, foreign and empty bytes"), () => {
    const length = 100, { bytes } = codec.encode(wave(length));
    const longer = new Uint8Array(bytes.length + 1);
    longer.set(bytes);
    for (const wrong of [bytes.subarray(0, -1), longer, new Uint8Array(0), new Uint8Array(bytes.length)]) {
      const opened = codec.open(wrong, length);
      assert.ok(!opened.ok && opened.reason.length > 10);
    }
    const opened = codec.open(bytes, length + 1);
    assert.ok(!opened.ok && /100 values.*needs 101/.test(opened.reason));
  });

  Deno.test(title(`never throws on damaged bytes (seed ${SEED})`), () => {
    const random = chance(SEED).next, length = 200, good = codec.encode(wave(length)).bytes;
    for (let i = 0; i < 3000; i++) {
      const bytes = good.slice(0, random() < 0.3 ? Math.floor(random() * (good.length + 1)) : good.length);
      const damages = 1 + Math.floor(random() * 4);
      for (let d = 0; d < damages && bytes.length > 0; d++) {
        const near = random() < 0.5 ? 16 : bytes.length;
        bytes[Math.floor(random() * Math.min(near, bytes.length))] = Math.floor(random() * 256);
      }
      const opened = codec.open(bytes, length);
      if (opened.ok) assert.equal(decode(opened.vector).length, length);
      else assert.ok(opened.reason.length > 0);
    }
  });
}

function open(codec: Codec, bytes: Uint8Array, length: number): EncodedVector {
  const opened = codec.open(bytes, length);
  assert.ok(opened.ok, opened.ok ? "" : opened.reason);
  return opened.vector;
}

function decode(vector: EncodedVector): Float64Array {
  const values = new Float64Array(vector.length);
  vector.addTo(values, { start: 0, share: 1 });
  return values;
}

/** Values of very different sizes, without chance. */
function wave(length: number, phase = 0): Float32Array {
  return Float32Array.from({ length }, (_, i) => Math.sin(i * 12.9898 + phase) * 10 ** -(i % 7));
}
