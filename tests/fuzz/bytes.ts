/**
 * Mutations of bytes that know nothing of what the bytes mean.
 * @module
 */
import type { Chance } from "../chance.ts";

type Bytes = Uint8Array<ArrayBuffer>;
type Mutation = (bytes: Bytes, chance: Chance, other: Bytes) => Bytes;

/** Whole numbers at which formats break. */
export const EDGES: readonly number[] = [
  ...[0, 1, 2, 3, 7, 8, 15, 16, 63, 64, 127, 128, 255, 256, 4095, 4096, 65_535, 65_536, 262_144, 1_048_576],
  ...[2 ** 24, 2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1, 2 ** 32, 2 ** 48, 2 ** 53 - 1],
];

const LONGEST_ADDITION = 4096;

const mutations: readonly Mutation[] = [
  function flipBits(bytes, chance) {
    for (let i = chance.whole(1, 8); i > 0 && bytes.length > 0; i--) {
      bytes[chance.whole(0, bytes.length - 1)]! ^= 1 << chance.whole(0, 7);
    }
    return bytes;
  },
  function setBytes(bytes, chance) {
    for (let i = chance.whole(1, 4); i > 0 && bytes.length > 0; i--) {
      bytes[chance.whole(0, bytes.length - 1)] = chance.pick([0, 1, 0x7f, 0x80, 0xfe, 0xff, chance.whole(0, 255)]);
    }
    return bytes;
  },
  (bytes, chance) => bytes.slice(0, chance.whole(0, bytes.length)),
  (bytes, chance) => bytes.slice(chance.whole(0, Math.min(64, bytes.length))),
  (bytes, chance) => join(bytes, randomBytes(chance, chance.whole(1, 64))),
  /** A number of 1, 2, 4 or 8 bytes: very often a length. */
  function setNumber(bytes, chance) {
    const width = chance.pick([1, 2, 4, 8]);
    if (bytes.length < width) return bytes;
    const view = new DataView(bytes.buffer, bytes.byteOffset + chance.whole(0, bytes.length - width));
    const value = BigInt(chance.pick(EDGES)) + BigInt(chance.whole(-1, 1)), little = chance.happens(0.5);
    for (let i = 0; i < width; i++) view.setUint8(little ? i : width - 1 - i, Number(value >> BigInt(8 * i) & 255n));
    return bytes;
  },
  /** The beginning of one and the end of another. */
  function splice(bytes, chance, other) {
    return join(bytes.slice(0, chance.whole(0, bytes.length)), other.slice(chance.whole(0, other.length)));
  },
  function copyInside(bytes, chance) {
    if (bytes.length === 0) return bytes;
    const start = chance.whole(0, bytes.length - 1), end = chance.whole(start, Math.min(bytes.length, start + 256));
    bytes.copyWithin(chance.whole(0, bytes.length - 1), start, end);
    return bytes;
  },
  function repeat(bytes, chance) {
    const at = chance.whole(0, bytes.length), end = chance.whole(at, Math.min(bytes.length, at + 64));
    const part = bytes.slice(at, end), times = Math.floor(chance.whole(0, LONGEST_ADDITION) / Math.max(1, part.length));
    return join(bytes.slice(0, at), ...Array<Bytes>(times).fill(part), bytes.slice(at));
  },
  (_, chance) => randomBytes(chance, chance.whole(0, 512)),
  (_, chance) => new Uint8Array(chance.whole(0, LONGEST_ADDITION)).fill(chance.pick([0, 0x81, 0x9f, 0x5b, 0xff, 0x20])),
];

/** Some bytes other than these; now and then the same. `other` is a second valid one to splice with. */
export function mutated(bytes: Uint8Array, chance: Chance, other: Uint8Array = bytes): Bytes {
  let result = new Uint8Array(bytes);
  for (let i = chance.pick([0, 1, 1, 1, 2, 4]); i > 0; i--) {
    result = chance.pick(mutations)(result, chance, new Uint8Array(other));
  }
  return result;
}

export function randomBytes(chance: Chance, length: number): Bytes {
  return Uint8Array.from({ length }, () => chance.whole(0, 255));
}

/** A mutated text; what is no UTF-8 any more becomes replacement characters. */
export function mutatedText(text: string, chance: Chance, other = text): string {
  const encoder = new TextEncoder();
  return new TextDecoder().decode(mutated(encoder.encode(text), chance, encoder.encode(other)));
}

function join(...parts: readonly Uint8Array[]): Bytes {
  const bytes = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}
