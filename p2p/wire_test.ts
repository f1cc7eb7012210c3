import { encode } from "@ipld/dag-cbor";
import { strict as assert } from "node:assert";
import { getHeapStatistics } from "node:v8";
import { identityFromSeed } from "./identity.ts";
import { LARGEST_MESSAGE_BYTES } from "./net/transport.ts";
import type { JournalEntry } from "./sync/effects.ts";
import type { ChainState, Change, Digest, Message, Offer, PeerId, RoundRecord, Signed } from "./sync/types.ts";
import { decodeJournalEntry, decodeMessage, encodeJournalEntry, encodeMessage, WIRE_VERSION } from "./wire.ts";

const run = "aa".repeat(32) as Digest, digest = "bb".repeat(32) as Digest;
const { peer } = identityFromSeed(new Uint8Array(32).fill(1));
const signature = new Uint8Array(64).fill(5);

const offer: Offer = {
  kind: "offer",
  run,
  peer,
  round: 3,
  parent: digest,
  base: digest,
  blob: { digest, sizeBytes: 12345 },
  tokens: 4096,
  steps: 8,
  batch: 4,
  microBatch: 2,
  ranges: [{ start: 0, end: 40 }, { start: 64, end: 65 }],
  loss: 3.25,
  heldOut: null,
  noise: {
    tests: 2,
    variance: 1000,
    signal: -0.5,
    along: 25.6,
    sketch: { codes: new Uint8Array(256).fill(0x81), exponent: -7, sequences: 4 },
  },
  speed: 1234.5,
  computeMs: 900,
  idleMs: 0,
  waitMs: 10.5,
  transferMs: 0,
  nextMs: 1000,
  leaving: false,
  name: "wren",
  device: "cpu (wasm simd, 1 thread)",
};
const record: RoundRecord = {
  kind: "record",
  run,
  round: 3,
  parents: [digest],
  bases: [digest],
  weights: [],
  counted: [{ offer: digest, peer, age: 0 }],
  scribe: peer,
  attempt: 0,
  change: null,
  cell: "",
  met: null,
};
const signedChange: Signed<Change> = {
  kind: "signed",
  body: { kind: "change", run, number: 2, allowed: [peer] },
  signature,
};
const chain: ChainState = {
  round: 3,
  head: digest,
  cell: "01",
  met: [3, 0],
  weight: 4096,
  tokens: 4096,
  usual: 4096,
  members: signedChange,
  roster: [{ peer, since: 0, lastCounted: 3, speed: 1234.5, nextMs: 1000, name: "wren" }],
  ledger: {
    cursor: 128,
    leases: [{ peer, ranges: [{ start: 64, end: 128 }] }],
    returned: [{ start: 3, end: 5 }],
    duplicated: 0,
  },
  encoding: { codec: "topk", kept: 128, since: 3, streak: -1 },
  roundMs: 1000,
  batch: { request: 8, wanted: 12, steps: 7, noise: { tests: 2, variance: 1000, signal: -0.5, along: 25.6 } },
  evaluator: peer,
  recent: [{ record: digest, round: 3, parents: [digest], bases: [digest], counted: [digest], blobs: [digest] }],
};
const signedOffer: Signed<Offer> = { kind: "signed", body: offer, signature };
const signedRecord: Signed<RoundRecord> = { kind: "signed", body: record, signature };
const messages: readonly Message[] = [
  signedOffer,
  { ...signedOffer, body: { ...offer, blob: null, heldOut: 2.5, ranges: [] } },
  signedRecord,
  {
    ...signedRecord,
    body: {
      ...record,
      parents: [digest, run],
      bases: [digest, run],
      weights: [{ digest, sizeBytes: 1 }, { digest: run, sizeBytes: 1 }],
      counted: [],
    },
  },
  { ...signedRecord, body: { ...record, change: signedChange } },
  {
    ...signedRecord,
    body: {
      ...record,
      counted: [],
      cell: "01",
      met: {
        cell: "11",
        record: digest,
        known: [{ start: 0, end: 64 }],
        rest: digest,
        weights: { digest, sizeBytes: 1 },
      },
    },
  },
  signedChange,
  { kind: "beat", run, peer, head: digest, base: digest, round: 3, weight: 4096, change: 2, cell: "01" },
  { kind: "pull", run, have: [digest], want: [] },
  { kind: "history", run, records: [signedRecord, signedRecord], offers: [signedOffer] },
  { kind: "ask-state", run },
  { kind: "state-at", run, record: signedRecord, chain, weights: { digest, sizeBytes: 1 } },
];

