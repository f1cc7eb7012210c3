import { strict as assert } from "node:assert";
import { historyOf, historyRules as rules } from "../../tests/tiny_history.ts";
import { Book } from "./book.ts";
import type { Context } from "./context.ts";
import { bodyDigest } from "./digest.ts";
import type { Effect } from "./effects.ts";
import { Exchange } from "./exchange.ts";
import { Fetching, type FetchingOptions } from "./fetching.ts";
import { RULEBOOK } from "./rulebook.ts";
import type { Digest, PeerId } from "./types.ts";

const BEAT_MS = 1_000;
const finch = "finch" as PeerId, wren = "wren" as PeerId;
const [, , ...chapters] = historyOf([finch, wren], 8);
const offers = chapters.flatMap(({ offers }) => offers);
const [first, second, third] = offers.map(({ body }) => bodyDigest(body)) as [Digest, Digest, Digest];

/** One peer's fetching: `at` lets it begin what it may, and returns the offers whose blobs it asks for. */
function begin(options: Partial<FetchingOptions>) {
  const fetching = new Fetching(), book = new Book(rules, RULEBOOK), exchange = new Exchange();
  exchange.connect(finch);
  for (const offer of offers) {
    book.offers.add(bodyDigest(offer.body), offer, { nowMs: 0, own: false, journaled: false });
  }
  const all: FetchingOptions = {
    urgent: new Set(),
    mayCount: () => false,
    isRechecked: () => false,
    exchange,
    ...options,
  };
  const context = (now: number, effects: Effect[] = []) =>
    ({ now, emit: (effect: Effect) => effects.push(effect) }) as unknown as Context; // what fetching uses of it
  return {
    fetching,
    exchange,
    donorsAt(now: number): readonly PeerId[] {
      const effects: Effect[] = [];
      fetching.run(context(now, effects), book, all);
      return effects.flatMap((effect) => effect.kind === "fetch" ? effect.from : []);
    },
    at(now: number): readonly Digest[] {
      const effects: Effect[] = [];
      fetching.run(context(now, effects), book, all);
      return effects.flatMap((effect) => effect.kind === "fetch" ? [effect.digest] : []);
    },
    miss(now: number, offer: Digest) {
      fetching.answered(context(now), offer, BEAT_MS);
    },
    answer(now: number, offer: Digest) {
      fetching.answered(context(now), offer, null);
      book.offers.judge(book.offers.find(offer)!, { valid: true, norm: 1 });
    },
  };
}

Deno.test("Fetching counts the time in which at least one blob that a round needs is on its way, once", () => {
  const { fetching, at, answer } = begin({ urgent: new Set([first]), mayCount: ({ peer }) => peer === wren });
  const asked = at(1_000), last = asked.at(-1)!;
  assert.ok(asked.length > 1 && asked[0] === first, "the urgent one first");
  for (const offer of asked.slice(0, -1)) answer(1_200, offer);
  assert.equal(fetching.takeTransferMs(), 0, "the last one is still on its way");
  answer(1_500, last);
  assert.equal(fetching.takeTransferMs(), 500);
  assert.equal(fetching.takeTransferMs(), 0);
});

Deno.test("Fetching judges what was counted long ago one at a time, in no time of the round's", () => {
  const rechecked = new Set([first, second, third]);
  const { fetching, at, answer } = begin({ isRechecked: (offer) => rechecked.has(offer) });
  for (const now of [1_000, 2_000, 3_000]) {
    const asked = at(now);
    assert.equal(asked.length, 1);
    assert.deepEqual(at(now + 1), [], "another is not asked for meanwhile");
    answer(now + 700, asked[0]!);
  }
  assert.deepEqual(at(4_000), []);
  assert.equal(fetching.takeTransferMs(), 0);
});

Deno.test("Fetching counts what the round needs beside a recheck, and no more of it", () => {
  const urgent = new Set<Digest>();
  const { fetching, at, answer } = begin({ urgent, isRechecked: (offer) => offer === first });
  assert.deepEqual(at(1_000), [first]);
  urgent.add(second);
  assert.deepEqual(at(2_000), [second]);
  urgent.add(third);
  assert.deepEqual(at(2_200), [third]);
  answer(2_300, second);
  answer(2_500, third);
  answer(9_000, first);
  assert.equal(fetching.takeTransferMs(), 500);
});

