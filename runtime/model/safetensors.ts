/**
 * safetensors: named tensors in one file, as Hugging Face defines it.
 *
 * The format: header length u64 little-endian, a JSON header (name → dtype, shape, offsets into the data), the data.
 * Reading gives f32 from F32, F16 and BF16; writing is F32. A file comes from strangers: every number in its header is
 * compared with the size of the file before anything is allocated for it or read by it.
 * @module
 */
import { z } from "zod";
import type { ByteReader } from "../folder.ts";

/** A tensor as the header describes it. */
export interface TensorInfo {
  readonly name: string;
  readonly dtype: string;
  readonly shape: readonly number[];
  /** First byte, and the one after the last, in the file. */
  readonly start: number;
  readonly end: number;
}

/** An opened file. It reads from its reader when a tensor is asked for. */
export interface TensorFile {
  readonly source: string;
  readonly tensors: ReadonlyMap<string, TensorInfo>;
  readonly metadata: Readonly<Record<string, string>>;
  /**
   * The tensor of this name and shape, unread.
   * @throws {SafetensorsError} if there is none.
   */
  find(name: string, shape: readonly number[]): TensorInfo;
  /**
   * The values of a tensor, row by row.
   * @throws {SafetensorsError} that names the tensor, if there is none of that name, shape or of a type that is read.
   */
  read(name: string, shape: readonly number[]): Float32Array<ArrayBuffer>;
}

/** A tensor to write; `values` is called when its turn comes, so that one tensor is in memory at a time. */
export interface TensorToWrite {
  readonly name: string;
  readonly shape: readonly number[];
  values(): Float32Array;
}

/** A file that is not safetensors, damaged, or without the tensor wanted. */
export class SafetensorsError extends Error {
  override readonly name = "SafetensorsError";
}

/** The limit of the reference implementation. */
const LONGEST_HEADER_BYTES = 100_000_000;

/** Bits of a value, by type. */
const BITS: ReadonlyMap<string, number> = new Map(Object.entries({
  ...{ F64: 64, F32: 32, F16: 16, BF16: 16, F8_E4M3: 8, F8_E5M2: 8 },
  ...{ I64: 64, I32: 32, I16: 16, I8: 8, U64: 64, U32: 32, U16: 16, U8: 8, BOOL: 8 },
}));

const entrySchema = z.strictObject({
  dtype: z.string(),
  shape: z.array(z.int().min(0)).max(16),
  data_offsets: z.tuple([z.int().min(0), z.int().min(0)]),
});
const headerSchema = z.record(z.string(), z.unknown());
const metadataSchema = z.record(z.string(), z.string());

/**
 * Opens a file and checks its whole header.
 * @throws {SafetensorsError} that names the file, and the tensor if it is one.
 */
export function openSafetensors(reader: ByteReader): TensorFile {
  const refuse = (problem: string): never => {
    throw new SafetensorsError(`Cannot read ${reader.source} as safetensors: ${problem}`);
  };
  const { header, dataStart } = readHeader(reader, refuse);
  const metadata = metadataSchema.safeParse(header["__metadata__"] ?? {});
  if (!metadata.success) return refuse("its __metadata__ is not a table of texts");
  const tensors = new Map<string, TensorInfo>();
  for (const [name, value] of Object.entries(header)) {
    if (name === "__metadata__") continue;
    const entry = entrySchema.safeParse(value);
    if (!entry.success) return refuse(`tensor '${name}': ${z.prettifyError(entry.error).replaceAll("\n", " ")}`);
    const { dtype, shape, data_offsets: [start, end] } = entry.data;
    const bits = BITS.get(dtype);
    if (bits === undefined) return refuse(`tensor '${name}' has the unknown type ${JSON.stringify(dtype)}`);
    const wanted = shape.reduce((product, size) => product * size, bits / 8);
    if (end - start !== wanted) {
      return refuse(`tensor '${name}' has ${end - start} bytes; ${dtype} [${shape}] needs ${wanted}`);
    }
    if (dataStart + end > reader.sizeBytes) {
      return refuse(
        `tensor '${name}' ends at byte ${dataStart + end} and the file has ${reader.sizeBytes}; it was cut`,
      );
    }
    tensors.set(name, { name, dtype, shape, start: dataStart + start, end: dataStart + end });
  }
  checkCover([...tensors.values()], { dataStart, sizeBytes: reader.sizeBytes, refuse });
  const find: TensorFile["find"] = (name, shape) => {
    const tensor = tensors.get(name) ?? refuse(`it has no tensor '${name}'`);
    if (tensor.shape.length === shape.length && tensor.shape.every((size, i) => size === shape[i])) return tensor;
    return refuse(`tensor '${name}' has the shape [${tensor.shape}] and [${shape}] is wanted`);
  };
  return {
    source: reader.source,
    tensors,
    metadata: metadata.data,
    find,
    read(name, shape) {
      const tensor = find(name, shape);
      const bytes = new Uint8Array(tensor.end - tensor.start);
      reader.readAt(tensor.start, bytes);
      return toFloats(bytes, tensor.dtype) ??
        refuse(`tensor '${name}' is of type ${tensor.dtype}; F32, F16 and BF16 are read`);
    },
  };
}

