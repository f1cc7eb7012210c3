/**
 * What do sparse contributions cost in loss, at equal tokens? A tiny model, four peers in step, the same windows for every
 * codec; each contribution is encoded, folded and measured as in a run, error feedback included.
 *
 * Everything runs on the plain encoders, one peer after the other, so figures are the same on every machine.
 * @module
 */
import { openCorpus } from "../runtime/data/corpus.ts";
import { markovEntropy, markovTokens } from "../runtime/data/markov.ts";
import { openCpuDevice } from "../runtime/device/cpu.ts";
import { initialWeights } from "../runtime/model/parameters.ts";
import type { Codec } from "../runtime/state/codec/codec.ts";
import { anyCodec, codecs } from "../runtime/state/codec/codecs.ts";
import { topk, TOPK_DECAY } from "../runtime/state/codec/topk.ts";
import { fold } from "../runtime/state/fold.ts";
import { weightsLayout } from "../runtime/state/weights.ts";
import { openTrainer } from "../runtime/train/trainer.ts";
import { heldOutWindows } from "../runtime/worker/held_out.ts";
import { tinyRun } from "../tests/tiny_run.ts";
import type { Bench, BenchLine } from "./line.ts";
import { SETTINGS } from "./training.ts";

const PEERS = 4, ROUNDS = 60, STEPS = 10, BATCH = 4;

interface Form {
  readonly codec: Codec;
  readonly kept: number;
  readonly decay: number;
}

const FORMS: readonly Form[] = [
  { codec: codecs.f32, kept: 4096, decay: 0 },
  { codec: codecs.int8, kept: 4096, decay: 1 },
  ...([512, 256, 64] as const).map((kept) => ({ codec: topk(kept), kept, decay: TOPK_DECAY })),
];

export const codecBench: Bench = {
  name: "codec",
  question: `what does a run of ${PEERS} peers and ${ROUNDS} rounds of ${STEPS} steps learn with each codec?`,
  async *run(): AsyncIterable<BenchLine> {
    for (const form of FORMS) yield await train(form);
  },
};

async function train({ codec, kept, decay }: Form): Promise<BenchLine> {
  const config = tinyRun(), { model, seed } = config, { contextLength, vocabularySize } = model;
  if (config.data.kind !== "markov") throw new Error("tinyRun has a Markov source");
  const corpus = openCorpus(markovTokens(config.data), { contextLength, vocabularySize });
  const heldOut = heldOutWindows(corpus.heldOut, { seed, contextLength });
  const { parameterWords, padding } = weightsLayout(config), weights = initialWeights(model, seed);
  await using device = await openCpuDevice({ threads: 1 });
  const peers = await Promise.all(Array.from({ length: PEERS }, async () => ({
    trainer: await openTrainer({ device, model, microBatch: BATCH, outer: false }),
    residual: new Float32Array(parameterWords),
  })));
  let window = 0, bytes = 0;
  const nextWindow = () => {
    const into = new Uint32Array(contextLength + 1);
    corpus.train.read(window++ % corpus.train.windowCount, into);
    return into;
  };
  for (let round = 0; round < ROUNDS; round++) {
    const parts = [];
    for (const peer of peers) {
      peer.trainer.writeWeights(weights);
      for (let step = 0; step < STEPS; step++) {
        peer.trainer.step(Array.from({ length: BATCH }, nextWindow), SETTINGS);
      }
      await peer.trainer.readMetrics();
      const local = await peer.trainer.readWeights();
      const encoded = codec.encode(
        local.map((value, i) => weights[i]! - value + decay * peer.residual[i]!),
      );
      peer.residual = encoded.residual;
      bytes += encoded.bytes.length;
      parts.push({ bytes: encoded.bytes, weight: 1 });
    }
    fold({ weights, momentum: null, parts }, { codec: anyCodec, padding, outer: config.outer });
  }
  const { lossSum, tokens } = await peers[0]!.trainer.evaluate(heldOut, weights);
  for (const { trainer } of peers) await trainer[Symbol.asyncDispose]();
  return {
    name: kept === 4096 ? codec.name : `${codec.name} ${kept} of 4096`,
    codec: codec.name,
    heldOutLoss: Number((lossSum / tokens).toFixed(4)),
    entropy: Number(markovEntropy(config.data).toFixed(4)),
    trainedTokens: PEERS * ROUNDS * STEPS * BATCH * contextLength,
    contributionBytes: bytes / PEERS / ROUNDS,
    timesSmallerThanF32: Number((codecs.f32.sizeBytes(parameterWords) * PEERS * ROUNDS / bytes).toFixed(1)),
  };
}