Deno.test("Fetching counts a recheck that a fold turns out to need", () => {
  const { fetching, at, answer } = begin({ urgent: new Set([first]), isRechecked: () => true });
  assert.equal(at(1_000)[0], first);
  answer(1_400, first);
  assert.equal(fetching.takeTransferMs(), 400);
});

/** Every offer of finch, the oldest first: more than are missed of a peer whose line was cut. */
const ofFinch = offers.filter(({ body }) => body.peer === finch).map(({ body }) => bodyDigest(body));

/** The times at which an offer is asked for that nobody ever gives, when some of its author's are missed. */
function timesAsked(missedCount: number, options: Partial<FetchingOptions> = {}): readonly number[] {
  const missed = new Set(ofFinch.slice(0, missedCount)), times: number[] = [];
  const { at, miss, fetching } = begin({ mayCount: (offer) => missed.has(bodyDigest(offer)), ...options });
  for (let now = 1_000; now <= 20_000; now += 100) {
    const asked = at(now);
    if (asked.includes(ofFinch[0]!)) times.push(now);
    for (const offer of asked) miss(now, offer);
    assert.ok(fetching.isMissed(ofFinch[0]!));
  }
  return times;
}

Deno.test("Fetching asks with every beat for what nobody has", () => {
  assert.deepEqual(timesAsked(4), Array.from({ length: 20 }, (_, i) => 1_000 * (i + 1)));
});

Deno.test("Fetching asks less and less often, but for half a round, for what an author never gives of whom much is missed", () => {
  assert.deepEqual(timesAsked(5), [1_000, 2_000, 4_000, 8_000, 12_000, 16_000, 20_000]);
});

Deno.test("Fetching asks with every beat for what a fold needs, whoever its author is", () => {
  const times = timesAsked(5, { urgent: new Set([ofFinch[0]!]) });
  assert.deepEqual(times, Array.from({ length: 20 }, (_, i) => 1_000 * (i + 1)));
});

Deno.test("Fetching makes together the retries of what was missed at nearly one moment", () => {
  const { fetching, at, miss } = begin({ mayCount: () => true });
  const asked = at(1_000).slice(0, 3);
  asked.forEach((offer, i) => miss(1_010 + 50 * i, offer));
  at(1_200);
  assert.equal(fetching.deadline, 2_250);
  assert.deepEqual(at(2_250), asked);
});

Deno.test("Fetching asks the author with each try, and in a few tries everybody of the cell", () => {
  const mates = Array.from({ length: 24 }, (_, i) => `mate ${String(i).padStart(2, "0")}` as PeerId);
  const { exchange, donorsAt, miss } = begin({ mayCount: (offer) => bodyDigest(offer) === first });
  const author = offers[0]!.body.peer, asked = new Set<PeerId>();
  [author, ...mates].forEach((peer) => exchange.connect(peer));
  for (const now of [1_000, 2_000, 4_000, 8_000]) {
    const donors = donorsAt(now);
    assert.equal(donors[0], author);
    assert.equal(donors.length, 8);
    donors.forEach((peer) => asked.add(peer));
    miss(now, first);
  }
  assert.deepEqual(mates.filter((peer) => !asked.has(peer)), []);
});

Deno.test("Fetching forgets what was missed once it can be counted no more, or is judged", () => {
  const countable = new Set([first, second, third]);
  const { fetching, at, miss, answer } = begin({ mayCount: (offer) => countable.has(bodyDigest(offer)) });
  assert.equal(at(1_000).length, 3);
  for (const offer of [first, second, third]) miss(1_100, offer);
  at(1_200);
  assert.deepEqual([fetching.sizes["retries"], fetching.deadline < Infinity], [3, true]);
  countable.delete(first);
  answer(1_300, second); // by way of somebody else: it was not asked for
  at(1_400);
  assert.deepEqual([first, second, third].map((offer) => fetching.isMissed(offer)), [false, false, true]);
  countable.clear();
  at(1_500);
  assert.deepEqual([fetching.sizes["retries"], fetching.deadline], [0, Infinity]);
});