type Refuse = (problem: string) => never;

function readHeader(
  reader: ByteReader,
  refuse: Refuse,
): { readonly header: Readonly<Record<string, unknown>>; readonly dataStart: number } {
  if (reader.sizeBytes < 8) return refuse(`it has ${reader.sizeBytes} bytes, and the length of the header needs 8`);
  const length = new Uint8Array(8);
  reader.readAt(0, length);
  const headerBytes = new DataView(length.buffer).getBigUint64(0, true);
  const most = Math.min(reader.sizeBytes - 8, LONGEST_HEADER_BYTES);
  if (headerBytes > BigInt(most)) return refuse(`its header claims ${headerBytes} bytes, at most ${most} are possible`);
  const bytes = new Uint8Array(Number(headerBytes));
  reader.readAt(8, bytes);
  let json: unknown;
  try {
    json = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch (cause) {
    return refuse(`its header is not JSON (${(cause as Error).message.slice(0, 80)})`);
  }
  const header = headerSchema.safeParse(json);
  if (!header.success) return refuse("its header is not a table of tensors");
  return { header: header.data, dataStart: 8 + bytes.length };
}

interface Cover {
  readonly dataStart: number;
  readonly sizeBytes: number;
  readonly refuse: Refuse;
}

/** The tensors must follow each other without overlap, gap or rest: a file says everything once. */
function checkCover(tensors: readonly TensorInfo[], { dataStart, sizeBytes, refuse }: Cover): void {
  let end = dataStart, before = "the header";
  for (const tensor of tensors.toSorted((a, b) => a.start - b.start || a.end - b.end)) {
    if (tensor.start < end) refuse(`tensor '${tensor.name}' overlaps ${before}`);
    if (tensor.start > end) refuse(`${tensor.start - end} bytes before tensor '${tensor.name}' belong to no tensor`);
    end = tensor.end;
    before = `tensor '${tensor.name}'`;
  }
  if (end !== sizeBytes) refuse(`${sizeBytes - end} bytes after ${before} belong to no tensor`);
}

function toFloats(bytes: Uint8Array<ArrayBuffer>, dtype: string): Float32Array<ArrayBuffer> | null {
  switch (dtype) {
    case "F32":
      return new Float32Array(bytes.buffer);
    case "F16":
      return Float32Array.from(new Float16Array(bytes.buffer));
    case "BF16": { // the upper half of an f32
      const words = Uint32Array.from(new Uint16Array(bytes.buffer), (half) => half << 16);
      return new Float32Array(words.buffer);
    }
    default:
      return null;
  }
}

/**
 * A file in pieces, one tensor after another.
 * @param metadata Texts for `__metadata__`; `format: "pt"` is what `transformers` looks for.
 */
export function* encodeSafetensors(
  tensors: readonly TensorToWrite[],
  metadata: Readonly<Record<string, string>> = {},
): Generator<Uint8Array<ArrayBuffer>> {
  const header: Record<string, unknown> = { __metadata__: metadata };
  let start = 0;
  for (const { name, shape } of tensors) {
    const end = start + 4 * sizeOf(shape);
    header[name] = { dtype: "F32", shape, data_offsets: [start, end] };
    start = end;
  }
  const text = new TextEncoder().encode(JSON.stringify(header));
  const headerBytes = Math.ceil(text.length / 8) * 8; // padded with spaces, so that the data is aligned
  const piece = new Uint8Array(8 + headerBytes).fill(0x20);
  new DataView(piece.buffer).setBigUint64(0, BigInt(headerBytes), true);
  piece.set(text, 8);
  yield piece;
  for (const { name, shape, values } of tensors) {
    const floats = Float32Array.from(values());
    if (floats.length !== sizeOf(shape)) {
      throw new RangeError(`Cannot write tensor '${name}': ${floats.length} values for the shape [${shape}]`);
    }
    yield new Uint8Array(floats.buffer);
  }
}

function sizeOf(shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, 1);
}
