/**
 * What every learner must do for the protocol, whatever it trains.
 *
 * Two instances of one run take part, because what matters is what they agree on. They are opened once for all steps:
 * opening a real one takes a second.
 * @module
 */
import { strict as assert } from "node:assert";
import { contentIn, type Contribution, type FoldPart, type Learner } from "../../p2p/learner.ts";
import { blobDigest } from "../../p2p/store/chunks.ts";
import type { Digest, Offer, Range } from "../../p2p/sync/types.ts";

export interface LearnerSuite {
  readonly name: string;
  /** Opens a learner of the run; every call the same run. */
  open(): Promise<Learner>;
}

/** Windows of each lease; more than is trained in a few tens of milliseconds. */
const LEASE = 400;

/** Registers the suite. */
export function testLearner({ name, open }: LearnerSuite): void {
  Deno.test(`learner ${name}`, async (t) => {
    const [one, two] = await Promise.all([open(), open()]);
    try {
      await t.step("names the same initial weights on every peer, by the digest of their bytes", async () => {
        const digest = await one.initial();
        assert.equal(await two.initial(), digest);
        assert.equal(await one.save(digest, blobDigest), digest);
      });

      await t.step("contributes nothing before an order came", async () => {
        const { bytes, tokens, steps, ranges } = await one.contribute();
        assert.deepEqual({ bytes, tokens, steps, ranges }, { bytes: null, tokens: 0, steps: 0, ranges: [] });
      });

      await t.step("trains a prefix of its lease and says what it did", async () => {
        const contribution = await trainAlone(one, { round: 1, weights: await one.initial() });
        assert.equal(contribution.round, 1);
        assert.equal(contribution.ranges.length, 1);
        const { start, end } = contribution.ranges[0]!;
        assert.equal(start, leaseOf(1).start);
        assert.ok(end <= leaseOf(1).end);
        assert.equal(contribution.tokens % (end - start), 0, "whole windows");
        assert.ok(contribution.steps >= 1 && contribution.batch >= 1 && contribution.microBatch >= 1);
        assert.ok(contribution.loss > 0 && contribution.speed > 0 && contribution.computeMs > 0);
        const { noise, steps } = contribution;
        if (noise === null) return; // it need not measure
        assert.ok(noise.tests >= 1 && noise.tests <= steps && noise.variance >= 0 && noise.along >= 0);
        assert.ok(Number.isFinite(noise.signal) && noise.sketch?.codes.length === 256);
      });

      await t.step("goes on after a contribution without claiming a window twice", async () => {
        const weights = await one.initial();
        const first = await trainAlone(one, { round: 2, weights });
        const second = await contributed(one);
        const windows = [...first.ranges, ...second.ranges].flatMap(({ start, end }) =>
          Array.from({ length: end - start }, (_, i) => start + i)
        );
        assert.equal(new Set(windows).size, windows.length);
      });

      await t.step("judges contributions, and damaged ones with a reason", async () => {
        const { bytes } = await trainAlone(one, { round: 3, weights: await one.initial() });
        const verdict = await two.judge(contentIn(bytes!), offer);
        assert.ok(verdict.valid && verdict.norm > 0);
        for (const damaged of [bytes!.slice(0, -1), new Uint8Array(), new Uint8Array(bytes!.length)]) {
          const verdict = await two.judge(contentIn(damaged), offer);
          assert.ok(!verdict.valid && verdict.reason.length > 0);
        }
      });

      await t.step("folds to the same digest on every peer for three rounds, and the loss falls", async () => {
        let weights = await one.initial();
        const start = await one.evaluate(weights, 0);
        for (let round = 4; round < 7; round++) {
          const parts = [one, two].map((learner) => trainAlone(learner, { round, weights }));
          const made = (await Promise.all(parts)).map(toPart);
          const [folded, again] = await Promise.all(
            [one, two].map(async (learner) =>
              (await learner.fold({ parent: weights, parts: made, joined: null })).digest
            ),
          );
          assert.equal(folded, again);
          assert.notEqual(folded, weights);
          [one, two].forEach((learner) => learner.settle(round, "counted"));
          weights = folded!;
        }
        const [end, again] = await Promise.all([one.evaluate(weights, 0), two.evaluate(weights, 0)]);
        assert.ok(end < start, `from ${start} to ${end}`);
        assert.ok(Math.abs(end - again) <= 1e-4 * end, "evaluations of one state agree up to the devices' rounding");
      });

      await t.step("folds nothing to the same weights, and drops what is not valid", async () => {
        const parent = await one.initial();
        await two.initial();
        assert.deepEqual(await one.fold({ parent, parts: [], joined: null }), { digest: parent, screen: null });
        const part = toPart(await trainAlone(one, { round: 7, weights: parent }));
        const bad = { content: contentIn(new Uint8Array(part.content.sizeBytes)), at: 0, weight: 5 };
        assert.deepEqual(
          await one.fold({ parent, parts: [bad, part], joined: null }),
          await two.fold({ parent, parts: [part], joined: null }),
        );
      });

      await t.step("says of each of four parts or more how it agrees with the others", async () => {
        const parent = await one.initial();
        const part = toPart(await trainAlone(one, { round: 7, weights: parent }));
        const bad = { content: contentIn(new Uint8Array(part.content.sizeBytes)), at: 0, weight: 5 };
        assert.equal((await one.fold({ parent, parts: [part, part, bad, part], joined: null })).screen, null);
        const { screen } = await one.fold({ parent, parts: [part, part, bad, part, part], joined: null });
        assert.deepEqual(screen!.cosines.map((cosine) => cosine && cosine.toFixed(6)), [
          ...["1.000000", "1.000000", null, "1.000000", "1.000000"],
        ]);
        assert.ok(screen!.thresholds.every((threshold) => threshold < 0));
      });

      await t.step(
        "merges two states to the same digest on every peer, between both, and neither order nor side is lost",
        async () => {
          const parent = await one.initial();
          await two.initial();
          const parts = [toPart(await trainAlone(one, { round: 9, weights: parent }))];
          const [mine, theirs] = await Promise.all(
            [one, two].map(async (learner) => (await learner.fold({ parent, parts, joined: null })).digest),
          );
          assert.equal(mine, theirs);
          const sides = [[{ weights: mine!, at: 0, share: 3 }, { weights: parent, at: 0, share: 1 }]];
          const merged = await one.merge(sides);
          assert.equal(await two.merge(sides), merged);
          assert.equal(await one.save(merged, blobDigest), merged);
          assert.ok(merged !== mine && merged !== parent);
          assert.notEqual(
            await one.merge([[{ weights: mine!, at: 0, share: 1 }, { weights: parent, at: 0, share: 3 }]]),
            merged,
          );
          assert.equal(
            await one.merge([[{ weights: mine!, at: 0, share: 3 }, { weights: mine!, at: 0, share: 1 }]]),
            mine,
          );
          const unknown = "0".repeat(64) as Digest;
          await assert.rejects(
            one.merge([[{ weights: mine!, at: 0, share: 1 }, { weights: unknown, at: 0, share: 1 }]]),
            /Cannot use/,
          );
        },
      );

      await t.step("keeps a set of weights for each lineage, folds each by itself, and makes one of two", async () => {
        const parent = await one.initial();
        await two.initial();
        const part = toPart(await trainAlone(one, { round: 11, weights: parent }));
        const alone = await Promise.all(
          [one, two].map((learner) => learner.fold({ parent, parts: [part], joined: null })),
        );
        const mine = alone[0]!.digest, set = { weights: parent, at: 0, share: 1 }, loss = await one.evaluate(mine, 0);
        const [both, same] = await Promise.all([one, two].map((learner) => learner.merge([[set], [set]])));
        assert.equal(both, same);
        assert.equal((await copyOf(one, both!)).length, one.sizeOf(2));
        const order = { parent: both!, parts: [{ ...part, at: 1 }], joined: null };
        const { digest } = await one.fold({ ...order, joined: { kept: 0, gone: 1, shares: [1, 3] } });
        assert.equal((await copyOf(one, digest)).length, one.sizeOf(1));
        assert.equal(digest, await two.merge([[set, { ...set, weights: mine, share: 3 }]]), "by their shares");
        const folded = (await two.fold(order)).digest;
        assert.equal(folded, await one.merge([[set], [{ ...set, weights: mine }]]), "the other set stays");
        assert.ok(Math.abs(await two.evaluate(folded, 1) - loss) <= 1e-4 * loss, "of the set that is asked for");
      });

      await t.step("hands weights over to another peer", async () => {
        const parent = await one.initial();
        const part = toPart(await trainAlone(one, { round: 8, weights: parent }));
        const { digest } = await one.fold({ parent, parts: [part], joined: null });
        const bytes = await copyOf(one, digest);
        assert.equal(await two.load(contentIn(bytes)), digest);
        assert.deepEqual(await copyOf(two, digest), bytes);
      });

      await t.step("refuses weights that are damaged or of another model, and says why", async () => {
        const bytes = await copyOf(one, await one.initial());
        for (const damaged of [bytes.slice(0, -4), new Uint8Array(bytes.length), new Uint8Array()]) {
          await assert.rejects(two.load(contentIn(damaged)), /Cannot use received weights/);
        }
      });

      await t.step("passes on why bytes cannot be read, and holds nothing of them", async () => {
        const sizeBytes = one.sizeOf(1), initial = await one.initial();
        const readInto = () => Promise.reject(new Error("the disk has changed them"));
        await assert.rejects(one.load({ sizeBytes, readInto }), /the disk has changed them/);
        assert.equal(await one.load(contentIn(await copyOf(one, initial))), initial);
        const content = { sizeBytes: 100, readInto }, parts = [{ content, at: 0, weight: 1 }];
        await assert.rejects(one.judge(content, offer), /the disk has changed them/);
        await assert.rejects(one.fold({ parent: initial, parts, joined: null }), /the disk has changed them/);
      });

      await t.step("has nothing to save or fold of weights that it never saw", async () => {
        const unknown = "0".repeat(64) as Digest;
        assert.equal(await one.save(unknown, blobDigest), null);
        await assert.rejects(one.fold({ parent: unknown, parts: [], joined: null }), /Cannot use weights/);
      });
    } finally {
      await Promise.all([one.close(), two.close()]);
    }
    await t.step("closes twice without complaint", () => one.close());
  });
}

