/**
 * A device of ours as a contestant: products in the forms that are fastest on it, steps by the trainer of a peer.
 *
 * What a work needs (buffers, programs, a trainer) is kept until the next work comes.
 * @module
 */
import { formOf, ONE_FORM } from "../kernels/product_choice.ts";
import { type Device, type DeviceBuffer, type Dispatch, type Program, whole } from "../runtime/device/device.ts";
import { initialWeights } from "../runtime/model/parameters.ts";
import { exampleWindows } from "../runtime/profile/step_profile.ts";
import { openTrainer } from "../runtime/train/trainer.ts";
import type { Precision } from "../runtime/train/training_graph.ts";
import { ProductBench } from "../runtime/tuning/bench_product.ts";
import { candidatesFor } from "../runtime/tuning/candidates.ts";
import { type About, type Contestant, type Product, ramp, type Turn, type Work } from "./contest.ts";
import { countsOf } from "./training.ts";

/** Dispatches of one submit, at most. */
const MOST_DISPATCHES = 64;
/** Rounds in which the forms of a product are measured, after one that compiles. */
const FORM_ROUNDS = 3;
const MIB = 2 ** 20;

export interface OurContestantOptions {
  readonly device: Device;
  readonly about: About;
  /** Of the activations of steps. */
  readonly precision?: Precision;
}

/** A work that is ready to be done. */
interface Ready extends AsyncDisposable {
  readonly work: Work;
  turn(count: number): Promise<Turn>;
}

/** A contestant on a device that is somebody else's to close, later. */
export function ourContestant({ device, about, precision = "f32" }: OurContestantOptions): Contestant {
  let ready: Ready | null = null;
  return {
    about,
    async turn(work, count) {
      if (ready?.work !== work) {
        await ready?.[Symbol.asyncDispose]();
        ready = null; // making another one may fail
        ready = work.kind === "products"
          ? await readyProducts(device, work)
          : await readySteps(device, work, precision);
      }
      return await ready.turn(count);
    },
    async [Symbol.asyncDispose]() {
      await ready?.[Symbol.asyncDispose]();
    },
  };
}

async function readyProducts(device: Device, work: Work & { readonly kind: "products" }): Promise<Ready> {
  const buffers: DeviceBuffer[] = [], dispatches: Dispatch[] = [];
  const allocate = (words: number, label: string) => {
    const buffer = device.allocate(words, label);
    buffers.push(buffer);
    return buffer;
  };
  let y: DeviceBuffer | undefined;
  for (const product of work.products) {
    const [M, N, K, TRANSPOSE_A, TRANSPOSE_B] = product, form = await fastestForm(device, product);
    const a = allocate(M * K, "a"), b = allocate(K * N, "b"), none = allocate(1, "none");
    y = allocate(M * N, "y");
    for (const operand of [a, b]) device.write(whole(operand), ramp(operand.words));
    dispatches.push({
      kernel: formOf(form),
      shape: { M, N, K, TRANSPOSE_A, TRANSPOSE_B, BIAS: 0, RESIDUAL: 0, ACCUMULATE: 0 },
      spans: { a: whole(a), b: whole(b), bias: whole(none), residual: whole(none), y: whole(y) },
    });
  }
  const programs = new Map<number, Program>(), most = Math.max(1, Math.floor(MOST_DISPATCHES / dispatches.length));
  const programOf = async (times: number) => {
    const program = programs.get(times) ??
      await device.prepare(Array.from({ length: times }, () => dispatches).flat(), "products");
    programs.set(times, program);
    return program;
  };
  return {
    work,
    async turn(count) {
      const full = await programOf(Math.min(most, count)), rest = count > most ? count % most : 0;
      const remainder = rest > 0 ? await programOf(rest) : null;
      const startedAtMs = performance.now();
      for (let left = count; left >= Math.min(most, count); left -= most) device.run(full);
      if (remainder !== null) device.run(remainder);
      await device.idle();
      const ms = performance.now() - startedAtMs;
      const [values] = await device.read([whole(y!)]);
      return { ms, value: values!.at(-1)! };
    },
    [Symbol.asyncDispose]() {
      for (const buffer of buffers) device.free(buffer);
      return Promise.resolve();
    },
  };
}

/** Of the tilings that the tuner would measure, all at this very shape; the one there is on a device that has but one. */
async function fastestForm(device: Device, [M, N, K, TRANSPOSE_A, TRANSPOSE_B]: Product): Promise<string> {
  const use = { M, N, K, TRANSPOSE_A, TRANSPOSE_B, inF16: false };
  if (device.kind === "cpu") return ONE_FORM.product(use).form;
  const choices = candidatesFor(use, device.features).filter(({ split }) => split === 1);
  using bench = new ProductBench(device, use, 1);
  await bench.time(choices, 1);
  const rounds = await bench.time(choices, FORM_ROUNDS);
  const bestMs = choices.map((_, i) => Math.min(...rounds.map((round) => round[i]!)));
  return choices[bestMs.indexOf(Math.min(...bestMs))]!.form;
}

async function readySteps(
  device: Device,
  work: Work & { readonly kind: "step" },
  precision: Precision,
): Promise<Ready> {
  const { model, settings, batch } = work, windows = exampleWindows(batch, model), before = device.memory().bytes;
  const trainer = await openTrainer({ device, model, microBatch: batch, outer: false, precision });
  trainer.writeWeights(initialWeights(model, 1));
  trainer.step(windows, settings); // before its speed is known a step is cut into other programs
  await device.idle();
  const { dispatches, submits } = countsOf(device, () => trainer.step(windows, settings));
  const memoryMiB = (device.memory().bytes - before) / MIB; // steps allocate nothing
  return {
    work,
    async turn(count) {
      const startedAtMs = performance.now();
      for (let step = 0; step < count; step++) trainer.step(windows, settings);
      await device.idle();
      return { ms: performance.now() - startedAtMs, facts: { dispatches, submits, memoryMiB } };
    },
    [Symbol.asyncDispose]: () => trainer[Symbol.asyncDispose](),
  };
}
