/**
 * CBOR as nobody should write it: the same values in forms that DAG-CBOR forbids, and heads that promise too much.
 * @module
 */
import type { Chance } from "../chance.ts";

/** How often a value is written in another than its canonical form. */
const ODD = 0.03;
const DEEPEST = 20_000;
/** Deeper than this no key comes twice: tables inside tables would double with each. */
const DEEPEST_TWICE = 8;

const encoder = new TextEncoder();

/** Encodes plain data; each value may come in a form of its own. What is nested too deeply is left out. */
export function looseCbor(value: unknown, chance: Chance): Uint8Array<ArrayBuffer> {
  const out: number[] = [];
  if (chance.happens(0.002)) { for (let i = 0; i < DEEPEST; i++) out.push(chance.pick([0x81, 0x81, 0x9f])); }
  write(value, { out, chance, depth: 0 });
  return Uint8Array.from(out);
}

interface Writing {
  readonly out: number[];
  readonly chance: Chance;
  readonly depth: number;
}

const MOST_DEPTH = 500;

function write(value: unknown, { out, chance, depth }: Writing): void {
  const deeper = { out, chance, depth: depth + 1 }, isOdd = chance.happens(ODD);
  if (isOdd && chance.happens(0.2)) head(out, 6, chance.pick([0, 1, 2, 42, 258]), chance); // a tag
  if (depth > MOST_DEPTH || value === null || value === undefined) return void out.push(isOdd ? 0xf7 : 0xf6);
  if (typeof value === "boolean") return void out.push(value ? 0xf5 : 0xf4);
  if (typeof value === "number") return writeNumber(value, deeper, isOdd);
  if (typeof value === "string") return writeString(3, encoder.encode(value), deeper, isOdd);
  if (value instanceof Uint8Array) return writeString(2, value, deeper, isOdd);
  if (Array.isArray(value)) {
    const isOpen = isOdd && chance.happens(0.5);
    if (isOpen) out.push(0x9f);
    else head(out, 4, claimed(value.length, chance, isOdd), chance);
    for (const item of value) write(item, deeper);
    return isOpen ? void out.push(0xff) : undefined;
  }
  const entries = Object.entries(value as Record<string, unknown>);
  if (isOdd && depth <= DEEPEST_TWICE) entries.push(...entries.slice(0, chance.whole(0, 2))); // the same key twice
  else entries.sort(([a], [b]) => a.length - b.length || (a < b ? -1 : 1));
  head(out, 5, claimed(entries.length, chance, isOdd), chance);
  for (const [key, item] of entries) {
    write(key, deeper);
    write(item, deeper);
  }
}

function writeNumber(value: number, { out, chance }: Writing, isOdd: boolean): void {
  if (Number.isSafeInteger(value) && !(isOdd && chance.happens(0.5))) {
    return value < 0 ? head(out, 1, -1 - value, chance, isOdd) : head(out, 0, value, chance, isOdd);
  }
  const width = isOdd ? chance.pick([2, 4, 8]) : 8, view = new DataView(new ArrayBuffer(8));
  if (width === 2) view.setFloat16(0, value);
  else if (width === 4) view.setFloat32(0, value);
  else view.setFloat64(0, isOdd ? chance.pick([NaN, Infinity, -Infinity, value]) : value);
  out.push(width === 2 ? 0xf9 : width === 4 ? 0xfa : 0xfb, ...new Uint8Array(view.buffer, 0, width));
}

function writeString(major: 2 | 3, bytes: Uint8Array, { out, chance }: Writing, isOdd: boolean): void {
  if (isOdd && chance.happens(0.5)) { // in pieces
    out.push(major << 5 | 31);
    head(out, major, bytes.length, chance);
    for (const byte of bytes) out.push(byte);
    return void out.push(0xff);
  }
  head(out, major, claimed(bytes.length, chance, isOdd), chance, isOdd);
  for (const byte of bytes) out.push(isOdd && major === 3 && chance.happens(0.1) ? 0xff : byte);
}

/** How many follow, or a lie. */
function claimed(count: number, chance: Chance, isOdd: boolean): number {
  return isOdd ? chance.pick([count, count + 1, 2 ** 16, 2 ** 24, 2 ** 32 - 1, 2 ** 40, 2 ** 53 - 1]) : count;
}

function head(out: number[], major: number, value: number, chance: Chance, isLong = false): void {
  const least = value < 24 ? 0 : value < 256 ? 1 : value < 65_536 ? 2 : value < 2 ** 32 ? 4 : 8;
  const width = isLong ? Math.max(least, chance.pick([1, 2, 4, 8])) : least;
  const code = { 0: value, 1: 24, 2: 25, 4: 26, 8: 27 }[width]!;
  out.push(major << 5 | code);
  for (let shift = width - 1; shift >= 0; shift--) out.push(Math.floor(value / 256 ** shift) % 256);
}