async function copyOf(learner: Learner, digest: Digest): Promise<Uint8Array<ArrayBuffer>> {
  const copy = await learner.save(digest, (bytes) => Promise.resolve(new Uint8Array(bytes)));
  assert.ok(copy !== null, `weights ${digest} are not held`);
  return copy;
}

function leaseOf(round: number): Range {
  return { start: round * LEASE, end: (round + 1) * LEASE };
}

/** Orders a round and waits until something of it can be contributed. */
async function trainAlone(
  learner: Learner,
  { round, weights }: { readonly round: number; readonly weights: Digest },
): Promise<Contribution> {
  learner.train({
    round,
    weights,
    lineage: { at: 0, from: [0], hosted: [0], leading: 0 },
    tokens: 0,
    ranges: [leaseOf(round)],
    batch: 4,
    globalBatch: 4,
    measure: { every: 20, sketch: true },
    encoding: { codec: "int8", kept: 4096 },
    roundMs: 1000,
  });
  return await contributed(learner);
}

/** Asks until there is something: a learner may have had no time for a step yet. */
async function contributed(learner: Learner): Promise<Contribution> {
  for (let tries = 0; tries < 2000; tries++) {
    const contribution = await learner.contribute();
    if (contribution.bytes !== null && contribution.ranges.length > 0) return contribution;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  throw new Error("The learner made no step in 2000 tries");
}

function toPart({ bytes, tokens }: Contribution): FoldPart {
  return { content: contentIn(bytes!), at: 0, weight: tokens };
}

const offer: Offer = {
  kind: "offer",
  run: "0".repeat(64) as Digest,
  peer: "peer" as Offer["peer"],
  round: 1,
  parent: "0".repeat(64) as Digest,
  lineage: 0,
  base: "0".repeat(64) as Digest,
  blob: null,
  tokens: 0,
  steps: 0,
  batch: 1,
  microBatch: 1,
  ranges: [],
  loss: 0,
  heldOut: null,
  noise: null,
  speed: 0,
  computeMs: 0,
  idleMs: 0,
  waitMs: 0,
  transferMs: 0,
  nextMs: 0,
  leaving: false,
  name: "",
  device: "",
};