/** Every second block of a million windows: no cells that are unequally far leave more ranges. */
const torn = Array.from({ length: 1e6 / 64 / 2 }, (_, i) => ({ start: 128 * i, end: 128 * i + 64 }));
const tornMeeting: Signed<RoundRecord> = {
  ...signedRecord,
  body: {
    ...record,
    counted: [],
    cell: "1*01",
    met: { cell: "*1", record: digest, known: torn, rest: digest, weights: { digest, sizeBytes: 1 } },
  },
};

Deno.test("a state of a run of a million windows fits a message, however unequally far its cells are", () => {
  const peers = Array.from({ length: 32 }, (_, i) => identityFromSeed(new Uint8Array(32).fill(i)).peer).sort();
  const leases = peers.map((peer, i) => ({ peer, ranges: torn.slice(100 * i, 100 * i + 30) }));
  const ledger = { ...chain.ledger, returned: torn, leases };
  const message: Message = {
    kind: "state-at",
    run,
    record: tornMeeting,
    chain: { ...chain, cell: "1*01", met: [0, 1, 2, 3], ledger },
    weights: { digest, sizeBytes: 1 },
  };
  const bytes = encodeMessage(message);
  assert.ok(bytes.length < LARGEST_MESSAGE_BYTES, `${bytes.length} bytes`);
  const decoded = decodeMessage(bytes, run);
  assert.ok(decoded.ok, decoded.ok ? "" : decoded.reason);
  assert.deepEqual(encodeMessage(decoded.value), bytes);
});

Deno.test("the name of a cell has digits and stars, and ends with a digit", () => {
  const of = (cell: string) => reason(encodeMessage({ ...signedRecord, body: { ...record, cell } }));
  for (const cell of ["0*", "*", "2", "0".repeat(31)]) assert.match(of(cell), /field 'body.cell' is invalid/, cell);
});

for (const [i, message] of messages.entries()) {
  Deno.test(`message ${i} (${message.kind}) is the same after encoding and decoding`, () => {
    assert.deepEqual(decodeMessage(encodeMessage(message), run), { ok: true, value: message });
  });

  Deno.test(`message ${i} (${message.kind}) is refused in another run and in another version`, () => {
    const bytes = encodeMessage(message);
    assert.match(reason(bytes, digest), /is of another run: found aaaa/);
    bytes[0] = WIRE_VERSION + 1;
    assert.match(reason(bytes), /has version 5, this program reads 4/);
  });
}

Deno.test("decodeMessage() gives a message up at its first wrong item, however many there are", () => {
  const wrong = { ...signedOffer, body: { ...offer, ranges: Array(2000).fill(0) } };
  const content = encode({ kind: "history", run, records: [], offers: Array(400).fill(wrong) });
  const bytes = new Uint8Array([WIRE_VERSION, ...content]), before = getHeapStatistics().used_heap_size;
  assert.match(reason(bytes), /^field 'offers\.0\.body\.ranges\.0' is invalid/);
  // A complaint about each of 800,000 items takes more than 300 MB.
  const takenBytes = getHeapStatistics().used_heap_size - before;
  assert.ok(takenBytes < 100e6, `${takenBytes} bytes for ${bytes.length}`);
});

Deno.test("journal entries are the same after encoding and decoding", () => {
  const entries: readonly JournalEntry[] = [
    { kind: "record", record: signedRecord },
    { kind: "offer", offer: signedOffer },
    { kind: "refuted", offer: signedOffer, reason: "its contribution cannot be decoded" },
    { kind: "change", change: signedChange },
    { kind: "state", record: signedRecord, chain, weights: { digest, sizeBytes: 1 } },
  ];
  for (const entry of entries) {
    assert.deepEqual(decodeJournalEntry(encodeJournalEntry(entry)), { ok: true, value: entry });
  }
  assert.equal(decodeJournalEntry(encodeMessage(messages[6]!)).ok, false);
});

