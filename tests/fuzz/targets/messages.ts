/**
 * Bytes of strangers that become messages, and bytes of a journal that become entries.
 * @module
 */
import { strict as assert } from "node:assert";
import { encode } from "@ipld/dag-cbor";
import {
  type Decoded,
  decodeJournalEntry,
  decodeMessage,
  encodeJournalEntry,
  encodeMessage,
  WIRE_VERSION,
} from "../../../p2p/wire.ts";
import type { Chance } from "../../chance.ts";
import { mutated } from "../bytes.ts";
import { looseCbor } from "../cbor.ts";
import { entries, messages, RULES } from "../samples.ts";
import { type Case, independent, type Target } from "../target.ts";
import { absurd } from "../values.ts";

const messageBytes = messages.map(encodeMessage), entryBytes = entries.map(encodeJournalEntry);

export const messageTargets: readonly Target[] = [
  independent("message", 200, (chance) => {
    const bytes = chance.happens(0.5) ? mutated(chance.pick(messageBytes), chance, chance.pick(messageBytes)) : null;
    return expectStable(bytes ?? frame(chance.pick(messages), chance.pick(messages), chance), {
      decode: (bytes) => decodeMessage(bytes, RULES.run),
      encode: encodeMessage,
    });
  }),
  independent("journal entry", 60, (chance) => {
    const bytes = chance.happens(0.5) ? mutated(chance.pick(entryBytes), chance, chance.pick(entryBytes)) : null;
    return expectStable(bytes ?? frame(chance.pick(entries), chance.pick(entries), chance), {
      decode: decodeJournalEntry,
      encode: encodeJournalEntry,
    });
  }),
];

/** A structure that is wrong somewhere, written well or badly. */
function frame(value: unknown, other: unknown, chance: Chance): Uint8Array<ArrayBuffer> {
  const wrong = chance.happens(0.9) ? absurd(value, chance, other) : value;
  const content = chance.happens(0.7) ? canonical(wrong) ?? looseCbor(wrong, chance) : looseCbor(wrong, chance);
  const bytes = new Uint8Array(content.length + 1);
  bytes[0] = WIRE_VERSION;
  bytes.set(content, 1);
  return bytes;
}

/** Null for what DAG-CBOR cannot say. */
function canonical(value: unknown): Uint8Array | null {
  try {
    return encode(value);
  } catch {
    return null;
  }
}

/** What is accepted is the same after encoding and decoding; what is not has a reason that can be shown. */
function expectStable<T>(bytes: Uint8Array, { decode, encode }: {
  readonly decode: (bytes: Uint8Array) => Decoded<T>;
  readonly encode: (value: T) => Uint8Array;
}): Case {
  const run = () => {
    const decoded = decode(bytes);
    if (!decoded.ok) {
      assert.ok(decoded.reason.length > 0 && decoded.reason.length < 1000, `a reason of ${decoded.reason.length}`);
      return false;
    }
    assert.deepEqual(decode(encode(decoded.value)), decoded);
    return true;
  };
  return { sizeBytes: bytes.length, run };
}
