import { strict as assert } from "node:assert";
import { blobDigest } from "../../p2p/store/chunks.ts";
import { chance } from "../../tests/chance.ts";
import type { Codec } from "./codec/codec.ts";
import { anyCodec, codecs } from "./codec/codecs.ts";
import { topk } from "./codec/topk.ts";
import { fold } from "./fold.ts";
import type { RuleName } from "./robust/rule.ts";
import { rules } from "./robust/rules.ts";
import { allocateWeights } from "./weights.ts";

const form = { codec: codecs.f32, padding: [] };
const plain = { robust: "median-clip", screen: "drop", learningRate: 1, momentum: 0 } as const;
const nesterov = { ...plain, learningRate: 0.7, momentum: 0.9 };

/** Folds f32 contributions into `from`, all of weight 1 unless told. */
function foldOf(deltas: readonly (readonly number[])[], options: {
  readonly from?: readonly number[];
  readonly weights?: readonly number[];
} = {}) {
  const parts = deltas.map((delta, i) => ({
    bytes: codecs.f32.encode(new Float32Array(delta)).bytes,
    weight: options.weights?.[i] ?? 1,
  }));
  const weights = new Float32Array(options.from ?? new Array(deltas[0]!.length).fill(0));
  return fold({ weights, momentum: null, parts }, { ...form, outer: plain });
}

const close = (found: ArrayLike<number>, wanted: readonly number[]) =>
  wanted.forEach((value, i) => assert.ok(Math.abs(found[i]! - value) < 1e-6, `${i}: found ${found[i]}, not ${value}`));

Deno.test("a fold of one peer with rate 1 and no momentum gives that peer's weights, to one rounding of the difference", () => {
  const random = chance(3).next;
  const anchor = Float32Array.from({ length: 10_000 }, () => random() - 0.5);
  const local = anchor.map((value) => value + (random() - 0.5) * 0.01);
  const { weights } = foldOf([[...anchor.map((value, i) => value - local[i]!)]], { from: [...anchor] });
  weights.forEach((value, i) => {
    const ulp = 2 ** (Math.floor(Math.log2(Math.max(Math.abs(anchor[i]!), Math.abs(local[i]!)))) - 23);
    assert.ok(Math.abs(value - local[i]!) <= ulp, `value ${i}`);
  });
});

Deno.test("a fold of one peer is exact where the difference is", () => {
  assert.deepEqual([...foldOf([[0.25, -0.5]], { from: [1, 1] }).weights], [0.75, 1.5]);
});

Deno.test("an empty fold leaves weights and momentum as they are", () => {
  const weights = new Float32Array([1, 2]), momentum = new Float32Array([3, 4]);
  fold({ weights, momentum, parts: [] }, {
    ...form,
    outer: nesterov,
  });
  assert.deepEqual([...weights, ...momentum], [1, 2, 3, 4]);
});

for (
  const { means, wanted } of [
    { means: [1, 1, 1, 1], wanted: [-1.33, -3.227, -5.6343, -8.50087] },
    { means: [1, 0, 0, 0], wanted: [-1.33, -1.897, -2.4073, -2.86657] },
  ]
) {
  Deno.test(`Nesterov with rate 0.7 and momentum 0.9 on the means ${means} steps to ${wanted}`, () => {
    const weights = new Float32Array(1), momentum = new Float32Array(1);
    const found = means.map((mean) => {
      const parts = [{ bytes: codecs.f32.encode(new Float32Array([mean])).bytes, weight: 5 }];
      fold({ weights, momentum, parts }, {
        ...form,
        outer: nesterov,
      });
      return weights[0]!;
    });
    close(found, wanted);
  });
}

Deno.test("tokens of 1000 and 500 weigh two thirds and one third", () => {
  close(foldOf([[1, 0], [0, 1]], { weights: [1000, 500] }).weights, [-2 / 3, -1 / 3]);
});

Deno.test("a part that is ten times the median norm pulls like the median: 7 × (1, 0) and (−10, 0) give 0.75", () => {
  const seven = new Array<number[]>(7).fill([1, 0]);
  close(foldOf([...seven, [-10, 0]]).weights, [-0.75, 0]);
});

