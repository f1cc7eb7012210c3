/**
 * Measures which forms of matrix products are fastest on a device, once for each class of product.
 *
 * It knows no models: it is given products. Time is bounded, and the products with most work come first; what there was
 * no time for is measured the next time. Only the fastest form is checked: against the form by shape, on the values at
 * the beginning, in the middle and at the end, with bounds that no rounding passes and that a missing slice exceeds.
 * @module
 */
import { reasonOf } from "../../p2p/reason.ts";
import { ONE_FORM, type ProductChoice, type ProductUse } from "../../kernels/product_choice.ts";
import { type Device, DeviceMemoryError, KernelError } from "../device/device.ts";
import { ProductBench } from "./bench_product.ts";
import { candidatesFor } from "./candidates.ts";
import { classOf, flopsOf, representatives } from "./product_class.ts";
import { subjectOf, type TunedClass, type TunedDevice, tunedOf, type TunedProducts } from "./tuned_products.ts";

export interface TuneOptions {
  readonly device: Device;
  /** All products of a step, as often as they occur. */
  readonly uses: readonly ProductUse[];
  /** What is known already, of this device and others. */
  readonly known?: TunedProducts | null;
  /** After this time no class is begun, and of the one in hand no form is compiled that is not yet. */
  readonly budgetMs?: number;
  /** Milliseconds; the default is `performance.now`. */
  readonly now?: () => number;
  /** Before each class. */
  onProgress?(doneCount: number, classCount: number): void;
  /** A form that computed something else, or did not compile: it is left out. */
  onFault?(message: string): void;
}

const BUDGET_MS = 8000;
/** Rounds in which every candidate runs once: the first ones warm it up. */
const WARM_ROUNDS = 3, MEASURED_ROUNDS = 5;
/** What one submit may take, so that a desktop stays usable. */
const SUBMIT_MS = 100;
/** A candidate that is so much slower at first than the fastest is dropped. */
const HOPELESS = 4;
/** A form replaces the one by shape if it saves this part, and more than the clock is off by if there is only that. */
const WORTHWHILE = 0.02, CLOCK_ERROR_MS = 1;
/** What a clock that stood still is taken for. */
const SHORTEST_MS = 1e-4;
/** Products are as large as in a model, but of at most so many values, and work of so many milliseconds. */
const MOST_VALUES = 1 << 24, MOST_MS = 20;
/** No side is made shorter than this for the sake of time; a cube of it is what speed is told by at first. */
const LEAST_SIDE = 256;

/** Measures the classes that are not known yet, and gives all of this device. */
export async function tuneProducts(options: TuneOptions): Promise<TunedDevice> {
  const { device, uses, known = null, budgetMs = BUDGET_MS, now = () => performance.now() } = options;
  const subject = subjectOf(device), classes: Record<string, TunedClass> = { ...tunedOf(device, known)?.classes };
  const missing = representatives(uses).filter((use) => !(classOf(use) in classes)), startedMs = now();
  const mostFlops = missing.length === 0 ? 0 : MOST_MS * await flopsPerMs(device);
  const isOver = () => now() - startedMs >= budgetMs;
  for (const [done, use] of missing.entries()) {
    if (isOver()) break;
    options.onProgress?.(done, missing.length);
    const found = await tuneClass(withinBounds(use, mostFlops), options, isOver);
    if (found !== null) classes[classOf(use)] = found;
  }
  return { subject, classes };
}

interface Timed {
  readonly choice: ProductChoice;
  readonly ms: number;
}

/** Null if the device has no memory for the product. */
async function tuneClass(
  sized: ProductUse,
  options: TuneOptions,
  isOver: () => boolean,
): Promise<TunedClass | null> {
  const { device } = options, choices = candidatesFor(sized, device.features);
  try {
    using bench = new ProductBench(device, sized, Math.max(...choices.map(({ split }) => split)));
    const [byShape, ...others] = await measure(bench, await compiled(bench, { choices, options, isOver }));
    const limitMs = byShape!.ms - Math.max(WORTHWHILE * byShape!.ms, device.timing === "clock" ? CLOCK_ERROR_MS : 0);
    const faster = others.filter(({ ms }) => ms <= limitMs).sort((a, b) => a.ms - b.ms);
    const best = await firstRight(bench, { byShape: byShape!, faster, sized, options });
    const { form, split } = best.choice, { M, N, K } = sized, gflops = ({ ms }: Timed) => flopsOf(sized) / ms / 1e6;
    return { form, split, sizes: [M, N, K], gflops: gflops(best), gflopsByShape: gflops(byShape!) };
  } catch (error) {
    if (error instanceof DeviceMemoryError) return null;
    throw error;
  }
}

