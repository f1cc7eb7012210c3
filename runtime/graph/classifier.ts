/**
 * The output layer and its loss, chunk by chunk: the logits of a micro-batch are never whole.
 *
 * A vocabulary is so much wider than a model that whole logits would be the largest tensor of training by far. Here some
 * rows of hidden states become logits, losses and, in place, gradients of logits, which are used up at once: the weights
 * and those rows of the hidden states get their gradients before the next chunk takes the same memory. So this part of
 * the backward pass runs with the forward pass. N tokens, C width, V vocabulary.
 * @module
 */
import { appendBackward } from "./gradient.ts";
import { crossEntropy, linear } from "./ops.ts";
import type { Graph, RowRange, Tensor } from "./tensor.ts";

export interface ClassifierOptions {
  /** (V, C), a parameter. */
  readonly weight: Tensor;
  /** (N), u32. */
  readonly targets: Tensor;
  /** (1): factor of the gradient. */
  readonly scale: Tensor;
  /** Most bytes of logits at once. Default: 64 MiB, or those of 1,024 rows. */
  readonly logitsBytes?: number | undefined;
  /** Sees each chunk of logits before their gradient takes their place. */
  readonly look?: Look | undefined;
}

export type Look = (graph: Graph, logits: Tensor, rows: RowRange) => void;

export interface Classified {
  /** (N). */
  readonly losses: Tensor;
  /** The gradient of the hidden states, by them: where the rest of the backward pass begins. Empty without one. */
  readonly seed: ReadonlyMap<Tensor, Tensor>;
}

/** Hidden states (N, C) to losses; in a differentiable graph with the gradients of weights and hidden states. */
export function classify(graph: Graph, hidden: Tensor, options: ClassifierOptions): Classified {
  const { weight, targets, scale, look } = options, [N = 0] = hidden.shape, [V = 0] = weight.shape;
  const { logitsBytes = Math.max(LOGITS_BYTES, 4 * V * BUSY_ROWS) } = options;
  if (graph.differentiable && weight.gradientHome === undefined) {
    throw new Error(`Cannot classify by '${weight.label}': it is no parameter, so its gradient has no place`);
  }
  const losses = graph.tensor("losses", [N]);
  const dhidden = graph.tensor(`gradient of ${hidden.label}`, hidden.shape, hidden.type);
  for (const rows of rowChunks({ N, V, logitsBytes })) {
    const before = graph.tape.length, x = graph.rows(hidden, rows);
    const logits = linear(graph, x, { weight, type: "f32" });
    look?.(graph, logits, rows);
    const dlogits = crossEntropy(graph, logits, {
      targets: graph.rows(targets, rows),
      scale,
      losses: graph.rows(losses, rows),
    });
    if (!graph.differentiable) continue;
    const places = new Map([[x, graph.rows(dhidden, rows)]]);
    appendBackward(graph, new Map([[logits, dlogits]]), { after: before, places });
  }
  return { losses, seed: graph.differentiable ? new Map([[hidden, dhidden]]) : new Map() };
}

const LOGITS_BYTES = 2 ** 26;
/** Every chunk reads and writes the whole matrix and its gradient, and products of fewer rows leave a large GPU idle. */
const BUSY_ROWS = 1024;
/** Where a chunk may begin: rows of any width, in f16 too, begin at a multiple of 64 words there. */
const ROW_MULTIPLE = 128;

/** All rows if their logits fit, else as few chunks as the bytes allow, of equal size but for the last. */
export function rowChunks(
  { N, V, logitsBytes }: { readonly N: number; readonly V: number; readonly logitsBytes: number },
): readonly RowRange[] {
  if (4 * N * V <= logitsBytes) return [{ first: 0, count: N }];
  const most = Math.max(1, Math.floor(logitsBytes / (4 * V * ROW_MULTIPLE))) * ROW_MULTIPLE;
  const size = Math.ceil(N / Math.ceil(N / most) / ROW_MULTIPLE) * ROW_MULTIPLE;
  return Array.from({ length: Math.ceil(N / size) }, (_, i) => {
    return { first: i * size, count: Math.min(size, N - i * size) };
  });
}