Deno.test("the median norm of an even count is the mean of the two middle ones", () => {
  close(foldOf([[2, 0], [0, 4]]).weights, [-1, -1.5]);
});

Deno.test("a part with NaN or infinity is dropped with a reason, and the others share its weight", () => {
  for (const bad of [NaN, Infinity, -Infinity]) {
    const folded = foldOf([[1, 1], [bad, 0], [1, 1]], { weights: [1, 8, 3] });
    close(folded.weights, [-1, -1]);
    assert.deepEqual(folded.verdicts[1], { valid: false, reason: "has values that are not finite" });
  }
});

Deno.test("a part that is finite but longer than any training makes is dropped with its norm, and cannot overflow", () => {
  const parts = [[3e38, 3e38], [2000, 2000], [1, 1]].map((delta) => ({
    bytes: codecs.f32.encode(new Float32Array(delta)).bytes,
    weight: 1,
  }));
  const weights = new Float32Array(2);
  const { verdicts } = fold({ weights, momentum: null, parts }, { ...form, outer: { ...plain, robust: "mean" } });
  assert.deepEqual(verdicts.map(({ valid }) => valid), [false, false, true]);
  assert.deepEqual(verdicts[0], { valid: false, reason: "has the norm 4.24e+38, no training makes 1.45e+3" });
  assert.deepEqual([...weights], [-1, -1]);
});

Deno.test("a part of zeros, or of no weight, takes no part: it slows nobody and moves no median", () => {
  const idle = [[0, 0], [0, 0], [0, 0]];
  close(foldOf([...idle, [1, 0], [1, 0]]).weights, [-1, 0]);
  close(foldOf([[1, 0], [1, 0], [9, 0], [9, 0], [9, 0]], { weights: [1, 1, 0, 0, 0] }).weights, [-1, 0]);
});

Deno.test("a part that pulls against all others is named, and left out unless the run only logs it", () => {
  const work = new Array<number>(1000).fill(1), parts = [work, work, work.map((value) => -value), work, work];
  const folded = (screen: "drop" | "log") => {
    const weights = new Float32Array(1000),
      bytes = parts.map((delta) => codecs.f32.encode(new Float32Array(delta)).bytes);
    const input = { weights, momentum: null, parts: bytes.map((bytes) => ({ bytes, weight: 1 })) };
    return fold(input, { ...form, outer: { ...plain, screen } });
  };
  const dropping = folded("drop"), logging = folded("log");
  assert.deepEqual([...dropping.weights.subarray(0, 2)], [-1, -1]);
  close(logging.weights.subarray(0, 2), [-0.6, -0.6]);
  assert.deepEqual([dropping.screen!.dropped, logging.screen!.dropped], [[2], []]);
  assert.deepEqual(logging.screen!.cosines, dropping.screen!.cosines);
  assert.ok(logging.screen!.cosines.every((cosine, i) => (cosine! < logging.screen!.thresholds[i]!) === (i === 2)));
});

Deno.test("a part of another model, codec or size is dropped with a reason", () => {
  const good = codecs.f32.encode(new Float32Array([1, 1])).bytes;
  const wrong = [
    codecs.f32.encode(new Float32Array(20)).bytes,
    codecs.int8.encode(new Float32Array(2)).bytes,
    good.slice(0, 15),
  ];
  const weights = new Float32Array(2);
  const parts = [...wrong, good].map((bytes) => ({ bytes, weight: 1 }));
  const { verdicts } = fold({ weights, momentum: null, parts }, { ...form, outer: plain });
  assert.deepEqual(verdicts.map(({ valid }) => valid), [false, false, false, true]);
  assert.deepEqual([...weights], [-1, -1]);
});

Deno.test("a part with values in the model's padding is dropped, so that padding stays zero for ever", () => {
  const parts = [[1, 1, 0], [9, 9, 1e-30]].map((delta) => ({
    bytes: codecs.f32.encode(new Float32Array(delta)).bytes,
    weight: 1,
  }));
  const weights = new Float32Array(3);
  const { verdicts } = fold({ weights, momentum: null, parts }, {
    codec: codecs.f32,
    padding: [{ start: 2, end: 3 }],
    outer: plain,
  });
  assert.deepEqual([...weights], [-1, -1, 0]);
  assert.deepEqual(verdicts[1], { valid: false, reason: "has values from 2 on, where the model has padding" });
});

