/**
 * What was measured of a device's matrix products, as data that outlives the session, and the choice that follows.
 * @module
 */
import { z } from "zod";
import { matmulForms } from "../../kernels/matmul.ts";
import { matmulPartialForms } from "../../kernels/matmul_partial.ts";
import { matmulSum } from "../../kernels/matmul_sum.ts";
import { fitsRows, matmulRows } from "../../kernels/matmul_rows.ts";
import {
  BY_SHAPE,
  type KernelChoice,
  type ProductChoice,
  type ProductUse,
  ROWS,
} from "../../kernels/product_choice.ts";
import type { Device } from "../device/device.ts";
import { choiceFor } from "../graph/choice.ts";
import { classOf } from "./product_class.ts";

export interface TunedProducts {
  /** Device, program and kernels that it holds for. */
  readonly subject: string;
  /** By class of product. */
  readonly classes: Readonly<Record<string, TunedClass>>;
}

/** The fastest form of a class, and what was measured of it. */
export interface TunedClass extends ProductChoice {
  /** What was multiplied: M, N and K. */
  readonly sizes: readonly [number, number, number];
  readonly gflops: number;
  /** Of the form that a device has which was not measured. */
  readonly gflopsByShape: number;
}

/** Beyond so many words, parts of a product take more memory than the time they save is worth. */
const MOST_PARTIAL_WORDS = 1 << 23;

/** The choice for a device of which this is known; null: nothing. */
export function choiceOf(device: Pick<Device, "kind" | "description">, tuned: TunedProducts | null): KernelChoice {
  const isOfDevice = device.kind === "webgpu" && tuned?.subject === subjectOf(device);
  return isOfDevice ? { fuses: true, product: (use) => measuredOrByShape(use, tuned) } : choiceFor(device);
}

function measuredOrByShape(use: ProductUse, { classes }: TunedProducts): ProductChoice {
  const found = classes[classOf(use)];
  const isPossible = found !== undefined && (found.form !== ROWS || fitsRows(use)) &&
    (found.split === 1 || found.split * use.M * use.N <= MOST_PARTIAL_WORDS);
  return isPossible ? found : BY_SHAPE.product(use);
}

/**
 * What measurements hold for: the adapter as its driver names it, the program that drives it (which has the shader
 * compiler), and the texts of the kernels. WebGPU tells no driver's version.
 */
export function subjectOf({ description }: Pick<Device, "description">): string {
  return `${description}, ${navigator.userAgent}, kernels ${KERNELS}`;
}

/** A number that changes with the kernels' texts (FNV-1a). */
const KERNELS = [...matmulForms.values(), ...matmulPartialForms.values(), matmulRows, matmulSum]
  .flatMap(({ name, source, variants = [] }) => [name, source, ...variants.map(({ source }) => source)])
  .reduce(fnv, 0x811c9dc5).toString(16);

function fnv(hash: number, text: string): number {
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return hash >>> 0;
}

const schema = z.object({
  subject: z.string(),
  classes: z.record(
    z.string(),
    z.object({
      form: z.enum([ROWS, ...matmulForms.keys()]),
      split: z.int().min(1).max(64),
      sizes: z.tuple([z.int().min(1), z.int().min(1), z.int().min(1)]),
      gflops: z.number().positive(),
      gflopsByShape: z.number().positive(),
    }).refine(({ form, split }) => form !== ROWS || split === 1),
  ),
});

/** Reads what `JSON.stringify` made of it. Null if it is damaged, or something else. */
export function parseTuned(text: string): TunedProducts | null {
  try {
    return schema.parse(JSON.parse(text));
  } catch {
    return null;
  }
}
