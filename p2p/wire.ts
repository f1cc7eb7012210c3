/**
 * Messages and journal entries as bytes: a version byte, then DAG-CBOR.
 *
 * Decoding is where strangers' bytes become our types. It never throws: it gives a value, or the reason why not. Every
 * array, text and number has a bound, unknown keys are refused, and a message of another run is not looked at. What a
 * message means, and whether its signature is true, is for the core.
 * @module
 */
import { decode, encode } from "@ipld/dag-cbor";
import { z } from "zod";
import { isPeerId, SIGNATURE_BYTES } from "./identity.ts";
import { isPlainText, toPlainText } from "./plain_text.ts";
import { reasonOf } from "./reason.ts";
import { LARGEST_BLOB_BYTES } from "./store/chunks.ts";
import { MOST_CELL_DIGITS } from "./sync/cells.ts";
import type { JournalEntry } from "./sync/effects.ts";
import { LARGEST_BATCH, LARGEST_EXPONENT, LARGEST_NOISE, LONGEST_NAME, SKETCH_VALUES } from "./sync/offer.ts";
import { isRangeSet } from "./sync/ranges.ts";
import { MOST_COUNTED } from "./sync/record.ts";
import type {
  BatchState,
  BlobName,
  ChainState,
  Change,
  Counted,
  Digest,
  EncodingState,
  GradientSketch,
  GradientStatistics,
  Lease,
  Member,
  Message,
  Met,
  Offer,
  PeerId,
  Range,
  Recent,
  RoundRecord,
  Signed,
} from "./sync/types.ts";

export const WIRE_VERSION = 4;

export type Decoded<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly reason: string };

// Bounds. A message that keeps them all may still be too large to announce; the sender finds that out.
/**
 * What a cell knows to be trained of 10⁶ windows is in at most half as many ranges as those have blocks of classes, since
 * cells are not equally far, and some for each of 1,000 leases. A state with all of them, its record too, fits a message.
 */
const MOST_RANGES = 16_384;
const MOST_RECORDS = 512;
const MOST_OFFERS = 2048;
const MOST_DIGESTS = 2048;
const MOST_MEMBERS = 2048;
const MOST_RECENT = 256;
/** A merge record's entry has those of some rounds of both sides. */
const MOST_RECENTLY_COUNTED = 64 * MOST_COUNTED;
/** Peers on an allow list: a change must fit an announcement and a record. */
const MOST_ALLOWED = 512;
/** Either digit, or `*` for both; the last one says something. */
const CELL = new RegExp(`^([01*]{0,${MOST_CELL_DIGITS - 1}}[01])?$`);
/** A year. */
const LONGEST_MS = 366 * 24 * 3600 * 1000;

// Brands are put on here, at the parse edge, and nowhere else.
const digest = z.string().regex(/^[0-9a-f]{64}$/) as unknown as z.ZodType<Digest>;
const peer = z.string().refine(isPeerId, "is no peer id") as unknown as z.ZodType<PeerId>;
const signature = z.instanceof(Uint8Array)
  .refine((bytes) => bytes.length === SIGNATURE_BYTES, `is not ${SIGNATURE_BYTES} bytes`)
  .transform((bytes) => bytes.slice()); // a view would keep the whole frame in memory
// The genesis record follows from the run's rules; nobody wrote it.
const nobody = z.literal("") as unknown as z.ZodType<PeerId>;
const noSignature = z.instanceof(Uint8Array).refine((bytes) => bytes.length === 0).transform(() => new Uint8Array());
const count = z.int().min(0);
const batchSize = z.int().min(1).max(LARGEST_BATCH);
const ms = z.number().min(0).max(LONGEST_MS);
const amount = z.number().min(0).max(1e18);
const label = z.string().max(LONGEST_NAME).refine(isPlainText, "holds control characters");
const cell = z.string().regex(CELL);

/**
 * An array that is given up at its first wrong item: by itself, zod writes a complaint about each, and a message of 1 MiB
 * has room for a million of them.
 */
function list<T>(item: z.ZodType<T>, most: number): z.ZodType<readonly T[]> {
  return z.array(z.unknown()).max(most).transform((items, context): readonly T[] => {
    const values: T[] = [];
    for (const [i, found] of items.entries()) {
      const result = item.safeParse(found);
      if (!result.success) {
        const [issue] = result.error.issues;
        context.addIssue({ code: "custom", path: [i, ...issue?.path ?? []], message: issue?.message ?? "" });
        return z.NEVER;
      }
      values.push(result.data);
    }
    return values;
  });
}

const range: z.ZodType<Range> = z.strictObject({ start: count, end: count });
const ranges: z.ZodType<readonly Range[]> = list(range, MOST_RANGES)
  .refine(isRangeSet, "are not sorted, apart and non-empty");
