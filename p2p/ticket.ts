/**
 * A ticket: everything needed to join a run, as one word that can be pasted into a message.
 *
 * `star1` and base32 of a DAG-CBOR map, then the first 4 bytes of the SHA-256 of what precedes. A private run's ticket
 * holds the key that lets peers in: whoever has it can join. Parsing never throws: it says what is wrong.
 * @module
 */
import { decode, encode } from "@ipld/dag-cbor";
import { sha256 } from "@noble/hashes/sha2.js";
import { concat, equals, fromString, toString } from "uint8arrays";
import { z } from "zod";
import { isPlainText } from "./plain_text.ts";
import type { Digest } from "./sync/types.ts";

const NETWORK_KEY_BYTES = 32;

/** What a ticket says. */
export interface Ticket {
  readonly run: Digest;
  /** The run's name, for people (`RUN_NAME`). */
  readonly name: string;
  /** Where its peers can be dialled, the best first; each ends in a peer id. */
  readonly addresses: readonly string[];
  /** The pre-shared key of a private run; null in an open one. */
  readonly networkKey: Uint8Array<ArrayBuffer> | null;
}

/** A ticket, or why the text is none. */
export type ParsedTicket =
  | { readonly ok: true; readonly ticket: Ticket }
  | { readonly ok: false; readonly reason: string };

/** Names of runs: whoever joins gets a folder of this name, so it is no path. */
export const RUN_NAME = /^[a-z0-9][a-z0-9-]{0,39}$/;

const PREFIX = "star";
const VERSION = 1;
const CHECK_BYTES = 4;
const LONGEST_TICKET = 4096;

const schema = z.strictObject({
  run: z.instanceof(Uint8Array).refine((bytes) => bytes.length === 32),
  name: z.string().regex(RUN_NAME),
  addresses: z.array(z.string().min(1).max(300).refine(isPlainText)).min(1).max(16),
  key: z.instanceof(Uint8Array).refine((bytes) => bytes.length === NETWORK_KEY_BYTES).nullable(),
});

/**
 * The ticket as one word.
 * @throws {RangeError} if it has no address, or too many or too long parts.
 */
export function formatTicket({ run, name, addresses, networkKey }: Ticket): string {
  const content = { run: fromString(run, "base16"), name, addresses: [...addresses], key: networkKey };
  const valid = schema.safeParse(content);
  if (!valid.success) throw new RangeError(`Cannot make a ticket: ${z.prettifyError(valid.error)}`);
  const bytes = encode(content);
  const text = `${PREFIX}${VERSION}`;
  return text + toString(concat([bytes, check(text, bytes)]), "base32");
}

/** Reads a ticket as people paste it: spaces, line breaks and capitals do not matter. */
export function parseTicket(pasted: string): ParsedTicket {
  const text = pasted.replace(/\s/g, "").toLowerCase();
  const refuse = (reason: string): ParsedTicket => ({ ok: false, reason });
  const match = /^star(\d{1,3})([a-z2-7].*)?$/.exec(text);
  if (match === null || text.length > LONGEST_TICKET) {
    return refuse(`This is not a ticket: tickets are one word that begins with "${PREFIX}${VERSION}".`);
  }
  const version = Number(match[1]);
  if (version > VERSION) {
    return refuse(`This ticket has version ${version}, newer than this program understands (${VERSION}). Update it.`);
  }
  const damaged = "This ticket is damaged: its checksum is wrong. Was it cut short? Copy it again, all of it.";
  const bytes = fromBase32(match[2] ?? "");
  const content = bytes?.subarray(0, -CHECK_BYTES);
  if (bytes === null || content === undefined || version < VERSION) return refuse(damaged);
  if (!equals(bytes.subarray(-CHECK_BYTES), check(`${PREFIX}${version}`, content))) return refuse(damaged);
  const parsed = parseContent(content);
  if (parsed === null) return refuse("This ticket is invalid: its parts are not those of a ticket. Ask for another.");
  return { ok: true, ticket: parsed };
}

function fromBase32(text: string): Uint8Array | null {
  try {
    return fromString(text, "base32");
  } catch {
    return null; // a letter that is none of base32, or bits left over
  }
}

function parseContent(bytes: Uint8Array): Ticket | null {
  try {
    const { run, name, addresses, key } = schema.parse(decode(bytes));
    const networkKey = key === null ? null : new Uint8Array(key);
    return { run: toString(run, "base16") as Digest, name, addresses, networkKey };
  } catch {
    return null;
  }
}

function check(prefix: string, bytes: Uint8Array): Uint8Array {
  return sha256(concat([new TextEncoder().encode(prefix), bytes])).subarray(0, CHECK_BYTES);
}
