/**
 * The tuning of a GPU before a peer trains on it: for the products of its own steps, where nothing is known of them yet.
 *
 * A software driver is never tuned: the time is better spent, and it is not chosen by itself.
 * @module
 */
import type { ProductUse } from "../../kernels/product_choice.ts";
import { type Device, isGpu, isSoftware } from "../device/device.ts";
import type { ModelConfig } from "../model/config.ts";
import { type Precision, trainingGraph } from "../train/training_graph.ts";
import { usesIn } from "../tuning/product_class.ts";
import { tuneProducts } from "../tuning/tune.ts";
import { type TunedProducts, withTuned } from "../tuning/tuned_products.ts";
import type { Clock } from "./clock.ts";
import type { LearnerEvent } from "./messages.ts";

export interface TrainingTuning {
  readonly device: Device;
  readonly model: ModelConfig;
  /** Sequences at once. */
  readonly microBatch: number;
  readonly precisions: readonly Precision[];
  readonly known: TunedProducts | null;
  readonly clock: Clock;
  tell(event: LearnerEvent): void;
}

/** Where devices level off: so many tokens at once are likely before the fastest micro-batch is known. */
const LIKELY_TOKENS = 4096;

/** A micro-batch that the search for the fastest may well end with. */
export function likelyMicroBatch({ contextLength }: ModelConfig, batch: number): number {
  return Math.max(1, Math.min(batch, Math.floor(LIKELY_TOKENS / contextLength)));
}

/** Every product of a training step, in each of some precisions. */
export function trainingUses(
  model: ModelConfig,
  { microBatch: B, precisions }: Pick<TrainingTuning, "microBatch" | "precisions">,
): ProductUse[] {
  return usesIn((choice) => {
    for (const precision of precisions) trainingGraph(model, { B, T: model.contextLength, precision, choice });
  });
}

/** Progress is told at most as often. */
const TOLD_EVERY_MS = 1000;

/** What is known of the device then; as before, if it is none to tune. Tells what is new. */
export async function tuneForTraining(options: TrainingTuning): Promise<TunedProducts | null> {
  const { device, model, known, clock, tell } = options;
  if (!isGpu(device) || isSoftware(device.description)) return known;
  let toldMs = -Infinity, isNew = false;
  const found = await tuneProducts({
    device,
    uses: trainingUses(model, options),
    known,
    now: () => clock.now(),
    onProgress(doneCount, classCount) {
      isNew = true;
      if (clock.now() - toldMs < TOLD_EVERY_MS) return;
      toldMs = clock.now();
      tell({ kind: "tuning", doneCount, classCount });
    },
    onFault: (message) => tell({ kind: "warning", message }),
  });
  if (!isNew) return known;
  const products = withTuned(known, found);
  tell({ kind: "tuned", products });
  return products;
}
