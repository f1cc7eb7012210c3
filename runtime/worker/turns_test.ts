import { strict as assert } from "node:assert";
import { blobDigest } from "../../p2p/store/chunks.ts";
import { openScene } from "../../tests/training_scene.ts";
import { codecs } from "../state/codec/codecs.ts";
import { packTopK } from "../state/codec/topk.ts";
import { newMoments, Turns } from "./turns.ts";
import { Undecided } from "./undecided.ts";

const WORDS = 4096;
const [A, B, C] = [lineage([0]), lineage([1]), lineage([2])];

/** One of three that a peer trains in turn, unless it is said otherwise. */
function lineage(from: readonly number[], hosted: readonly number[] = [0, 1, 2]) {
  return { at: from[0]!, from, hosted, leading: 0 };
}

/** Moments after so many steps, with a residual of ones. */
function after(stepCount: number) {
  const moments = { ...newMoments(WORDS, new Float32Array(WORDS).fill(1)), stepCount };
  return { moments, undecided: new Undecided() };
}

Deno.test("each lineage goes on with its own moments when its turn comes again", () => {
  const turns = new Turns();
  assert.ok(!turns.isOther(A), "the first order takes what there is");
  turns.goOn(A);
  assert.ok(turns.isOther(B));
  assert.equal(turns.begin(B, after(10)).moments, null, "as new ones");
  assert.equal(turns.begin(C, after(20)).moments, null);
  assert.equal(turns.begin(A, after(30)).moments!.stepCount, 10);
  assert.equal(turns.begin(B, after(11)).moments!.stepCount, 20);
});

Deno.test("of two that have become one, what was trained last goes on, and it is no other lineage", () => {
  const turns = new Turns(), both = lineage([0, 1]);
  turns.goOn(A);
  turns.begin(B, after(10));
  assert.ok(!turns.isOther(both));
  turns.goOn(both);
  assert.equal(turns.begin(C, after(20)).moments, null);
  assert.equal(turns.begin(both, after(1)).moments!.stepCount, 20);
  assert.ok(!turns.isOther(lineage([0, 1, 2])));
});

Deno.test("a peer that is dealt to another lineage takes its moments along, and not its error feedback", () => {
  const turns = new Turns();
  turns.goOn(lineage([0], [0]));
  const { moments } = turns.begin(lineage([1], [1]), after(10));
  assert.equal(moments!.stepCount, 10);
  assert.ok(moments!.residual!.every((value) => value === 0));
  assert.equal(turns.begin(lineage([0], [0]), after(12)).moments!.stepCount, 12, "the old ones are gone");
});

Deno.test("what a lost contribution sent goes into the next one of its own lineage, also out of turn", () => {
  const turns = new Turns(), own = after(10), sent = new Float32Array(WORDS);
  sent[7] = 0.5;
  const places = Uint32Array.from({ length: 64 }, (_, i) => i), values = sent.slice(0, 64);
  own.undecided.addSparse(1, packTopK({ places, values, length: WORDS, kept: 64 }).bytes);
  turns.goOn(A);
  turns.begin(B, own);
  turns.settle(2, false);
  turns.settle(1, false);
  const { moments } = turns.begin(A, after(20)), decoded = moments!.residual!;
  assert.ok(Math.abs(decoded[7]! - 1.5) < 0.1, `${decoded[7]}`);
  assert.equal(decoded[4000], 1);
});

Deno.test("a peer that trains two lineages in turn contributes to each what it would if it trained that alone", async () => {
  const own = { at: 0, from: [0], hosted: [0, 1], leading: 0 },
    other = { at: 1, from: [1], hosted: [0, 1], leading: 0 };
  const cuts = async (rounds: readonly (typeof own)[]) => {
    await using peer = openScene({ codec: "f32" });
    const made: string[] = []; // digests: the difference of long arrays takes minutes to print
    for (const [i, lineage] of rounds.entries()) {
      const round = lineage === own ? 1 + made.length : 50 + i,
        ranges = [{ start: 100 * round, end: 100 * round + 16 }];
      await peer.training.train(peer.order(10 + i, { lineage, ranges }), peer.weights);
      await peer.stepped(2);
      const { bytes, steps } = await peer.training.contribute();
      assert.equal(steps, 2);
      if (lineage === own) made.push(await blobDigest(bytes!));
    }
    return made;
  };
  const [alone, inTurn] = [await cuts([own, own, own]), await cuts([own, other, own, other, own])];
  assert.deepEqual(inTurn, alone);
  assert.notDeepEqual(inTurn[1], inTurn[0]);
});

Deno.test("steps that were not contributed when a turn ends are given up, and their data trained again", async () => {
  await using peer = openScene({ codec: "f32" });
  const { training, weights } = peer, ranges = [{ start: 0, end: 96 }];
  await training.train(peer.order(1, { ranges, lineage: A }), weights);
  await peer.stepped(2);
  training.pace({ percent: 100, paused: true });
  await training.train(peer.order(2, { ranges, lineage: B }), weights);
  assert.equal((await training.contribute()).bytes, null);
  training.pace({ percent: 100, paused: false });
  await peer.stepped(2);
  assert.equal((await training.contribute()).ranges[0]!.start, 0);
});

Deno.test("the published variant begins each round with new moments, the corrected one does not", async () => {
  const cuts = async (variant: string) => {
    await using peer = openScene({ codec: "f32", batching: { policy: "adloco", variant } });
    const made: Uint8Array[] = [];
    for (const round of [1, 2]) {
      await peer.training.train(
        peer.order(round, { ranges: [{ start: 200 * round, end: 200 * round + 16 }] }),
        peer.weights,
      );
      await peer.stepped(2);
      made.push((await peer.training.contribute()).bytes!);
    }
    return made.map((bytes) => {
      const opened = codecs.f32.open(bytes, peer.weights.length);
      assert.ok(opened.ok);
      return Math.sqrt(opened.vector.normSquared());
    });
  };
  const [published, corrected] = [await cuts("published"), await cuts("corrected")];
  assert.equal(published[0], corrected[0]);
  assert.notEqual(published[1], corrected[1]);
});

Deno.test("optimizers of several lineages outlive a restart, each with its own lineage", () => {
  const turns = new Turns(), again = new Turns();
  turns.goOn(A);
  turns.begin(B, after(10));
  const kept = turns.kept(after(20).moments);
  assert.deepEqual(kept.map(({ from, moments }) => [from, moments.stepCount]), [[[0], 10], [[1], 20]]);
  again.restore(kept);
  const stepsOf = (all: typeof kept) => all.map(({ moments }) => moments.stepCount);
  assert.deepEqual(stepsOf(again.kept(null)), stepsOf(kept), "also if nothing is trained in between");
  assert.ok(again.isOther(B), "its state is not the trainer's");
  assert.equal(again.begin(B, { moments: null, undecided: new Undecided() }).moments!.stepCount, 20);
  assert.equal(again.begin(A, after(21)).moments!.stepCount, 10);
});