const badOffers: readonly (readonly [string, Record<string, unknown>, RegExp])[] = [
  ["an unknown key", { surprise: 1 }, /Unrecognized key: "surprise"/],
  ["a negative number of tokens", { tokens: -1 }, /'body.tokens'/],
  ["a broken number of tokens", { tokens: 1.5 }, /'body.tokens'/],
  ["tokens beyond what a number can count", { tokens: 2 ** 60 }, /'body.tokens'/],
  ["a loss that is text", { loss: "3" }, /'body.loss'/],
  ["a name of 81 characters", { name: "x".repeat(81) }, /'body.name'/],
  ["a name that steers a terminal", { name: "wren\u001b[2J" }, /'body.name' is invalid: holds control characters/],
  ["a key that steers a terminal", { "\u001b[2J": 1 }, /^\P{Cc}*$/u],
  [
    "a run that steers a terminal",
    { run: "\u001b]0;you have mail\u0007" },
    /is of another run: found \ufffd\]0;you have/,
  ],
  ["a peer that is none", { peer: "wren" }, /'body.peer' is invalid: is no peer id/],
  ["a digest in capitals", { parent: "BB".repeat(32) }, /'body.parent'/],
  ["unsorted ranges", { ranges: [{ start: 5, end: 6 }, { start: 1, end: 2 }] }, /'body.ranges'.*not sorted/],
  ["overlapping ranges", { ranges: [{ start: 1, end: 6 }, { start: 5, end: 7 }] }, /'body.ranges'/],
  ["ranges that touch", { ranges: [{ start: 1, end: 5 }, { start: 5, end: 7 }] }, /'body.ranges'/],
  ["an empty range", { ranges: [{ start: 5, end: 5 }] }, /'body.ranges'/],
  [
    "too many ranges",
    { ranges: Array.from({ length: 20_000 }, (_, i) => ({ start: 2 * i, end: 2 * i + 1 })) },
    /ranges/,
  ],
  ["a blob larger than any", { blob: { digest, sizeBytes: 1e15 } }, /'body.blob.sizeBytes'/],
  ["a variance below 0", { noise: { ...offer.noise, variance: -1 } }, /'body.noise.variance'/],
  ["a signal far below 0", { noise: { ...offer.noise, signal: -1e19 } }, /'body.noise.signal'/],
  ["a noise beyond any", { noise: { ...offer.noise, along: 1e19 } }, /'body.noise.along'/],
  ["a noise of no step", { noise: { ...offer.noise, tests: 0 } }, /'body.noise.tests'/],
  [
    "a sketch of 257 values",
    { noise: { ...offer.noise, sketch: { ...offer.noise!.sketch, codes: new Uint8Array(257) } } },
    /'body.noise.sketch.codes' is invalid: is not 256 bytes/,
  ],
  ["a sketch that is text", { noise: { ...offer.noise, sketch: "0" } }, /'body.noise.sketch'/],
  [
    "a sketch of no sequences",
    { noise: { ...offer.noise, sketch: { ...offer.noise!.sketch, sequences: 0 } } },
    /'body.noise.sketch.sequences'/,
  ],
  [
    "a sketch of an exponent out of range",
    { noise: { ...offer.noise, sketch: { ...offer.noise!.sketch, exponent: 127 } } },
    /'body.noise.sketch.exponent'/,
  ],
  ["a day of the year 3000", { nextMs: 1e14 }, /'body.nextMs'/],
];

for (const [what, change, wanted] of badOffers) {
  Deno.test(`decodeMessage() refuses an offer with ${what}`, () => {
    const body = { ...offer, ...change };
    assert.match(reason(frame({ kind: "signed", body, signature })), wanted);
  });
}

Deno.test("decodeMessage() refuses a message without one of its keys, whichever", () => {
  for (const key of Object.keys(offer)) {
    const body = Object.fromEntries(Object.entries(offer).filter(([other]) => other !== key));
    assert.equal(decodeMessage(frame({ kind: "signed", body, signature }), run).ok, false, key);
  }
  for (const message of messages) {
    for (const key of Object.keys(message)) {
      const rest = Object.fromEntries(Object.entries(message).filter(([other]) => other !== key));
      assert.equal(decodeMessage(frame(rest), run).ok, false, `${message.kind} without ${key}`);
    }
  }
});

Deno.test("decodeMessage() refuses a short signature and keeps none of the frame it came in", () => {
  assert.match(
    reason(frame({ ...signedOffer, signature: signature.subarray(1) })),
    /'signature' is invalid/,
  );
  const decoded = decodeMessage(encodeMessage(signedOffer), run);
  assert.ok(decoded.ok && decoded.value.kind === "signed");
  assert.equal(decoded.value.signature.buffer.byteLength, 64);
  assert.ok(decoded.value.body.kind === "offer");
  assert.equal(decoded.value.body.noise!.sketch!.codes.buffer.byteLength, 256);
});

