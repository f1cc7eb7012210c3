/**
 * One chunk of a sparse vector as bytes: the places of its values in the chunk, then a code of two bits for each.
 *
 * Places are 12 bits each, two in three bytes, or a bitmap of the chunk (512 bytes) where that is shorter: from 342 kept
 * values on. A chunk may have fewer values than slots. In a bitmap they have no bit; in a list the places ascend, one
 * that equals the one before is void, and a chunk whose second place is below its first is empty. Codes of void slots
 * are 0. It knows nothing of what codes stand for.
 * @module
 */
import { TOP_K_CHUNK } from "../../../kernels/top_k.ts";

const BITMAP_BYTES = TOP_K_CHUNK / 8;

/** A chunk's value: its place in the chunk, and its code, 0 to 3. */
export interface CodedValue {
  readonly place: number;
  readonly code: number;
}

/** Size of a chunk of `kept` slots, a multiple of 4. */
export function chunkBytes(kept: number): number {
  return placesBytes(kept) + kept / 4;
}

/** Writes at most `kept` values, by ascending places, into the zeros of a chunk. */
export function writeChunk(bytes: Uint8Array, values: readonly CodedValue[], kept: number): void {
  const codes = bytes.subarray(placesBytes(kept));
  values.forEach(({ code }, slot) => codes[slot >> 2]! |= code << 2 * (slot & 3));
  if (hasBitmap(kept)) {
    for (const { place } of values) bytes[place >> 3]! |= 1 << (place & 7);
    return;
  }
  const last = values.at(-1)?.place ?? 0;
  for (let slot = 0; slot < kept; slot++) writePlace(bytes, slot, values[slot]?.place ?? last);
  if (values.length === 0) writePlace(bytes, 0, 1); // above the 0 that follows
}

/** Every value of a chunk, by ascending places. */
export function forEachValue(bytes: Uint8Array, kept: number, visit: (place: number, code: number) => void): void {
  const codes = placesBytes(kept);
  if (hasBitmap(kept)) {
    let slot = 0;
    for (let byte = 0; byte < BITMAP_BYTES; byte++) {
      for (let bits = bytes[byte]!, bit = 0; bits !== 0; bits >>= 1, bit++) {
        if ((bits & 1) === 1) visit(8 * byte + bit, codeAt(bytes, codes, slot++));
      }
    }
    return;
  }
  let before = -1;
  if (readPlace(bytes, 1) < readPlace(bytes, 0)) return;
  for (let slot = 0; slot < kept; slot++) {
    const place = readPlace(bytes, slot);
    if (place !== before) visit(place, codeAt(bytes, codes, slot));
    before = place;
  }
}

/** Why these bytes are no chunk with places below `end`, or null. */
export function whyNoChunk(
  bytes: Uint8Array,
  { kept, end }: { readonly kept: number; readonly end: number },
): string | null {
  let before = -1, count = 0, reason: string | null = null;
  forEachValue(bytes, kept, (place) => {
    if (place <= before) reason ??= `has place ${place} after ${before}`;
    if (place >= end) reason ??= `has place ${place}, beyond the last value`;
    before = place;
    count++;
  });
  return count > kept ? `has ${count} values and ${kept} slots` : reason;
}

function hasBitmap(kept: number): boolean {
  return kept * 12 / 8 > BITMAP_BYTES;
}

function placesBytes(kept: number): number {
  return hasBitmap(kept) ? BITMAP_BYTES : kept * 12 / 8;
}

function codeAt(bytes: Uint8Array, start: number, slot: number): number {
  return bytes[start + (slot >> 2)]! >> 2 * (slot & 3) & 3;
}

function writePlace(bytes: Uint8Array, slot: number, place: number): void {
  const at = (slot >> 1) * 3;
  if (slot % 2 === 0) {
    bytes[at] = place & 0xff;
    bytes[at + 1]! |= place >> 8;
  } else {
    bytes[at + 1]! |= (place & 0xf) << 4;
    bytes[at + 2] = place >> 4;
  }
}

function readPlace(bytes: Uint8Array, slot: number): number {
  const at = (slot >> 1) * 3;
  return slot % 2 === 0 ? bytes[at]! | (bytes[at + 1]! & 0xf) << 8 : bytes[at + 1]! >> 4 | bytes[at + 2]! << 4;
}
