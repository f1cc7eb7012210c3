/**
 * An interrupted trial as bytes, to go on with exactly where it stopped.
 *
 * Local to one machine and never sent. Damage is told and costs the trial's progress, nothing else. Little-endian:
 *
 * | bytes       | what                                                         |
 * | ----------- | ------------------------------------------------------------ |
 * | 0–3         | "STC1": Starling trial checkpoint, version 1                 |
 * | 4–7         | H, the bytes of the header                                   |
 * | 8–          | the header: JSON in UTF-8, then spaces up to a multiple of 4 |
 * | 8 + H–      | the arenas, f32, one after another                           |
 * | the last 32 | SHA-256 of all before                                        |
 * @module
 */
import { z } from "zod";
import { joinBytes } from "../folder.ts";
import type { Moments } from "../train/trainer.ts";
import { type Trial, trialResultSchema, trialSchema } from "./trial.ts";

/** A trial at rest between two steps. */
export interface TrialState {
  readonly trial: Trial;
  /** Steps done; of a flock, those of each peer. */
  readonly steps: number;
  readonly trainedMs: number;
  readonly curve: readonly (readonly [steps: number, loss: number])[];
  /** Step of the last sample of the average of weights. */
  readonly averagedAt: number;
  /** How far each peer's optimizer is, in their order. */
  readonly optimizers: readonly Pick<Moments, "stepCount" | "beta2Product">[];
  /** All of one length; which is which, the kind of trial knows. */
  readonly arenas: readonly Float32Array<ArrayBuffer>[];
}

export type DecodedTrialState =
  | { readonly ok: true; readonly state: TrialState }
  | { readonly ok: false; readonly reason: string };

const MAGIC = [0x53, 0x54, 0x43, 0x31] as const;
const START = 8, CHECKSUM_BYTES = 32;
/** A curve of ten thousand points is a fifth of it. */
const LARGEST_HEADER_BYTES = 1024 * 1024;

const headerSchema = z.strictObject({
  trial: trialSchema,
  steps: z.int().min(0),
  trainedMs: z.number().min(0),
  curve: trialResultSchema.shape.curve,
  averagedAt: z.int().min(0),
  optimizers: z.array(z.strictObject({ stepCount: z.int().min(0), beta2Product: z.number().min(0).max(1) })),
  arenaCount: z.int().min(1),
  words: z.int().min(1),
});

export async function encodeTrialState({ arenas, ...fields }: TrialState): Promise<Uint8Array<ArrayBuffer>> {
  const json = JSON.stringify({ ...fields, arenaCount: arenas.length, words: arenas[0]!.length });
  const text = new TextEncoder().encode(json);
  const header = new Uint8Array(Math.ceil(text.length / 4) * 4).fill(0x20);
  header.set(text);
  const start = new Uint8Array(START);
  start.set(MAGIC);
  new DataView(start.buffer).setUint32(4, header.length, true);
  const body = joinBytes([
    start,
    header,
    ...arenas.map(({ buffer, byteOffset, byteLength }) => new Uint8Array(buffer, byteOffset, byteLength)),
  ]);
  return joinBytes([body, await sha256(body)]);
}

/** Reads what `encodeTrialState` wrote; whose trial it is, the caller compares. */
export async function decodeTrialState(bytes: Uint8Array<ArrayBuffer>): Promise<DecodedTrialState> {
  const wrong = (reason: string): DecodedTrialState => ({ ok: false, reason });
  if (bytes.length < START + CHECKSUM_BYTES || MAGIC.some((byte, i) => bytes[i] !== byte)) {
    return wrong("it is not of version 1");
  }
  const end = bytes.length - CHECKSUM_BYTES, checksum = await sha256(bytes.subarray(0, end));
  if (checksum.some((byte, i) => bytes[end + i] !== byte)) return wrong("its checksum does not fit");
  const headerBytes = new DataView(bytes.buffer, bytes.byteOffset).getUint32(4, true);
  if (headerBytes > Math.min(LARGEST_HEADER_BYTES, end - START)) return wrong("its header is too long");
  const header = parseHeader(bytes.subarray(START, START + headerBytes));
  if (header === null) return wrong("its header does not say what it holds");
  const { arenaCount, words, ...fields } = header, arenaBytes = 4 * words;
  if (START + headerBytes + arenaCount * arenaBytes !== end) return wrong("it has another size than its header says");
  const arenas = Array.from({ length: arenaCount }, (_, i) => {
    const at = START + headerBytes + i * arenaBytes;
    return new Float32Array(bytes.slice(at, at + arenaBytes).buffer);
  });
  return { ok: true, state: { ...fields, arenas } };
}

function parseHeader(bytes: Uint8Array): z.infer<typeof headerSchema> | null {
  try {
    return headerSchema.safeParse(JSON.parse(new TextDecoder().decode(bytes))).data ?? null;
  } catch {
    return null; // no JSON
  }
}

async function sha256(bytes: Uint8Array<ArrayBuffer>): Promise<Uint8Array> {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
}
