/**
 * Contributions, weights and checkpoints: arrays of numbers as bytes, from peers and from a disk.
 * @module
 */
import { strict as assert } from "node:assert";
import {
  checkpointPieces,
  decodeCheckpoint,
  type KeptLineage,
  writtenLineage,
} from "../../../runtime/state/checkpoint.ts";
import { anyCodec, codecs } from "../../../runtime/state/codec/codecs.ts";
import { fold, judge } from "../../../runtime/state/fold.ts";
import { allocateWeights, readWeights, type WeightsLayout } from "../../../runtime/state/weights.ts";
import { joinBytes } from "../../../runtime/folder.ts";
import { chance } from "../../chance.ts";
import { mutated } from "../bytes.ts";
import { accepts, independent, type Target } from "../target.ts";

/** Two chunks of the sparse codec, the second not full; blocks of 64 that do not fill the end. */
const LENGTH = 4096 + 200;
const PADDING = [{ start: 100, end: 128 }];
const LAYOUT: WeightsLayout = { parameterWords: LENGTH, hasMomentum: true, padding: PADDING };
const OUTER = { robust: "median-clip", screen: "drop", learningRate: 1, momentum: 0 } as const;

const some = chance(1);
const values = Float32Array.from({ length: LENGTH }, (_, i) => i >= 100 && i < 128 ? 0 : some.between(-1, 1));
const contributions = Object.values(codecs).map((codec) => codec.encode(values).bytes);
const weightBytes = new Uint8Array(allocateWeights(LAYOUT).bytes);
const words = 192, arena = () => new Float32Array(words).fill(0.5);
const moments = {
  first: arena(),
  second: arena(),
  residual: arena(),
  stepCount: 7,
  beta2Product: 0.9,
};
const encodeCheckpoint = async (lineages: readonly KeptLineage[]) =>
  joinBytes(await Array.fromAsync(checkpointPieces(lineages.map(writtenLineage), { words })));
const checkpoint = await encodeCheckpoint([{ from: [0], moments }, { from: [1, 2], moments }]);

export const stateTargets: readonly Target[] = [
  independent("contribution", 100, (chance) => {
    const bytes = mutated(chance.pick(contributions), chance, chance.pick(contributions));
    return { sizeBytes: bytes.length, run: () => judgeAndFold(bytes) };
  }),
  independent("weights", 20, (chance) => {
    const bytes = mutated(weightBytes, chance);
    return {
      sizeBytes: bytes.length,
      run: () =>
        accepts(() => {
          const { bytes: again } = readWeights(bytes, LAYOUT);
          assert.deepEqual(new Uint8Array(again), bytes);
        }, "WeightsError"),
    };
  }),
  independent("checkpoint", 20, (chance) => {
    const bytes = mutated(checkpoint, chance);
    return {
      sizeBytes: bytes.length,
      async run() {
        const decoded = await decodeCheckpoint(bytes, { words });
        if (decoded.ok) assert.deepEqual(await encodeCheckpoint(decoded.lineages), bytes);
        return decoded.ok;
      },
    };
  }),
];

/** Whatever is judged valid folds to finite weights, with padding that stays zero. */
function judgeAndFold(bytes: Uint8Array<ArrayBuffer>): boolean {
  const judged = judge(bytes, { codec: anyCodec, length: LENGTH, padding: PADDING });
  const weights = new Float32Array(LENGTH);
  const folded = fold({ weights, momentum: null, parts: [{ bytes, weight: 1 }] }, {
    codec: anyCodec,
    padding: PADDING,
    outer: OUTER,
  });
  assert.equal(folded.verdicts[0]!.valid, judged.valid);
  assert.ok(folded.weights.every(Number.isFinite), "the fold is finite");
  assert.ok(folded.weights.subarray(100, 128).every((value) => value === 0), "padding stays zero");
  return judged.valid;
}
