import { strict as assert } from "node:assert";
import { type Chapter, historyOf, historyRules as rules } from "../../tests/tiny_history.ts";
import { createCore } from "./core.ts";
import type { Effect, Input } from "./effects.ts";
import type { PeerId } from "./types.ts";

const finch = "finch" as PeerId, robin = "robin" as PeerId, wren = "wren" as PeerId;
const ROUNDS = 24;
/** Inputs within which a head is found, at most. */
const MOST_INPUTS = 100;

/** What robin has written down, and a longer history of the same run, without it, that others went on with. */
const own = historyOf([finch, robin], ROUNDS), others = historyOf([finch, wren], 2 * ROUNDS);

/** The last word on each of robin's offers, by round, once it has come back to this disk and has a head. */
function toldOnReturn({ isReadable }: { readonly isReadable: boolean }): ReadonlyMap<number, string> {
  const core = createCore({ self: robin, rules, name: "robin", device: "cpu", sign: () => new Uint8Array(), verify });
  const { record, chain, weights } = others.at(-1)!, told = new Map<number, string>();
  const inputs: Input[] = [
    { kind: "start", initial: own[0]!.weights, found: false, journal: own.slice(1).flatMap(journalOf) },
    { kind: "connected", peer: finch },
    { kind: "message", from: finch, message: { kind: "state-at", run: rules.run, record, chain, weights } },
  ];
  let hasHead = false;
  const answer = (effect: Effect) => {
    if (effect.kind === "adopted") hasHead = true;
    if (effect.kind === "report" && effect.event.kind === "fate") told.set(effect.event.round, effect.event.fate);
    if (effect.kind !== "load") return;
    const { weights: { digest }, from } = effect, reason = "it is damaged";
    const isHere = isReadable || from.length > 0;
    inputs.push(isHere ? { kind: "loaded", weights: digest } : { kind: "load-failed", weights: digest, reason });
  };
  for (let i = 0, now = 0; !hasHead && i < MOST_INPUTS; i++) {
    if (inputs.length === 0) now = Math.max(now, core.deadline!);
    core.handle(now, inputs.shift() ?? { kind: "tick" }).forEach(answer);
  }
  assert.ok(hasHead, "it found no head");
  return told;
}

function journalOf({ offers, record, chain, weights }: Chapter) {
  const kept = offers.map((offer) => ({ kind: "offer", offer }) as const);
  return [...kept, { kind: "record", record } as const, { kind: "state", record, chain, weights } as const];
}

function verify(): boolean {
  return true;
}

Deno.test("a peer that goes on from its own disk is not told again what became of its older offers", () => {
  const told = toldOnReturn({ isReadable: true });
  assert.equal(told.get(ROUNDS), "counted");
  assert.equal(told.get(2), undefined);
});

Deno.test("a peer whose disk has lost the run is told that it cannot see any more what became of each of its offers", () => {
  const told = toldOnReturn({ isReadable: false });
  const fates = Array.from({ length: ROUNDS }, (_, i) => told.get(i + 1));
  assert.deepEqual(fates, fates.map(() => "unknown"));
});