const blob: z.ZodType<BlobName> = z.strictObject({ digest, sizeBytes: count.max(LARGEST_BLOB_BYTES) });

const figures = {
  tests: count.min(1),
  variance: z.number().min(0).max(LARGEST_NOISE),
  signal: z.number().min(-LARGEST_NOISE).max(LARGEST_NOISE),
  along: z.number().min(0).max(LARGEST_NOISE),
};
const sketch: z.ZodType<GradientSketch> = z.strictObject({
  codes: z.instanceof(Uint8Array)
    .refine((bytes) => bytes.length === SKETCH_VALUES, `is not ${SKETCH_VALUES} bytes`)
    .transform((bytes) => bytes.slice()), // a view would keep the whole frame in memory
  exponent: z.int().min(-LARGEST_EXPONENT).max(LARGEST_EXPONENT),
  sequences: batchSize,
});
const noise: z.ZodType<GradientStatistics> = z.strictObject({
  ...figures,
  sketch: sketch.nullable(),
});

const offer: z.ZodType<Offer> = z.strictObject({
  kind: z.literal("offer"),
  run: digest,
  peer,
  round: count,
  parent: digest,
  base: digest,
  blob: blob.nullable(),
  tokens: count,
  steps: count,
  batch: count,
  microBatch: count,
  ranges,
  loss: amount,
  heldOut: amount.nullable(),
  noise: noise.nullable(),
  speed: amount,
  computeMs: ms,
  idleMs: ms,
  waitMs: ms,
  transferMs: ms,
  nextMs: ms,
  leaving: z.boolean(),
  name: label,
  device: label,
});

const change: z.ZodType<Change> = z.strictObject({
  kind: z.literal("change"),
  run: digest,
  number: count.min(1),
  allowed: list(peer, MOST_ALLOWED).refine(isAscending, "are not sorted, each once"),
});
const signedChange: z.ZodType<Signed<Change>> = z.strictObject({ kind: z.literal("signed"), body: change, signature });

const counted: z.ZodType<Counted> = z.strictObject({ offer: digest, peer, age: count });

const met: z.ZodType<Met> = z.strictObject({ cell, record: digest, known: ranges, rest: digest, weights: blob });

const record: z.ZodType<RoundRecord> = z.strictObject({
  kind: z.literal("record"),
  run: digest,
  round: count,
  parents: list(digest, 2),
  bases: list(digest, 2),
  weights: list(blob, 2),
  counted: list(counted, MOST_COUNTED),
  scribe: z.union([peer, nobody]),
  attempt: count,
  change: signedChange.nullable(),
  cell,
  met: met.nullable(),
});

const signedOffer: z.ZodType<Signed<Offer>> = z.strictObject({ kind: z.literal("signed"), body: offer, signature });
const signedRecord: z.ZodType<Signed<RoundRecord>> = z.strictObject({
  kind: z.literal("signed"),
  body: record,
  signature: z.union([signature, noSignature]),
}).refine(
  ({ body, signature }) =>
    (body.round === 0) === (body.scribe === "") && (body.round === 0) === (signature.length === 0),
  "only the genesis record has neither scribe nor signature",
);

const member: z.ZodType<Member> = z.strictObject({
  peer,
  since: count,
  lastCounted: count,
  speed: amount,
  nextMs: ms,
  name: label,
});
const lease: z.ZodType<Lease> = z.strictObject({ peer, ranges });
const recent: z.ZodType<Recent> = z.strictObject({
  record: digest,
  round: count,
  parents: list(digest, 2),
  bases: list(digest, 2),
  counted: list(digest, MOST_RECENTLY_COUNTED),
  blobs: list(digest, MOST_RECENTLY_COUNTED),
});

const encoding: z.ZodType<EncodingState> = z.strictObject({
  codec: z.enum(["f32", "int8", "topk"]),
  kept: z.literal([64, 128, 256, 512, 4096]),
  since: count,
  streak: z.int().min(-1e9).max(1e9),
});

const batchState: z.ZodType<BatchState> = z.strictObject({
  request: batchSize,
  wanted: batchSize,
  steps: count,
  noise: z.strictObject(figures).nullable(),
});

const chain: z.ZodType<ChainState> = z.strictObject({
  round: count,
  head: digest,
  cell,
  met: list(count, MOST_CELL_DIGITS),
  weight: amount,
  tokens: count,
  usual: count,
  members: signedChange.nullable(),
  roster: list(member, MOST_MEMBERS),
  ledger: z.strictObject({
    cursor: count,
    leases: list(lease, MOST_MEMBERS),
    returned: ranges,
    duplicated: count,
  }),
  roundMs: ms,
  batch: batchState,
  encoding,
  evaluator: peer.nullable(),
  recent: list(recent, MOST_RECENT),
});

const stateParts = { record: signedRecord, chain, weights: blob };

