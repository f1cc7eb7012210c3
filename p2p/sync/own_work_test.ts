import { strict as assert } from "node:assert";
import { type Chapter, historyOf, historyRules as rules } from "../../tests/tiny_history.ts";
import { createCore } from "./core.ts";
import { bodyDigest, digestOf } from "./digest.ts";
import type { Effect, Input, JournalEntry } from "./effects.ts";
import { NO_WORK } from "./offer.ts";
import { longestMs } from "./scribe.ts";
import type { PeerId } from "./types.ts";

const robin = "robin" as PeerId;
/** The peer is watched for so many of the longest rounds. */
const WATCHED_ROUNDS = 4;

/** Some rounds, and the one after them, of which robin has written down its own offer alone. */
const [begun, ...rounds] = historyOf([robin], 4) as [Chapter, ...Chapter[]], next = rounds.pop()!;
const lost = next.offers.find(({ body }) => body.peer === robin)!;

Deno.test("a peer whose disk has lost its offer makes one other, however often the lost one is looked for, and closes with that", () => {
  const core = createCore({ self: robin, rules, name: "robin", device: "cpu", sign: () => new Uint8Array(), verify });
  const journal: readonly JournalEntry[] = [...rounds.flatMap(journalOf), { kind: "offer", offer: lost }];
  const inputs: Input[] = [{ kind: "start", initial: begun.weights, found: false, journal }];
  let now = 0, cuts = 0, looks = 0, wroteAtMs = Infinity;
  const answer = (effect: Effect) => {
    if (effect.kind === "load") inputs.push({ kind: "loaded", weights: effect.weights.digest });
    if (effect.kind === "fetch") {
      if (effect.digest === bodyDigest(lost.body)) looks++;
      inputs.push({ kind: "missing", offer: effect.digest, reason: "nobody has it" });
    }
    if (effect.kind === "announce" && effect.message.kind === "signed" && effect.message.body.kind === "record") {
      wroteAtMs = Math.min(wroteAtMs, now);
    }
    if (effect.kind !== "contribute") return;
    const blob = { digest: digestOf(cuts++), sizeBytes: 1 };
    inputs.push({ kind: "contributed", contribution: { ...NO_WORK, round: next.record.body.round }, blob });
  };
  while (now < WATCHED_ROUNDS * rules.longestRoundMs) {
    const input = inputs.shift();
    if (input === undefined) now = Math.max(now, core.deadline!);
    core.handle(now, input ?? { kind: "tick" }).forEach(answer);
  }
  assert.ok(looks > 2, `${looks} looks`);
  assert.equal(cuts, 1);
  assert.ok(wroteAtMs < longestMs(rounds.at(-1)!.chain.roundMs), `after ${wroteAtMs} ms`);
});

function journalOf({ offers, record, chain, weights }: Chapter): readonly JournalEntry[] {
  const kept = offers.map((offer) => ({ kind: "offer", offer }) as const);
  return [...kept, { kind: "record", record }, { kind: "state", record, chain, weights }];
}

function verify(): boolean {
  return true;
}
