/**
 * Many newcomers at once: room for a bounded number of strangers, nobody blamed, and everybody's turn comes.
 * @module
 */
import { strict as assert } from "node:assert";
import { genesisState } from "./chain.ts";
import { createCore } from "./core.ts";
import { bodyDigest, digestOf } from "./digest.ts";
import type { Effect, Input } from "./effects.ts";
import { buildOffer, NO_WORK } from "./offer.ts";
import { MOST_STRANGERS, OfferShelf } from "./offer_shelf.ts";
import type { Offer, PeerId, Signed } from "./types.ts";
import { tinyRules } from "../../tests/tiny_rules.ts";

const rules = tinyRules({ run: digestOf("run") }), genesis = genesisState(rules);
const weights = { digest: digestOf("weights"), sizeBytes: 1 };

/** What a newcomer asks to be admitted with. */
function zeroOffer(peer: string): Signed<Offer> {
  const times = { waitMs: 0, transferMs: 0, nextMs: 1, heldOut: null, leaving: false };
  const options = { rules, self: peer as PeerId, name: peer, device: "cpu", ...times };
  const body = buildOffer({ chain: genesis, base: digestOf("base") }, NO_WORK, options);
  return { kind: "signed", body, signature: new Uint8Array(64) };
}

const crowd = Array.from({ length: 200 }, (_, i) => zeroOffer(`stranger ${i}`));

function shelfWith(offers: readonly Signed<Offer>[]): OfferShelf {
  const shelf = new OfferShelf(rules, () => false), options = { nowMs: 0, own: false, journaled: false };
  for (const offer of offers) shelf.add(bodyDigest(offer.body), offer, { ...options, isStranger: true });
  return shelf;
}

Deno.test("offers are kept of 64 strangers at once, and of others as soon as those are members or too late", () => {
  const options = { nowMs: 0, own: false, journaled: false, isStranger: true };
  const bounds = { historyRound: -1, archiveRound: -1, isNear: () => false };
  for (
    const [isStranger, countableRound] of [[() => false, 0], [() => true, 2]] as const
  ) {
    const shelf = shelfWith(crowd);
    assert.equal(shelf.sizes["offers"], MOST_STRANGERS);
    assert.ok(shelf.isCrowded);
    shelf.prune({ ...bounds, isStranger, countableRound });
    assert.ok(!shelf.isCrowded);
    for (const offer of crowd) shelf.add(bodyDigest(offer.body), offer, options);
    assert.equal(shelf.sizes["offers"], 2 * MOST_STRANGERS);
  }
});

/** A peer that is about to have a state, and is no member yet. */
function newcomer(): { tell(input: Input): readonly Effect[] } {
  const core = createCore({
    self: "newcomer" as PeerId,
    rules,
    name: "newcomer",
    device: "cpu",
    sign: () => new Uint8Array(64),
    verify: () => true,
  });
  return { tell: (input) => core.handle(0, input) };
}

const asks = (effect: Effect) =>
  effect.kind === "announce" && effect.message.kind === "signed" && effect.message.body.kind === "offer";

Deno.test("a newcomer asks to be admitted at once, but in a crowd it waits for the next record, and says so", () => {
  for (const others of [crowd.slice(0, 10), crowd]) {
    const { tell } = newcomer();
    tell({ kind: "start", initial: weights, found: true, journal: [] });
    const heard = others.flatMap((message) => [...tell({ kind: "message", from: message.body.peer, message })]);
    assert.deepEqual(heard.filter(({ kind }) => kind === "report"), [], "nobody is blamed for the crowd");
    const effects = tell({ kind: "loaded", weights: weights.digest });
    const waits = effects.filter((effect) => effect.kind === "report" && effect.event.kind === "waiting");
    assert.deepEqual([effects.some(asks), waits.length], others === crowd ? [false, 1] : [true, 0]);
  }
});