const plainMessages = z.discriminatedUnion("kind", [
  z.strictObject({
    kind: z.literal("beat"),
    run: digest,
    peer,
    head: digest,
    base: digest,
    round: count,
    weight: amount,
    change: count,
    cell,
  }),
  z.strictObject({
    kind: z.literal("pull"),
    run: digest,
    have: list(digest, MOST_DIGESTS),
    want: list(digest, MOST_DIGESTS),
  }),
  z.strictObject({
    kind: z.literal("history"),
    run: digest,
    records: list(signedRecord, MOST_RECORDS),
    offers: list(signedOffer, MOST_OFFERS),
  }),
  z.strictObject({ kind: z.literal("ask-state"), run: digest }),
  z.strictObject({ kind: z.literal("state-at"), run: digest, ...stateParts }),
]);

const journalEntry: z.ZodType<JournalEntry> = z.discriminatedUnion("kind", [
  z.strictObject({ kind: z.literal("record"), record: signedRecord }),
  z.strictObject({ kind: z.literal("offer"), offer: signedOffer }),
  z.strictObject({ kind: z.literal("refuted"), offer: signedOffer, reason: z.string() }),
  z.strictObject({ kind: z.literal("change"), change: signedChange }),
  z.strictObject({ kind: z.literal("state"), ...stateParts }),
]);

/** @throws {Error} if the message holds what DAG-CBOR cannot say: `undefined`, NaN. */
export function encodeMessage(message: Message): Uint8Array<ArrayBuffer> {
  return frame(message);
}

/** Reads a message of this run. */
export function decodeMessage(bytes: Uint8Array, run: Digest): Decoded<Message> {
  const opened = open(bytes);
  if (!opened.ok) return opened;
  const found = runOf(opened.value);
  if (found !== run) return refused(`is of another run: found ${short(found)}, wanted ${run}`);
  const checked = check(messageSchema(opened.value), opened.value);
  if (!checked.ok) return checked;
  const message = checked.value;
  if (message.kind === "state-at" && message.record.body.run !== run) {
    return refused("holds a record of another run");
  }
  return checked;
}

export function encodeJournalEntry(entry: JournalEntry): Uint8Array<ArrayBuffer> {
  return frame(entry);
}

/** Of the program that wrote an entry; 0 if it has not even that. */
export function entryVersion(bytes: Uint8Array): number {
  return bytes[0] ?? 0;
}

/** Reads what `encodeJournalEntry` wrote, whoever may have changed it since. */
export function decodeJournalEntry(bytes: Uint8Array): Decoded<JournalEntry> {
  const opened = open(bytes);
  return opened.ok ? check(journalEntry, opened.value) : opened;
}

function frame(value: unknown): Uint8Array<ArrayBuffer> {
  const content = encode(value);
  const bytes = new Uint8Array(content.length + 1);
  bytes[0] = WIRE_VERSION;
  bytes.set(content, 1);
  return bytes;
}

function open(bytes: Uint8Array): Decoded<unknown> {
  if (bytes[0] !== WIRE_VERSION) {
    return refused(`has version ${bytes[0] ?? "none"}, this program reads ${WIRE_VERSION}`);
  }
  try {
    return { ok: true, value: decode(bytes.subarray(1)) };
  } catch (error) {
    return refused(`is no DAG-CBOR: ${reasonOf(error)}`);
  }
}

/** The one schema that a message of its kind may match, so that a refusal names the field and not a list of guesses. */
function messageSchema(value: unknown): z.ZodType<Message> {
  if (field(value, "kind") !== "signed") return plainMessages;
  const kind = field(field(value, "body"), "kind");
  return kind === "record" ? signedRecord : kind === "change" ? signedChange : signedOffer;
}

function isAscending(texts: readonly string[]): boolean {
  return texts.every((text, i) => i === 0 || texts[i - 1]! < text);
}

function runOf(value: unknown): unknown {
  return field(value, "kind") === "signed" ? field(field(value, "body"), "run") : field(value, "run");
}

function check<T>(schema: z.ZodType<T>, value: unknown): Decoded<T> {
  const result = schema.safeParse(value);
  if (result.success) return { ok: true, value: result.data };
  const [issue] = result.error.issues;
  return refused(`field '${issue?.path.join(".").slice(0, 200)}' is invalid: ${issue?.message.slice(0, 200)}`);
}

/** A reason may quote what came, and is shown to people. */
function refused(reason: string): { readonly ok: false; readonly reason: string } {
  return { ok: false, reason: toPlainText(reason) };
}

function field(value: unknown, key: string): unknown {
  if (typeof value !== "object" || value === null || !Object.hasOwn(value, key)) return undefined;
  return Reflect.get(value, key);
}

function short(value: unknown): string {
  return typeof value === "string" ? value.slice(0, 64) : typeof value;
}
