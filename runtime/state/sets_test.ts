import { strict as assert } from "node:assert";
import { codecs } from "./codec/codecs.ts";
import { fold } from "./fold.ts";
import { averageSets, foldSets } from "./sets.ts";
import { allocateWeights, type Weights } from "./weights.ts";

const layout = { parameterWords: 2, hasMomentum: true, padding: [] };
const outer = { robust: "median-clip", screen: "drop", learningRate: 1, momentum: 0.5 } as const;
const options = { codec: codecs.f32, padding: [], outer };

/** Weights whose sets have these parameters, and momentum of a tenth of them. */
function weightsOf(...sets: readonly (readonly [number, number])[]): Weights {
  const weights = allocateWeights(layout, sets.length);
  sets.forEach((values, i) => {
    weights.sets[i]!.parameters.set(values);
    weights.sets[i]!.momentum!.set(values.map((value) => value / 10));
  });
  return weights;
}

function part(at: number, values: readonly [number, number], weight = 1) {
  return { at, weight, bytes: codecs.f32.encode(Float32Array.from(values)).bytes };
}

const parametersOf = ({ sets }: Weights) => sets.map(({ parameters }) => [...parameters]);
const momentaOf = ({ sets }: Weights) => sets.map(({ momentum }) => [...momentum!]);

Deno.test("foldSets() folds each set's parts into it as if it were alone; one without parts stays as it is", () => {
  const parent = weightsOf([1, 2], [10, 20], [100, 200]), into = allocateWeights(layout, 3);
  const parts = [part(2, [1, 0]), part(0, [0.5, 0.5]), part(2, [0, 1], 3)];
  const { verdicts } = foldSets({ parent, parts, joined: null, into }, options);
  assert.deepEqual(verdicts.map((verdict) => verdict.valid && verdict.norm.toFixed(2)), ["1.00", "0.71", "1.00"]);
  for (const [at, own] of [[0, [parts[1]!]], [2, [parts[0]!, parts[2]!]]] as const) {
    const alone = weightsOf([1, 2], [10, 20], [100, 200]).sets[at]!;
    fold({ weights: alone.parameters, momentum: alone.momentum, parts: own }, options);
    assert.deepEqual(parametersOf(into)[at], [...alone.parameters], `set ${at}`);
    assert.deepEqual(momentaOf(into)[at], [...alone.momentum!], `momentum of set ${at}`);
  }
  assert.deepEqual([parametersOf(into)[1], momentaOf(into)[1]], [[10, 20], momentaOf(parent)[1]]);
  assert.deepEqual(parametersOf(parent), [[1, 2], [10, 20], [100, 200]], "the parent is not written to");
});

Deno.test("two sets become one after the fold: by their shares, with the momentum of the one that is kept", () => {
  const parent = weightsOf([0, 0], [8, 16], [100, 200]);
  for (const [kept, gone, wanted] of [[0, 1, [2, 4]], [1, 0, [6, 12]]] as const) {
    const into = allocateWeights(layout, 2);
    foldSets({ parent, parts: [], joined: { kept, gone, shares: [30, 10] }, into }, options);
    assert.deepEqual(parametersOf(into), [wanted, [100, 200]]);
    assert.deepEqual(momentaOf(into), [momentaOf(parent)[kept], momentaOf(parent)[2]]);
  }
  const into = allocateWeights(layout, 2);
  foldSets({ parent, parts: [part(0, [-8, 0])], joined: { kept: 2, gone: 0, shares: [1, 1] }, into }, options);
  assert.deepEqual(parametersOf(into), [[8, 16], [56, 100]], "it is folded before: 8 + 0.5 · 8 is 12");
});

Deno.test("parts that pull against the others of their own set are left out, whatever other sets do", () => {
  const wide = { parameterWords: 1024, hasMomentum: false, padding: [] };
  const pull = (at: number, value: number) => (
    { at, weight: 1, bytes: codecs.f32.encode(new Float32Array(1024).fill(value)).bytes }
  );
  const parts = [pull(1, -1), ...Array.from({ length: 6 }, () => pull(0, 1)), pull(0, -1), pull(1, -1)];
  const sets = { parent: allocateWeights(wide, 2), into: allocateWeights(wide, 2), parts, joined: null };
  const { screen } = foldSets(sets, options);
  assert.deepEqual(screen!.dropped, [7]);
  assert.deepEqual(screen!.cosines.map((cosine) => cosine && Math.round(cosine)), [null, 1, 1, 1, 1, 1, 1, -1, null]);
  assert.equal(screen!.thresholds.length, parts.length);
});

Deno.test("foldSets() refuses parts of sets that are not there, and room for another number of sets", () => {
  const parent = weightsOf([1, 2]), into = allocateWeights(layout, 1);
  assert.throws(() => foldSets({ parent, parts: [part(1, [1, 1])], joined: null, into }, options), /set 1/);
  const joined = { kept: 0, gone: 0, shares: [1, 1] } as const;
  assert.throws(() => foldSets({ parent, parts: [], joined, into }, options), /room for 1 sets, and 0 come of it/);
});

Deno.test("averageSets() averages each set's sources by their shares, momentum alike; equal ones stay as they are", () => {
  const a = weightsOf([0, 4]).sets[0]!, b = weightsOf([3, 1]).sets[0]!, c = weightsOf([6, 1]).sets[0]!;
  const into = allocateWeights(layout, 3);
  const third = { ...weightsOf([0.1, 0.2]).sets[0]!, share: 7 };
  averageSets([
    [{ ...a, share: 1 }, { ...b, share: 2 }],
    [{ ...a, share: 1 }, { ...b, share: 1 }, { ...c, share: 2 }, { ...third, share: 0 }],
    [third, { ...third, share: 3 }],
  ], into);
  assert.deepEqual(parametersOf(into), [[2, 2], [3.75, 1.75], [...third.parameters]]);
  assert.ok(Math.abs(momentaOf(into)[1]![0]! - 0.375) < 1e-7);
  assert.throws(() => averageSets([[{ ...a, share: 0 }]], into), /all 0/);
});
