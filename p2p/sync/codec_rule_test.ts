import { strict as assert } from "node:assert";
import { chance } from "../../tests/chance.ts";
import { genesisState } from "./chain.ts";
import { firstEncoding, nextEncoding } from "./codec_rule.ts";
import { digestOf } from "./digest.ts";
import { buildOffer, NO_WORK } from "./offer.ts";
import type { EncodingState, Offer, PeerId } from "./types.ts";
import { tinyRules } from "../../tests/tiny_rules.ts";

const rules = tinyRules({ run: digestOf("run") });
const ROUND_MS = 10_000;

/** An offer whose author spent this share of its round on fetching. */
function offer(share: number): Offer {
  const work = { ...NO_WORK, blob: { digest: digestOf("blob"), sizeBytes: 1 } };
  return buildOffer({ chain: genesisState(rules), base: digestOf("base") }, work, {
    ...{ rules, self: "wren" as PeerId, name: "wren", device: "cpu", heldOut: null, leaving: false },
    ...{ waitMs: 0, transferMs: share * ROUND_MS, nextMs: ROUND_MS },
  });
}

/** Bytes of 4,096 values. */
const BYTES: Readonly<Record<number, number>> = { 4096: 4160, 512: 640, 256: 448, 128: 224, 64: 112 };

/** What a run does on a link that would spend the share `int8(round)` of each round on int8; times lag by some rounds. */
function kepts(rounds: number, int8: (round: number) => number, lag = 1): number[] {
  let state = firstEncoding(rules);
  const found: number[] = [];
  for (let round = 1; round <= rounds; round++) {
    const fetched = found[round - 2 - lag] ?? 4096, share = int8(round) * BYTES[fetched]! / BYTES[4096]!;
    state = nextEncoding(state, { round, tokens: 0, offers: [offer(share), offer(0)], rules });
    found.push(state.kept);
  }
  return found;
}

const changes = (found: readonly number[]) => found.filter((kept, i) => i > 0 && kept !== found[i - 1]).length;

Deno.test("auto begins and stays with int8 where transfers take little of a round, or nobody transfers", () => {
  assert.deepEqual(firstEncoding(rules), { codec: "int8", kept: 4096, since: 0, streak: 0 });
  for (const share of [0, 0.05, 0.1]) assert.ok(kepts(40, () => share).every((kept) => kept === 4096));
  const alone = nextEncoding(firstEncoding(rules), { round: 5, tokens: 0, offers: [], rules });
  assert.deepEqual(alone, firstEncoding(rules));
});

Deno.test("auto goes at once to the densest encoding that keeps transfers below a tenth of a round, and stays there", () => {
  for (const [int8, kept] of [[0.3, 512], [0.8, 256], [1.5, 128], [3, 64], [50, 64]] as const) {
    for (const lag of [1, 2]) {
      const found = kepts(60, () => int8, lag);
      assert.equal(changes(found), 1, `${int8}: ${found}`);
      assert.equal(found.at(-1), kept, `${int8}`);
      assert.ok(found.indexOf(kept) <= 3, `${int8}: in round ${found.indexOf(kept)}`);
    }
  }
});

Deno.test("one slow round changes nothing", () => {
  assert.equal(changes(kepts(40, (round) => round === 9 ? 5 : 0.05)), 0);
});

Deno.test("auto comes back to int8 step by step when the link has become wide", () => {
  const found = kepts(60, (round) => round < 10 ? 3 : 0.01);
  assert.deepEqual([...new Set(found)], [4096, 64, 128, 256, 512]);
  assert.equal(found.at(-1), 4096);
  assert.equal(changes(found), 5);
});

Deno.test("a link that varies, at a border too, does not make the codec swing (seed 4)", () => {
  const random = chance(4);
  for (const [least, most] of [[0.3, 0.6], [0.06, 0.14], [0.09, 0.11]] as const) {
    const found = kepts(200, () => random.between(least, most));
    assert.equal(changes(found), 1, `${least} to ${most}: ${found}`);
  }
});

Deno.test("the thinnest link decides, but of five or more peers none alone", () => {
  const sparse = (shares: readonly number[]) => {
    let state = firstEncoding(rules);
    for (let round = 2; round < 5; round++) {
      state = nextEncoding(state, { round, tokens: 0, offers: shares.map(offer), rules });
    }
    return state.codec === "topk";
  };
  assert.ok(sparse([0, 0, 0, 0.5]));
  assert.ok(!sparse([0, 0, 0, 0, 1e6]));
  assert.ok(sparse([0, 0, 0, 0.5, 0.5]));
});

Deno.test("a fixed codec stays, and topk goes from 512 to 128 by the tokens of the run or, open-ended, by rounds", () => {
  for (const codec of ["int8", "f32"] as const) {
    const fixed = { ...rules, codec }, first = firstEncoding(fixed);
    assert.equal(first.codec, codec);
    assert.deepEqual(nextEncoding(first, { round: 9, tokens: 0, offers: [offer(9), offer(9)], rules: fixed }), first);
  }
  const at = (round: number, tokens: number, targetTokens: number | null): EncodingState => {
    const fixed = { ...rules, codec: "topk", targetTokens } as const;
    return nextEncoding(firstEncoding(fixed), { round, tokens, offers: [], rules: fixed });
  };
  assert.deepEqual([0, 199, 200, 499, 500, 2000].map((tokens) => at(7, tokens, 1000).kept), [
    512,
    512,
    256,
    256,
    128,
    128,
  ]);
  assert.deepEqual([1, 19, 20, 49, 50, 900].map((round) => at(round, 9e9, null).kept), [512, 512, 256, 256, 128, 128]);
  assert.deepEqual(at(50, 0, null), { codec: "topk", kept: 128, since: 50, streak: 0 });
});
