/**
 * One look inside a model: logits, losses and every gradient of a batch, as arrays by name.
 *
 * For tests, fixtures and debugging; training never reads these back. It builds its own small plan and frees it.
 * @module
 */
import { copy } from "../../kernels/copy.ts";
import type { KernelChoice } from "../../kernels/product_choice.ts";
import { ropeTable } from "../../kernels/rope.ts";
import { type Device, type Span, whole } from "../device/device.ts";
import { choiceFor } from "../graph/choice.ts";
import { appendBackward } from "../graph/gradient.ts";
import { planMemory } from "../graph/memory.ts";
import { allocateAll, bindSteps, spanOf } from "../graph/plan.ts";
import type { Tensor } from "../graph/tensor.ts";
import { headSize, type ModelConfig } from "../model/config.ts";
import { narrowDispatches } from "./inner_step.ts";
import { lossGraph, type Precision } from "./training_graph.ts";
import { packWindows, predictedTokens } from "./windows.ts";

export interface InspectOptions {
  readonly device: Device;
  readonly model: ModelConfig;
  /** Parameter arena; `parameterLayout(model)` says what is where. */
  readonly weights: Float32Array;
  /** Windows of 2 to contextLength + 1 tokens; the longest decides T. */
  readonly windows: readonly Uint32Array[];
  /** How activations lie in memory. Default f32. */
  readonly precision?: Precision;
  /** Most bytes of logits at once; see `classify`. */
  readonly logitsBytes?: number;
  /** In f16: what the loss of a token is multiplied with on the way. Gradients are given without it. */
  readonly lossScale?: number;
  /** Which forms products have. Default: the device's. */
  readonly choice?: KernelChoice;
  /** How a span is read; the device's `read` if absent. The plain device in f64 has one that keeps all digits. */
  read?(span: Span): Promise<Numbers>;
}

type Numbers = Float32Array | Float64Array;

export interface Inspection {
  /** Mean loss, nats a predicted token. */
  readonly loss: number;
  /** (B·T), 0 where nothing is predicted. */
  readonly losses: Numbers;
  /** (B·T, V). */
  readonly logits: Numbers;
  /** Of the mean loss, by parameter name. */
  readonly gradients: ReadonlyMap<string, Numbers>;
}

/** Runs one batch forward and backward. */
export async function inspect({ device, model, weights, windows, ...options }: InspectOptions): Promise<Inspection> {
  const T = Math.max(...windows.map(predictedTokens)), B = windows.length, V = model.vocabularySize;
  const { precision = "f32", lossScale = 1, logitsBytes, choice = choiceFor(device) } = options;
  const shape = { B, T, precision, logitsBytes, choice };
  let kept: Tensor | undefined;
  const { layout, graph, losses, seed, bufferWords } = lossGraph(model, shape, (graph, logits, rows) => {
    kept ??= graph.tensor("kept logits", [B * T, V]); // their gradient overwrites them
    graph.run(copy, { COUNT: logits.count, ACCUMULATE: 0 }, { x: logits, y: graph.rows(kept, rows) });
    graph.keep(kept);
  });
  graph.keep(losses);
  appendBackward(graph, seed);

  const memory = planMemory(graph);
  const slotWords = Object.fromEntries(memory.slotWords.map((words, slot) => [`slot ${slot}`, words]));
  const buffers = allocateAll<string>(device, {
    ...bufferWords,
    settings: 1,
    loss_scale: 1,
    total: 1,
    ...slotWords,
  });
  try {
    const places = { memory, slots: memory.slotWords.map((_, slot) => buffers[`slot ${slot}`]!), buffers };
    const tokens = windows.reduce((sum, window) => sum + predictedTokens(window), 0);
    device.write(whole(buffers["parameters"]!), weights);
    device.write(whole(buffers["inputs"]!), packWindows(windows, { B, T, V }));
    device.write(whole(buffers["positions"]!), Uint32Array.from({ length: B * T }, (_, n) => n % T));
    device.write(whole(buffers["settings"]!), Float32Array.of(1 / tokens));
    device.write(whole(buffers["loss_scale"]!), Float32Array.of(lossScale));
    if (model.family === "llama") {
      const table = { positionCount: model.contextLength, headSize: headSize(model), base: model.ropeTheta };
      device.write(whole(buffers["rotary"]!), ropeTable(table));
    }
    const arenas = { parameters: buffers["parameters"]!, f16_parameters: buffers["f16_parameters"]! };
    const narrow = precision === "f16" ? narrowDispatches(arenas, layout) : [];
    device.run(await device.prepare([...narrow, ...bindSteps(graph, places)], "inspect"));

    const read = options.read ?? (async (span: Span) => (await device.read([span]))[0]!);
    const readTensor = (tensor: Tensor) => read(spanOf(tensor, places));
    const gradients = new Map<string, Numbers>();
    for (const { name, start, words } of layout.parameters) {
      const values = await read({ buffer: buffers["gradients"]!, start, words });
      gradients.set(name, precision === "f16" ? values.map((value) => value / (lossScale * tokens)) : values);
    }
    const lossValues = await readTensor(losses);
    let lossSum = 0;
    for (const loss of lossValues) lossSum += loss;
    return { loss: lossSum / tokens, losses: lossValues, logits: await readTensor(kept!), gradients };
  } finally {
    await device.idle();
    for (const buffer of Object.values(buffers)) device.free(buffer);
  }
}
