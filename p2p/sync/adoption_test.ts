import { strict as assert } from "node:assert";
import { beginning, type Chapter, following, historyRules as rules } from "../../tests/tiny_history.ts";
import { adopt, refute } from "./adoption.ts";
import { createCore } from "./core.ts";
import { bodyDigest } from "./digest.ts";
import type { CoreOptions, Effect, Input, JournalEntry, SyncEvent } from "./effects.ts";
import type { State } from "./link.ts";
import { Parts } from "./parts.ts";
import { RULEBOOK } from "./rulebook.ts";
import type { Digest, PeerId } from "./types.ts";

const finch = "finch" as PeerId, robin = "robin" as PeerId, wren = "wren" as PeerId;
const REASON = "its values are not finite";
const OPTIONS: CoreOptions = {
  self: robin,
  rules,
  name: "robin",
  device: "cpu",
  sign: () => new Uint8Array(),
  verify: () => true,
};

const genesis = beginning(), first = following(genesis, [finch, wren]), second = following(first, [finch, wren]);
/** Two records after the second, the heavier one with its sequel. */
const light = following(second, [wren]), heavy = following(second, [finch, wren]), last = following(heavy, [finch]);

/** What a peer is made of when it knows these rounds; of those that are held it has the weights. */
function begin(
  chapters: readonly Chapter[],
  isHeld: (chapter: Chapter) => boolean = () => true,
  self: PeerId = robin,
) {
  const parts = new Parts({ ...OPTIONS, self }, RULEBOOK);
  const { book } = parts, states = new Map<Chapter, State>();
  parts.exchange.connect(finch);
  book.addPast(genesis.record, genesis.chain);
  for (const chapter of chapters) {
    const { record, offers, weights } = chapter, digest = bodyDigest(record.body);
    for (const offer of offers) {
      book.offers.add(bodyDigest(offer.body), offer, { nowMs: 0, own: false, journaled: false });
    }
    book.addRecord(digest, record, { nowMs: 0, journaled: true });
    parts.resolve();
    const link = book.links.get(digest)!;
    assert.equal(link.stage.kind, "complete");
    if (isHeld(chapter)) states.set(chapter, book.hold(link, weights)!);
  }
  return { parts, stateAfter: (chapter: Chapter) => states.get(chapter)! };
}

/** What a peer does first that finds this on its disk. */
function started(journal: readonly JournalEntry[]): readonly Effect[] {
  const core = createCore(OPTIONS);
  return core.handle(0, { kind: "start", initial: first.weights, found: false, journal });
}

/** What follows when the first contribution that this round counts turns out to be none. */
function refuteFirst(parts: Parts, { offers }: Chapter) {
  const [{ body }] = offers as [typeof offers[number]], held = parts.book.offers.find(bodyDigest(body))!;
  parts.book.offers.judge(held, { valid: false, reason: REASON });
  parts.takeEffects();
  refute(parts, held, REASON);
  const effects = parts.takeEffects();
  return { author: body.peer, digest: held.digest, effects, events: eventsOf(effects) };
}

function eventsOf(effects: readonly Effect[]): readonly SyncEvent[] {
  return effects.flatMap((effect) => effect.kind === "report" ? [effect.event] : []);
}

function adopted(effects: readonly Effect[]): readonly Digest[] {
  return effects.flatMap((effect) => effect.kind === "adopted" ? [effect.chain.head] : []);
}

Deno.test("a peer that stands on garbage names who made it and who counted it, and goes on from the heaviest state left", () => {
  const { parts, stateAfter } = begin([first, second, light, heavy, last]);
  adopt(parts, stateAfter(last));
  const { author, digest, effects, events } = refuteFirst(parts, heavy);
  assert.deepEqual(events.filter(({ kind }) => kind === "rejected"), [
    { kind: "rejected", what: "offer", peer: author, reason: REASON },
    {
      kind: "rejected",
      what: "record 3",
      peer: heavy.record.body.scribe,
      reason: `it counts offer ${digest} although ${REASON}`,
    },
  ]);
  assert.ok(events.some((event) => event.kind === "waiting" && event.reason === "round 4 follows an invalid record"));
  assert.deepEqual(adopted(effects), [light.chain.head]);
  assert.equal(parts.head, stateAfter(light));
  assert.ok(parts.book.isHopeless(parts.book.links.get(last.chain.head)!));
});

Deno.test("a peer whose every state follows garbage stands on none, trains no more, and asks as if it were new", () => {
  const { parts, stateAfter } = begin([first, second, heavy, last], (chapter) => chapter === heavy || chapter === last);
  adopt(parts, stateAfter(last));
  const { effects } = refuteFirst(parts, second);
  assert.equal(parts.head, null);
  assert.deepEqual(adopted(effects), []);
  assert.ok(effects.some(({ kind }) => kind === "rest"));
  assert.deepEqual(
    effects.flatMap((effect) => effect.kind === "send" ? [[effect.to, effect.message.kind]] : []),
    [[finch, "ask-state"]],
  );
});

