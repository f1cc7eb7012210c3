/**
 * The loops of a fold in WebAssembly, two values at a time: the bits of the plain ones, in a half to a third of the time.
 *
 * Contributions lie in memory of their own, so a stretch of each is copied into that of the module before it is read.
 * The one thing to know: an engine is believed only after its loops have given the bits of the plain ones on a sample,
 * and whatever these loops cannot do (other codecs, arrays of other memory) the plain ones do.
 * @module
 */
import { type FoldSums, foldSumsModule, RECORD_BYTES, VECTOR_VALUES } from "../../kernels/fold_sums.ts";
import type { EncodedVector } from "./codec/codec.ts";
import { F32Vector } from "./codec/f32.ts";
import { Int8Vector, LARGEST_EXPONENT } from "./codec/int8_vector.ts";
import { type Adder, adderOf } from "./codec/sum.ts";
import { type FoldLoops, plainLoops } from "./fold_loops.ts";

const PAGE_BYTES = 65_536;
/** 64 MiB: rooms for a thousand parts and more. What needs more is done plainly. */
const LARGEST_PAGE_COUNT = 1024;
/** Values copied at a time: whole blocks of every size. */
const STRETCH = 4096;
/** Parts that are added in one pass over the sums. */
const MOST_PARTS = 8;
/** The module's constants are on the first page. */
const RECORDS = PAGE_BYTES, VALUES = RECORDS + MOST_PARTS * RECORD_BYTES;
/** Addresses modulo this are as at home, because then a copy goes by words. */
const WORD_BYTES = 8;
const EXPONENTS_OFFSET = 4 * STRETCH + VECTOR_VALUES + WORD_BYTES;
/** Of one part: values of up to four bytes, then exponents; not a whole number of pages, which would share cache lines. */
const PART_BYTES = EXPONENTS_OFFSET + STRETCH / VECTOR_VALUES + 2 * WORD_BYTES;
const ROOMS = VALUES + MOST_PARTS * PART_BYTES;

/**
 * The loops of `kernels/fold_sums.as`, or the plain ones where an engine cannot run them or disagrees with these.
 * @param module Its bytes; others are for tests.
 */
export function simdLoops(module: Uint8Array<ArrayBuffer> = foldSumsModule): FoldLoops {
  try {
    const loops = new SimdLoops(new WebAssembly.Module(module));
    return agrees(loops) ? loops : plainLoops;
  } catch {
    return plainLoops; // no memory, or no such vectors: slower, and the same bits
  }
}

class SimdLoops implements FoldLoops {
  readonly #memory = new WebAssembly.Memory({ initial: 4, maximum: LARGEST_PAGE_COUNT, shared: true });
  readonly #sums: FoldSums;
  #bytes = new Uint8Array(this.#memory.buffer);
  #view = new DataView(this.#memory.buffer);

