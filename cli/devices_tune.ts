/**
 * `starling devices --tune`: which forms of matrix products are fastest on this machine's GPU, measured anew and shown.
 *
 * A peer on a GPU does the same by itself for what its run needs and nobody measured; here it is a user who asks, also
 * of a software driver, and with more time.
 * @module
 */
import { type Device, isGpu } from "../runtime/device/device.ts";
import { openDevice, type OpenDeviceOptions } from "../runtime/device/open.ts";
import { classOf, representatives } from "../runtime/tuning/product_class.ts";
import { tuneProducts } from "../runtime/tuning/tune.ts";
import type { TunedClass } from "../runtime/tuning/tuned_products.ts";
import { likelyMicroBatch, trainingUses } from "../runtime/worker/tuning.ts";
import { table } from "./format.ts";
import { json, line, type Manner, note } from "./print.ts";
import { chosenRun } from "./profile.ts";
import { loadTuned, saveTuned, tunedPath } from "./tuned_file.ts";

/** Long enough for every class of a model of two families and precisions on a GPU. */
const BUDGET_MS = 60_000;

export interface TuneFlags {
  readonly device: "auto" | "webgpu" | "dawn";
  readonly manner: Manner;
}

/** Measures, keeps and prints. @param source A run's folder, its run.json, or the name of a preset. */
export async function tuneDevices(source: string, { device: choice, manner }: TuneFlags): Promise<void> {
  const isTold = manner === "live" || manner === "plain", { model, training } = await chosenRun(source);
  const device = await openGpu(choice, { onNotice: (message) => isTold && note(message) });
  await using _ = device;
  if (isTold) note(`Device: ${device.description}. Measuring the matrix products of a training step there …`);
  const microBatch = likelyMicroBatch(model, training.batch),
    precisions = device.storesF16 ? ["f32", "f16"] as const : ["f32"] as const;
  const uses = trainingUses(model, { microBatch, precisions }), faults: string[] = [];
  const found = await tuneProducts({
    device,
    uses,
    budgetMs: BUDGET_MS,
    onProgress: (done, count) => isTold && note(`${done} of ${count} classes`),
    onFault: (message) => faults.push(message),
  });
  await loadTuned((message) => isTold && note(message)); // says so if it is damaged
  await saveTuned([found]);

  const classes = representatives(uses).map(classOf).map((name) => ({ name, found: found.classes[name] ?? null }));
  if (manner === "json") {
    for (const { name, found } of classes) json({ kind: "product", class: name, ...found, isMeasured: found !== null });
    return json({ kind: "tuned", device: device.description, subject: found.subject, file: tunedPath(), faults });
  }
  for (const text of table(["product", " M × N × K", "form", " GFLOP/s", " × by shape"], classes.map(row))) line(text);
  for (const fault of faults) line(fault);
  if (tunedPath() !== null) line(`Kept in ${tunedPath()}; every peer on this machine uses it.`);
}

/** The GPU that peers on this machine take by themselves; the one that is built in if they take none. */
async function openGpu(choice: TuneFlags["device"], options: OpenDeviceOptions): Promise<Device> {
  const { device } = await openDevice(choice, options);
  if (isGpu(device)) return device;
  await device[Symbol.asyncDispose]();
  return (await openDevice("webgpu")).device;
}

function row({ name, found }: { readonly name: string; readonly found: TunedClass | null }): string[] {
  if (found === null) return [name, "–", "by shape: there was no time or memory to measure it", "–", "–"];
  const { sizes, form, split, gflops, gflopsByShape } = found;
  const ratio = (gflops / gflopsByShape).toFixed(2), parts = split === 1 ? "" : `, K in ${split} parts`;
  return [name, sizes.join(" × "), `${form}${parts}`, gflops.toPrecision(3), ratio];
}