/** The choices that the device can compile, while there is time; the first in any case. */
async function compiled(
  bench: ProductBench,
  { choices, options: { device, onFault }, isOver }: {
    readonly choices: readonly ProductChoice[];
    readonly options: TuneOptions;
    readonly isOver: () => boolean;
  },
): Promise<ProductChoice[]> {
  const working: ProductChoice[] = [];
  for (const [i, choice] of choices.entries()) {
    if (i > 0 && isOver()) break;
    try {
      await device.prepare(bench.dispatches(choice), "tune");
      working.push(choice);
    } catch (error) {
      if (i === 0 || !(error instanceof KernelError)) throw error;
      onFault?.(
        `${device.description} does not compile the form ${choice.form}, which is left out: ${reasonOf(error)}`,
      );
    }
  }
  return working;
}

/** The median of each, in the order of the choices, without those that are hopeless; the first is never that. */
async function measure(bench: ProductBench, choices: readonly ProductChoice[]): Promise<Timed[]> {
  await bench.time(choices, 1);
  const [glance] = await bench.time(choices, 1), limitMs = HOPELESS * Math.min(...glance!);
  const kept = choices.filter((_, i) => i === 0 || glance![i]! <= limitMs);
  const roundMs = glance!.reduce((sum, ms, i) => sum + (kept.includes(choices[i]!) ? ms : 0), 0);
  const atOnce = Math.max(1, Math.floor(SUBMIT_MS / roundMs)), rounds: number[][] = [];
  for (let left = WARM_ROUNDS - 2 + MEASURED_ROUNDS; left > 0; left -= atOnce) {
    rounds.push(...await bench.time(kept, Math.min(atOnce, left)));
  }
  const measured = rounds.slice(-MEASURED_ROUNDS);
  return kept.map((choice, i) => {
    const times = measured.map((round) => round[i]!).sort((a, b) => a - b);
    return { choice, ms: Math.max(SHORTEST_MS, times[MEASURED_ROUNDS >> 1]!) };
  });
}

/** The fastest that computes what the form by shape does, or that one itself. */
async function firstRight(
  bench: ProductBench,
  { byShape, faster, sized, options: { device, onFault } }: {
    readonly byShape: Timed;
    /** The fastest first. */
    readonly faster: readonly Timed[];
    readonly sized: ProductUse;
    readonly options: TuneOptions;
  },
): Promise<Timed> {
  if (faster.length === 0) return byShape;
  const wanted = await bench.result(byShape.choice), bound = errorBound(sized);
  for (const timed of faster) {
    const found = await bench.result(timed.choice);
    const isRight = wanted.every((part, p) => part.every((value, i) => Math.abs(found[p]![i]! - value) <= bound));
    if (isRight) return timed;
    onFault?.(
      `${device.description} computes something else with the form ${timed.choice.form} of a matrix product ` +
        `(${classOf(sized)}, ${timed.choice.split} parts), which is left out; a newer driver may be right`,
    );
  }
  return byShape;
}

/**
 * What two forms may differ by: each is off by at most (8 + 2√K) roundings of the sum of the terms' sizes, which are a
 * quarter on average (`kernels/matmul_test.ts`).
 */
function errorBound({ K }: ProductUse): number {
  return 2 * (8 + 2 * Math.sqrt(K)) * 2 ** -24 * Math.max(1, K / 3);
}

/** How fast the device is, roughly; as fast as can be if it has no memory for the question. */
async function flopsPerMs(device: Device): Promise<number> {
  const cube = {
    M: LEAST_SIDE,
    N: LEAST_SIDE,
    K: LEAST_SIDE,
    TRANSPOSE_A: 0,
    TRANSPOSE_B: 1,
    inF16: false,
  };
  try {
    using bench = new ProductBench(device, cube, 1);
    const [, second] = await bench.time([ONE_FORM.product(cube)], 2);
    return flopsOf(cube) / Math.max(SHORTEST_MS, second![0]!);
  } catch (error) {
    if (error instanceof DeviceMemoryError) return Infinity;
    throw error;
  }
}

/** Halves the longest side until operands, result and work are no larger than is allowed. */
function withinBounds(use: ProductUse, mostFlops: number): ProductUse {
  const { M, N, K } = use, longest = Math.max(M, N, K);
  const isLarge = Math.max(M * K, K * N, M * N) > MOST_VALUES;
  if (!isLarge && (flopsOf(use) <= mostFlops || longest <= LEAST_SIDE)) return use;
  const half = Math.ceil(longest / 2);
  const shorter = longest === M ? { ...use, M: half } : longest === N ? { ...use, N: half } : { ...use, K: half };
  return withinBounds(shorter, mostFlops);
}