Deno.test("a fold in which nothing is valid leaves the weights as they are", () => {
  assert.deepEqual([...foldOf([[NaN, 0]], { from: [1, 2] }).weights], [1, 2]);
});

Deno.test("a seeded fold of five int8 parts with momentum has the pinned digest, in whatever order the parts came", async () => {
  const wanted = "cce6df883f6754fcb25430cece8e7eb9f6fa72e453eb5dc080f2598fe6707502";
  for (const seed of [1, 2, 3]) assert.equal(await seededFold(seed), wanted);
});

Deno.test("seeded folds by every rule, of every codec and all mixed, of few and many peers, have the pinned digest", async () => {
  const digests: string[] = [], ways = [codecs.int8, codecs.f32, codecs.topk, topk(512)];
  for (const { name } of Object.values(rules).toSorted((a, b) => a.name < b.name ? -1 : 1)) {
    for (const mix of [[0], [1], [2], [0, 3, 1, 0, 0, 0, 0, 2, 1]]) {
      for (const peers of [1, 3, 4, 9]) digests.push(await foldOfMany(peers, mix.map((way) => ways[way]!), name));
    }
  }
  const wanted = "d39c116d254abe6bc31d0c2e61d84209bd9d7bd34398d0697d8a99469725e3f3";
  assert.equal(await blobDigest(new TextEncoder().encode(digests.join())), wanted);
});

/** A fold of seeded contributions, with bytes that begin anywhere, and one of nine that is hostile. */
async function foldOfMany(peers: number, ways: readonly Codec[], robust: RuleName): Promise<string> {
  const random = chance(42).next, length = 9_037;
  const values = (scale: number) => Float32Array.from({ length }, () => (random() - 0.4) * scale);
  const parts = Array.from({ length: peers }, (_, peer) => {
    const { bytes } = ways[peer % ways.length]!.encode(values(peer === 5 ? -2e-3 : (peer + 1) * 1e-3));
    const shifted = new Uint8Array(bytes.length + 3).subarray(peer % 4);
    shifted.set(bytes);
    return { bytes: shifted.subarray(0, bytes.length), weight: 1000 + peer * 333 };
  });
  const weights = values(1), momentum = values(1e-3), outer = { ...nesterov, robust };
  const { verdicts, screen } = fold({ weights, momentum, parts }, { codec: anyCodec, padding: [], outer });
  const told = new TextEncoder().encode(JSON.stringify({ verdicts, screen }));
  return await blobDigest(Uint8Array.from([weights, momentum, told].flatMap((array) => [
    ...new Uint8Array(array.buffer, array.byteOffset, array.byteLength),
  ])));
}

/** Five contributions by peer id, handed over in an order drawn from `arrivalSeed`, sorted, folded twice. */
async function seededFold(arrivalSeed: number): Promise<string> {
  const random = chance(42).next, arrival = chance(arrivalSeed).next, length = 9_984;
  const folded = allocateWeights({ parameterWords: length, hasMomentum: true });
  const { parameters, momentum } = folded.sets[0]!;
  parameters.forEach((_, i) => parameters[i] = random() - 0.5);
  for (let round = 0; round < 2; round++) {
    const arrived = ["e", "b", "d", "a", "c"].map((peer, i) => {
      const values = Float32Array.from({ length }, () => (random() - 0.5) * (i + 1) * 1e-3);
      return { peer, weight: 1000 + i * 333, bytes: codecs.int8.encode(values).bytes, at: arrival() };
    }).sort((a, b) => a.at - b.at);
    const parts = arrived.sort((a, b) => (a.peer < b.peer ? -1 : 1));
    fold({ weights: parameters, momentum, parts }, {
      codec: codecs.int8,
      padding: [],
      outer: nesterov,
    });
  }
  return await blobDigest(folded.bytes.slice());
}