  constructor(module: WebAssembly.Module) {
    const { exports } = new WebAssembly.Instance(module, { env: { memory: this.#memory } });
    this.#sums = exports as unknown as FoldSums;
  }

  rooms(count: number, length: number): Float64Array[] {
    const stride = 8 * (Math.ceil(length / VECTOR_VALUES) + 1) * VECTOR_VALUES;
    const end = ROOMS + count * stride + 8 * count * (count + 1) / 2; // with what `products` writes
    if (end > LARGEST_PAGE_COUNT * PAGE_BYTES) return plainLoops.rooms(count, length);
    this.#reach(end);
    return Array.from({ length: count }, (_, i) => {
      return new Float64Array(this.#memory.buffer, ROOMS + i * stride, length).fill(0);
    });
  }

  normSquared(vector: EncodedVector): number {
    if (!(vector instanceof Int8Vector)) return vector.normSquared();
    let sum = 0;
    for (let start = 0; start < vector.length; start += STRETCH) {
      const { values, exponents, count } = this.#bringInt8(vector, { start, part: 0, most: STRETCH });
      this.#bytes.fill(0, values + count, values + count + VECTOR_VALUES);
      sum = this.#sums.add_squares_int8(values, exponents, vector.shift, count, sum);
    }
    return sum;
  }

  adderOf(vectors: readonly EncodedVector[], shares: readonly number[]): Adder {
    const plain = adderOf(vectors, shares), runs = runsOf(vectors, shares);
    return (into, start) => {
      if (into.buffer !== this.#memory.buffer || into.length > STRETCH || start % VECTOR_VALUES !== 0) {
        return plain(into, start);
      }
      for (const run of runs) this.#addRun(run, into, start);
    };
  }

  products(rows: readonly Float64Array[], into: Float64Array): void {
    const [first, second] = rows;
    if (first === undefined || first.buffer !== this.#memory.buffer) return plainLoops.products(rows, into);
    const stride = second === undefined ? 0 : second.byteOffset - first.byteOffset;
    const end = rows.at(-1)!.byteOffset + (stride || 8 * (first.length + VECTOR_VALUES));
    this.#sums.products(first.byteOffset, stride, rows.length, first.length, end);
    into.set(new Float64Array(this.#memory.buffer, end, into.length));
  }

  #addRun({ kind, vectors, shares }: Run, into: Float64Array, start: number): void {
    const { length } = into;
    for (let part = 0; part < shares.length; part++) {
      const vector = vectors[part]!, share = shares[part]!;
      if (vector instanceof Int8Vector) this.#bringInt8(vector, { start, part, most: length });
      else if (vector instanceof F32Vector) this.#bringF32(vector, { start, part, most: length });
      else vector.addTo(into, { start, share });
      this.#view.setFloat64(RECORDS + part * RECORD_BYTES + 16, share, true);
    }
    if (kind === "int8") this.#sums.add_int8(into.byteOffset, RECORDS, shares.length, length);
    if (kind === "f32") this.#sums.add_f32(into.byteOffset, RECORDS, shares.length, length);
  }

  /** Copies codes and exponents of values from `start` on into a part's place, and writes its record. */
  #bringInt8({ codes, exponents, block, shift, length }: Int8Vector, { start, part, most }: Stretch) {
    const end = Math.min(start + most, length), place = VALUES + part * PART_BYTES;
    const values = this.#copy(codes.subarray(start, end), place), record = RECORDS + part * RECORD_BYTES;
    const ownExponents = exponents.subarray(start >>> shift, Math.ceil(end / block));
    const scales = this.#copy(ownExponents, place + EXPONENTS_OFFSET);
    this.#view.setUint32(record, values, true);
    this.#view.setUint32(record + 4, scales, true);
    this.#view.setUint32(record + 8, shift, true);
    this.#view.setUint32(record + 12, start & (block - 1), true);
    return { values, exponents: scales, count: end - start };
  }

  #bringF32({ values }: F32Vector, { start, part, most }: Stretch): void {
    const own = values.subarray(start, start + most),
      bytes = new Uint8Array(own.buffer, own.byteOffset, own.byteLength);
    const address = this.#copy(bytes, VALUES + part * PART_BYTES);
    this.#view.setUint32(RECORDS + part * RECORD_BYTES, address, true);
  }

  /** Copies to within a word of `place`, a multiple of words. @returns the address. */
  #copy(source: Uint8Array | Int8Array, place: number): number {
    const address = place + source.byteOffset % WORD_BYTES;
    this.#bytes.set(source, address);
    return address;
  }

  #reach(bytes: number): void {
    const missing = Math.ceil((bytes - this.#memory.buffer.byteLength) / PAGE_BYTES);
    if (missing <= 0) return;
    this.#memory.grow(missing);
    this.#bytes = new Uint8Array(this.#memory.buffer);
    this.#view = new DataView(this.#memory.buffer);
  }
}

/** Which values of a vector go to which part's place. */
interface Stretch {
  readonly start: number;
  readonly part: number;
  readonly most: number;
}

/** Parts of one codec that one call adds, in their order. */
interface Run {
  readonly kind: "int8" | "f32" | "other";
  readonly vectors: EncodedVector[];
  readonly shares: number[];
}

function runsOf(vectors: readonly EncodedVector[], shares: readonly number[]): Run[] {
  const runs: Run[] = [];
  vectors.forEach((vector, i) => {
    const kind = vector instanceof Int8Vector ? "int8" : vector instanceof F32Vector ? "f32" : "other";
    let run = runs.at(-1);
    if (run?.kind !== kind || run.vectors.length === MOST_PARTS) runs.push(run = { kind, vectors: [], shares: [] });
    run.vectors.push(vector);
    run.shares.push(shares[i]!);
  });
  return runs;
}

/** Whether loops give the bits of the plain ones for some whole and broken stretches of every kind of part. */
function agrees(loops: FoldLoops): boolean {
  const length = STRETCH + 1021, vectors = sampleOf(length), shares = vectors.map((_, i) => 1 / (i + 3));
  const [found, wanted] = [loops, plainLoops].map((some) => {
    const add = some.adderOf(vectors, shares), rows = some.rooms(vectors.length, 1024);
    const products = new Float64Array(rows.length * (rows.length + 1) / 2);
    const sums = [0, 1024, STRETCH].map((start) => {
      const into = rows[0]!.subarray(0, Math.min(1024, length - start));
      add(into, start);
      return into.slice();
    });
    vectors.forEach((vector, i) => some.adderOf([vector], [1])(rows[i]!, 0));
    some.products(rows.map((row) => row.subarray(0, 1021)), products);
    return [...vectors.map((vector) => some.normSquared(vector)), ...sums.flatMap((sum) => [...sum]), ...products];
  });
  return found!.every((value, i) => Object.is(value, wanted![i]));
}

/** Vectors of pseudo-random codes in small and large blocks, and of f32. */
function sampleOf(length: number): EncodedVector[] {
  const bytes = new Uint8Array(length);
  let state = 1;
  for (let i = 0; i < length; i++) {
    state = Math.imul(state, 0x19660d) + 0x3c6ef35f | 0;
    bytes[i] = state >>> 24;
  }
  const int8 = [16, 64, STRETCH].map((block) => {
    const exponents = bytes.slice(0, Math.ceil(length / block)).map((byte) => byte % (LARGEST_EXPONENT + 1));
    return new Int8Vector({ codes: new Int8Array(bytes.buffer), exponents, block });
  });
  const f32 = new F32Vector(Float32Array.from(bytes, (byte) => Math.fround((byte - 99) / 7)));
  return [...int8, f32, f32, ...int8];
}
