/**
 * What was measured of a device's matrix products, as data that outlives the session, and the choice that follows.
 * @module
 */
import { z } from "zod";
import { matmulForms } from "../../kernels/matmul.ts";
import { matmulPartialForms } from "../../kernels/matmul_partial.ts";
import { matmulSum } from "../../kernels/matmul_sum.ts";
import { matmulMatrixForms } from "../../kernels/matmul_matrix.ts";
import { matmulRows } from "../../kernels/matmul_rows.ts";
import {
  fitsForm,
  FORMS,
  type KernelChoice,
  type ProductChoice,
  type ProductUse,
} from "../../kernels/product_choice.ts";
import { type Device, isGpu } from "../device/device.ts";
import { choiceFor, type ChoosingDevice } from "../graph/choice.ts";
import { classOf } from "./product_class.ts";

/** Of every device that was measured on this machine, the newest first: a machine has two GPUs, or two ways to one. */
export type TunedProducts = readonly TunedDevice[];

export interface TunedDevice {
  /** Device, program and kernels that it holds for. */
  readonly subject: string;
  /** By class of product. */
  readonly classes: Readonly<Record<string, TunedClass>>;
}

/** More than a machine has; what an old driver or program left is forgotten in time. */
export const MOST_DEVICES = 8;

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
export function choiceOf(device: ChoosingDevice, tuned: TunedProducts | null): KernelChoice {
  const own = isGpu(device) ? tunedOf(device, tuned) : undefined, unmeasured = choiceFor(device);
  if (own === undefined) return unmeasured;
  return { fuses: true, product: (use) => measured(use, own) ?? unmeasured.product(use) };
}

/** What is known of this device. */
export function tunedOf(device: Pick<Device, "description">, tuned: TunedProducts | null): TunedDevice | undefined {
  const subject = subjectOf(device);
  return tuned?.find((one) => one.subject === subject);
}

/** What is known with what was found now: of its device, the classes that it lacks stay. */
export function withTuned(tuned: TunedProducts | null, { subject, classes }: TunedDevice): TunedProducts {
  const others = (tuned ?? []).filter((one) => one.subject !== subject);
  const before = tuned?.find((one) => one.subject === subject)?.classes;
  return [{ subject, classes: { ...before, ...classes } }, ...others].slice(0, MOST_DEVICES);
}

function measured(use: ProductUse, { classes }: TunedDevice): ProductChoice | null {
  const found = classes[classOf(use)];
  const isPossible = found !== undefined && fitsForm(found.form, use) &&
    (found.split === 1 || found.split * use.M * use.N <= MOST_PARTIAL_WORDS);
  return isPossible ? found : null;
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
  .concat(
    [...matmulMatrixForms].flatMap(([name, { variants = [] }]) => [name, ...variants.map(({ source }) => source)]),
  )
  .reduce(fnv, 0x811c9dc5).toString(16);

function fnv(hash: number, text: string): number {
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return hash >>> 0;
}

const schema = z.array(z.object({
  subject: z.string(),
  classes: z.record(
    z.string(),
    z.object({
      form: z.enum(FORMS),
      split: z.int().min(1).max(64),
      sizes: z.tuple([z.int().min(1), z.int().min(1), z.int().min(1)]),
      gflops: z.number().positive(),
      gflopsByShape: z.number().positive(),
    }).refine(({ form, split }) => matmulPartialForms.has(form) || split === 1),
  ),
})).max(MOST_DEVICES);

/** Reads what `JSON.stringify` made of it. Null if it is damaged, or something else. */
export function parseTuned(text: string): TunedProducts | null {
  try {
    return schema.parse(JSON.parse(text));
  } catch {
    return null;
  }
}
