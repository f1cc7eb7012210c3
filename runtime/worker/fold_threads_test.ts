import { strict as assert } from "node:assert";
import { chance } from "../../tests/chance.ts";
import { anyCodec, codecs } from "../state/codec/codecs.ts";
import { topk } from "../state/codec/topk.ts";
import { fold, type FoldOptions } from "../state/fold.ts";
import type { FoldCrew } from "../state/fold_crew.ts";
import { rules } from "../state/robust/rules.ts";
import { FoldThreads } from "./fold_threads.ts";

const SEED = 5, LENGTH = 20_037, PEERS = 9;
const outer = { screen: "drop", robust: "median-clip", learningRate: 0.7, momentum: 0.9 } as const;
const options: FoldOptions = { codec: anyCodec, padding: [], outer };

/** A fold whose parts are of all codecs; one is hostile, one damaged, one not finite, one absurdly long. */
function scene(Memory: typeof ArrayBuffer | typeof SharedArrayBuffer, seed = SEED) {
  const random = chance(seed).next, ways = [codecs.int8, codecs.f32, codecs.int8, topk(64), topk(512)];
  const floats = () => new Float32Array(new Memory(LENGTH * 4)).map(() => random() - 0.5);
  const shared = (values: Float32Array) => {
    const copy = new Float32Array(new Memory(values.byteLength));
    copy.set(values);
    return copy;
  };
  const parts = Array.from({ length: PEERS }, (_, peer) => {
    const common = Float32Array.from({ length: LENGTH }, () => (random() - 0.4) * (peer === 5 ? -1 : 1));
    if (peer === 6) common[LENGTH - 1] = NaN;
    if (peer === 8) common.forEach((_, i) => common[i]! *= 1e6);
    const { bytes } = ways[peer % ways.length]!.encode(common), copy = new Uint8Array(new Memory(bytes.length));
    copy.set(bytes);
    if (peer === 7) copy[4] = 99;
    return { bytes: copy, weight: 100 + peer };
  });
  return { weights: shared(floats()), momentum: shared(floats()), parts };
}

interface Folded {
  readonly told: string;
  /** Weights and momentum. */
  readonly bits: readonly Uint32Array[];
}

function folded(robust: keyof typeof rules, input: ReturnType<typeof scene>, crew?: FoldCrew): Folded {
  const all = { ...options, outer: { ...outer, robust } };
  const told = fold(input, crew === undefined ? all : { ...all, crew });
  assert.ok(told.screen!.dropped.includes(5), "the scene is as it should be");
  assert.deepEqual(told.verdicts.flatMap(({ valid }, part) => valid ? [] : [part]), [6, 7, 8]);
  const bits = [input.weights, input.momentum].map((values) => new Uint32Array(values.slice().buffer));
  return { told: JSON.stringify([told.verdicts, told.screen]), bits };
}

function assertSame(found: Folded, wanted: Folded, what: string): void {
  assert.equal(found.told, wanted.told, what);
  found.bits.forEach((words, i) => assert.equal(words.findIndex((word, at) => word !== wanted.bits[i]![at]), -1, what));
}

Deno.test(`any number of threads, with fast loops or plain ones, folds to the same bits by every rule and codec (seed ${SEED})`, async () => {
  using one = new FoldThreads({ threadCount: 1, sharedValues: 0 });
  using two = new FoldThreads({ threadCount: 2, sharedValues: 0 });
  using three = new FoldThreads({ threadCount: 3, sharedValues: 0 });
  const crews = [one, two, three];
  await Promise.all(crews.map((crew) => crew.start()));
  assert.ok(crews.every((crew) => crew.isFast));
  for (const [i, { name }] of Object.values(rules).entries()) {
    const wanted = folded(name, scene(ArrayBuffer, SEED + i));
    for (const crew of crews) assertSame(folded(name, scene(SharedArrayBuffer, SEED + i), crew), wanted, name);
  }
});

Deno.test("helpers take their part, and what they fold has the same bits", async () => {
  using crew = new FoldThreads({ threadCount: 3, sharedValues: 0 });
  const wanted = folded("geometric-median", scene(ArrayBuffer));
  await crew.start();
  for (let tries = 0; crew.helpedItems < 20; tries++) {
    assert.ok(tries < 1000, "no helper ever took an item");
    assertSame(folded("geometric-median", scene(SharedArrayBuffer), crew), wanted, `fold ${tries}`);
  }
});

Deno.test("what is not in shared memory, or small, is folded by the calling thread", () => {
  using crew = new FoldThreads({ threadCount: 3, sharedValues: 0 }), lazy = new FoldThreads({ threadCount: 3 });
  const wanted = folded("median-clip", scene(ArrayBuffer));
  assertSame(folded("median-clip", scene(ArrayBuffer), crew), wanted, "not shared");
  assertSame(folded("median-clip", scene(SharedArrayBuffer), lazy), wanted, "small");
  assert.equal(crew.helpedItems + lazy.helpedItems, 0);
});
