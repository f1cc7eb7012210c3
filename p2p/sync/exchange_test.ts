import { strict as assert } from "node:assert";
import { type Chapter, following, historyOf, historyRules as rules, misranked } from "../../tests/tiny_history.ts";
import { createCore } from "./core.ts";
import type { Core, CoreOptions, Effect, Input, JournalEntry } from "./effects.ts";
import { Parts } from "./parts.ts";
import { RULEBOOK } from "./rulebook.ts";
import type { PeerId } from "./types.ts";

const robin = "robin" as PeerId, wren = "wren" as PeerId;
/** More than one answer to a pull holds, and fewer than a head's history is judged for. */
const ROUNDS = 24;
/** The newcomer is watched for so many of the longest rounds. */
const WATCHED_ROUNDS = 8;

/** What wren went on with alone after an invalid record; what follows that one is as it should be. */
function forged(): readonly Chapter[] {
  const chapters = [...historyOf([wren], 2)];
  chapters.push(misranked(chapters.at(-1)!, [wren]));
  while (chapters.length <= ROUNDS) chapters.push(following(chapters.at(-1)!, [wren]));
  return chapters;
}

/** Whether robin, who is new, takes a state of wren, the only one that it can ask, whose disk has this. */
function isTaken(history: readonly Chapter[]): boolean {
  const cores = new Map([robin, wren].map((self) => [self, coreOf(self)])), inputs: (readonly [PeerId, Input])[] = [];
  const start = { kind: "start", initial: history[0]!.weights, found: false } as const;
  inputs.push([wren, { ...start, journal: history.slice(1).flatMap(journalOf) }], [robin, { ...start, journal: [] }]);
  inputs.push([wren, { kind: "connected", peer: robin }], [robin, { kind: "connected", peer: wren }]);
  let isTaken = false;
  const follow = (self: PeerId, effect: Effect) => {
    if (effect.kind === "send") inputs.push([effect.to, { kind: "message", from: self, message: effect.message }]);
    if (effect.kind !== "load") return;
    if (self === robin) isTaken = true;
    inputs.push([self, { kind: "loaded", weights: effect.weights.digest }]);
  };
  for (let now = 0; !isTaken && now < WATCHED_ROUNDS * rules.longestRoundMs;) {
    if (inputs.length === 0) {
      now = Math.max(now, Math.min(...[...cores.values()].map(({ deadline }) => deadline!)));
      for (const self of cores.keys()) inputs.push([self, { kind: "tick" }]);
    }
    const [self, input] = inputs.shift()!;
    cores.get(self)!.handle(now, input).forEach((effect) => follow(self, effect));
  }
  return isTaken;
}

function coreOf(self: PeerId): Core {
  return createCore(optionsOf(self));
}

function optionsOf(self: PeerId): CoreOptions {
  return { self, rules, name: self, device: "cpu", sign: () => new Uint8Array(), verify: () => true };
}

function journalOf({ offers, record, chain, weights }: Chapter): readonly JournalEntry[] {
  const kept = offers.map((offer) => ({ kind: "offer", offer }) as const);
  return [...kept, { kind: "record", record }, { kind: "state", record, chain, weights }];
}

Deno.test("a newcomer takes the state of the only one that it can ask", () => {
  assert.ok(isTaken(historyOf([wren], ROUNDS)));
});

Deno.test("a newcomer that was given an invalid record takes no state that follows it, however long ago it was", () => {
  assert.ok(!isTaken(forged()));
});

/** Whom robin asks for a parent that it lacks, beat by beat; it is in a cell with all of these but the others. */
function askedInTurn(mates: readonly PeerId[], others: readonly PeerId[], beats: number): readonly PeerId[] {
  const parts = new Parts(optionsOf(robin), RULEBOOK), { book, context, exchange } = parts;
  const [begun, , last] = historyOf([wren], 2) as [Chapter, Chapter, Chapter];
  const head = book.addState(begun.record, begun);
  book.addRecord(last.chain.head, last.record, { nowMs: 0, journaled: false });
  [...mates, ...others].forEach((peer) => exchange.connect(peer));
  exchange.enter((peer) => !others.includes(peer));
  return Array.from({ length: beats }, (_, beat) => {
    parts.now = beat * rules.longestRoundMs;
    exchange.repair(context, { book, head });
    return parts.takeEffects().flatMap((effect) => effect.kind === "send" ? [effect.to] : []);
  }).flat();
}

Deno.test("what is missing is asked of everybody in turn, and of those of another cell every third time", () => {
  const names = ["crane", "eagle", "egret", "finch", "heron"].map((name) => name as PeerId), other = "wren" as PeerId;
  for (let count = 1; count <= names.length; count++) {
    const mates = names.slice(0, count), asked = askedInTurn(mates, [other], 3 * count);
    assert.equal(asked.filter((peer) => peer === other).length, count);
    for (const mate of mates) assert.equal(asked.filter((peer) => peer === mate).length, 2, `${mate} of ${count}`);
  }
});
