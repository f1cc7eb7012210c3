/**
 * What does it cost to make a contribution, and to read one? Gigabytes a second of the f32 values that it stands for:
 * the cut of a trainer with its packing into int8, the plain encoders, the hash of what is sent, and the decoding that a
 * fold does. What contributions cost in loss is `codec`'s question, what a fold of many costs is `fold`'s.
 * @module
 */
import { MemoryBlobStore } from "../p2p/store/memory.ts";
import { openCpuDevice } from "../runtime/device/cpu.ts";
import type { ModelConfig } from "../runtime/model/config.ts";
import { initialWeights } from "../runtime/model/parameters.ts";
import { presets } from "../runtime/presets.ts";
import { exampleWindows } from "../runtime/profile/step_profile.ts";
import { codecs } from "../runtime/state/codec/codecs.ts";
import { packInt8 } from "../runtime/state/codec/int8.ts";
import { type Cut, QUANTISE_BLOCK } from "../runtime/train/pseudo_gradient.ts";
import { openTrainer } from "../runtime/train/trainer.ts";
import { chance } from "../tests/chance.ts";
import type { Bench, BenchLine } from "./line.ts";
import { SETTINGS } from "./training.ts";

const LENGTH = 1 << 22, REPEATS = 7;
/** Values that a fold decodes at a time. */
const PIECE = 1 << 16;
/** Some 3.2 million parameters. */
const MODEL: ModelConfig = { ...presets.demo.model, width: 256, hiddenWidth: 1024, headCount: 8, keyValueHeadCount: 8 };

export const contributionBench: Bench = {
  name: "contribution",
  question: "How fast is a contribution made, hashed and read, in gigabytes of values a second?",
  async *run(): AsyncIterable<BenchLine> {
    yield await cutLine();
    const { next } = chance(1), values = Float32Array.from({ length: LENGTH }, () => next() - 0.5);
    for (const codec of Object.values(codecs)) {
      const about = { codec: codec.name, device: "cpu, 1 thread" };
      const { bytes } = codec.encode(values);
      yield { name: "plain encoder", ...about, ...await rateOf(LENGTH, () => codec.encode(values)) };
      const into = new Float64Array(PIECE);
      const read = await rateOf(LENGTH, () => {
        const opened = codec.open(bytes, LENGTH);
        if (!opened.ok) throw new Error(`Cannot measure: ${opened.reason}`);
        for (let start = 0; start < LENGTH; start += PIECE) opened.vector.addTo(into, { start, share: 0.5 });
      });
      yield { name: "reading", ...about, ...read };
    }
    const { bytes } = codecs.f32.encode(values);
    const hashed = await rateOf(LENGTH, () => new MemoryBlobStore().put(bytes));
    yield { name: "hash and store in memory", device: "cpu, 1 thread", ...hashed };
  },
};

/** As a peer makes one: on its device, then packed. */
async function cutLine(): Promise<BenchLine> {
  await using device = await openCpuDevice();
  await using trainer = await openTrainer({ device, model: MODEL, microBatch: 1 });
  const weights = initialWeights(MODEL, 1);
  trainer.writeWeights(weights);
  trainer.step(exampleWindows(1, MODEL), SETTINGS);
  let cut: Partial<Cut> = {}; // as a peer does it: into the memory of the one before
  const rate = await rateOf(weights.length, async () => {
    const { codes, scales, weights } = cut = await trainer.cut(cut);
    packInt8({ codes, exponents: scales, length: weights.length, block: QUANTISE_BLOCK });
  });
  return { name: "cut and packed", codec: "int8", device: device.description, ...rate };
}

/** The median of several, after one that does not count. */
async function rateOf(length: number, act: () => unknown): Promise<{ readonly ms: number; readonly gbps: number }> {
  const times: number[] = [];
  for (let repeat = -1; repeat < REPEATS; repeat++) {
    const startedAtMs = performance.now();
    await act();
    if (repeat >= 0) times.push(performance.now() - startedAtMs);
  }
  const ms = times.sort((a, b) => a - b)[REPEATS >> 1]!;
  return { ms, gbps: 4 * length / ms / 1e6 };
}