Deno.test("decodeMessage() refuses a state whose record is of another run", () => {
  const foreign = { ...signedRecord, body: { ...record, run: digest } };
  const message: Message = { kind: "state-at", run, record: foreign, chain, weights: { digest, sizeBytes: 1 } };
  assert.match(reason(encodeMessage(message)), /holds a record of another run/);
});

Deno.test("decodeMessage() takes a record without scribe and signature for the genesis record alone", () => {
  const genesis: Signed<RoundRecord> = {
    kind: "signed",
    body: { ...record, round: 0, parents: [], bases: [], counted: [], scribe: "" as PeerId },
    signature: new Uint8Array(),
  };
  assert.deepEqual(decodeMessage(encodeMessage(genesis), run), { ok: true, value: genesis });
  const wrong = [
    { ...genesis, signature },
    { ...genesis, body: { ...genesis.body, round: 1 } },
    { ...genesis, body: { ...genesis.body, scribe: peer } },
    { ...signedRecord, signature: new Uint8Array() },
    { ...signedOffer, signature: new Uint8Array() },
  ];
  for (const message of wrong) assert.equal(decodeMessage(encodeMessage(message), run).ok, false);
});

Deno.test("decodeMessage() refuses frames built to break a decoder", () => {
  const frames = [
    new Uint8Array(),
    new Uint8Array([1]),
    Uint8Array.from([1, ...new Array<number>(100_000).fill(0x81)]), // arrays in arrays
    Uint8Array.from([1, 0x9b, 0, 0, 0, 1, 0, 0, 0, 0]), // an array of 2^32
    Uint8Array.from([1, 0x5b, 0x7f, 255, 255, 255, 255, 255, 255, 255]), // bytes without end
    Uint8Array.from([1, 0xf9, 0x7e, 0]), // NaN
    frame(null),
    frame([]),
    frame("beat"),
    frame({ kind: "signed" }),
    frame({ kind: "signed", body: null, run }),
    frame({ kind: "constructor", run }),
    frame(Object.fromEntries([["kind", "beat"], ["run", run], ["toString", 1]])),
  ];
  for (const [i, bytes] of frames.entries()) assert.equal(decodeMessage(bytes, run).ok, false, `frame ${i}`);
});

Deno.test("decodeMessage() and decodeJournalEntry() never throw on 20,000 damaged frames", () => {
  const seed = 20261121;
  const random = mulberry32(seed);
  const originals = messages.map(encodeMessage);
  let accepted = 0;
  for (let i = 0; i < 20_000; i++) {
    let bytes = originals[Math.floor(random() * originals.length)]!.slice();
    for (let n = 1 + Math.floor(random() * 4); n > 0; n--) {
      const at = 1 + Math.floor(random() * (bytes.length - 1));
      const how = random();
      if (how < 0.6) bytes[at] = Math.floor(random() * 256);
      else if (how < 0.8) bytes = bytes.slice(0, at);
      else bytes = Uint8Array.from([...bytes.subarray(0, at), ...bytes.subarray(Math.floor(random() * at))]);
    }
    try {
      const decoded = decodeMessage(bytes, run);
      if (decoded.ok) {
        accepted++;
        encodeMessage(decoded.value); // what was accepted can be passed on
      }
      decodeJournalEntry(bytes);
    } catch (error) {
      assert.fail(`seed ${seed}, frame ${i} threw: ${error}`);
    }
  }
  // Some damage hits a signature, a name or a digit of a number and leaves a valid message.
  assert.ok(accepted > 100 && accepted < 15_000, `${accepted} accepted`);
});

function frame(value: unknown): Uint8Array {
  return Uint8Array.from([WIRE_VERSION, ...encode(value)]);
}

function reason(bytes: Uint8Array, wanted: Digest = run): string {
  const decoded = decodeMessage(bytes, wanted);
  assert.equal(decoded.ok, false);
  return decoded.ok ? "" : decoded.reason;
}

/** A small generator of pseudo-random numbers in [0, 1). */
function mulberry32(seed: number): () => number {
  return () => {
    seed = (seed + 0x6d2b79f5) | 0;
    let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}