Deno.test("garbage that another history counts costs this peer nothing, and its scribe is named", () => {
  const { parts, stateAfter } = begin([first, second, light, heavy]);
  adopt(parts, stateAfter(light));
  const { effects, events } = refuteFirst(parts, heavy);
  assert.deepEqual(events.map(({ kind }) => kind), ["rejected", "rejected"]);
  const [written, ...others] = effects.filter(({ kind }) => kind !== "report");
  assert.deepEqual(written, { kind: "journal", entry: { kind: "refuted", offer: heavy.offers[0], reason: REASON } });
  assert.deepEqual(others, []);
  assert.equal(parts.head, stateAfter(light));
  assert.equal(
    parts.book.heaviestFolded(stateAfter(light), () => false),
    stateAfter(light),
    "it is not adopted any more",
  );
});

Deno.test("what was found out to follow garbage stays so after a restart", () => {
  const state = ({ record, chain, weights }: Chapter) => ({ kind: "state", record, chain, weights }) as const;
  const journal: readonly JournalEntry[] = [
    ...[first, second, light, heavy].flatMap((chapter) => [
      ...chapter.offers.map((offer) => ({ kind: "offer", offer }) as const),
      { kind: "record", record: chapter.record } as const,
      state(chapter),
    ]),
    { kind: "refuted", offer: heavy.offers[0]!, reason: REASON },
  ];
  const heads = (journal: readonly JournalEntry[]) => {
    return started(journal).flatMap((effect) => effect.kind === "load" ? [effect.weights] : []);
  };
  assert.deepEqual(heads(journal.slice(0, -1)), [heavy.weights]);
  assert.deepEqual(heads(journal), [light.weights]);
});

Deno.test("what is found out to follow garbage while its weights are on their way is not taken", () => {
  const journal = [first, second, heavy].flatMap(({ offers, record, chain, weights }): readonly JournalEntry[] => [
    ...offers.map((offer) => ({ kind: "offer", offer }) as const),
    { kind: "record", record },
    { kind: "state", record, chain, weights },
  ]);
  const heads = (input: readonly Input[]) => {
    const core = createCore(OPTIONS), start = { kind: "start", initial: first.weights, found: false, journal } as const;
    return [start, ...input].flatMap((input) => adopted(core.handle(0, input)));
  };
  const loaded = { kind: "loaded", weights: heavy.weights.digest } as const;
  const verdict = { valid: false, reason: REASON } as const, offer = bodyDigest(heavy.offers[0]!.body);
  assert.deepEqual(heads([loaded]), [heavy.chain.head]);
  assert.deepEqual(heads([{ kind: "fetched", offer, verdict }, loaded]), []);
});

Deno.test("garbage that no record counts is named, and nothing else happens", () => {
  const { parts, stateAfter } = begin([first, second]);
  adopt(parts, stateAfter(second));
  for (const offer of light.offers) {
    parts.book.offers.add(bodyDigest(offer.body), offer, { nowMs: 0, own: false, journaled: false });
  }
  const { author, effects } = refuteFirst(parts, light);
  assert.deepEqual(eventsOf(effects), [{ kind: "rejected", what: "offer", peer: author, reason: REASON }]);
  assert.equal(effects.length, 1);
  assert.equal(parts.head, stateAfter(second));
});

Deno.test("a peer that begins again tells when it was admitted, and calls nobody new who was there before", () => {
  const joined = (self: PeerId, chapter: Chapter) => {
    const { parts, stateAfter } = begin([first, second, light], () => true, self);
    adopt(parts, stateAfter(chapter));
    return eventsOf(parts.takeEffects()).flatMap((event) => event.kind === "joined" ? [[event.peer, event.round]] : []);
  };
  assert.deepEqual(joined(finch, first), [[finch, 1], [wren, 1]], "the record before it admitted both");
  assert.deepEqual(joined(finch, light), [[finch, 1]]);
  assert.deepEqual(joined(robin, light), []);
});

Deno.test("a peer that goes over to a heavier history of far fewer rounds keeps what it offers there: it may be counted", () => {
  const { parts, stateAfter } = begin([first, second]);
  const record = { ...second.record, body: { ...second.record.body, round: 1000 } }, head = bodyDigest(record.body);
  const far = parts.book.addState(record, { chain: { ...second.chain, round: 1000, head }, weights: second.weights });
  adopt(parts, far);
  adopt(parts, stateAfter(second));
  const own = [...parts.book.offers.values()].filter(({ signed: { body } }) => body.peer === robin);
  assert.ok(own.some(({ signed: { body } }) => body.parent === second.chain.head), "it asks to be admitted");
});
