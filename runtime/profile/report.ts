/**
 * What a profiled step means: for each kernel and shape its share of the step, its rate, and the fraction of the device's
 * peak that it reaches. Pure.
 *
 * The fraction of a dispatch is how long it would take at least, by its arithmetic or by what it moves, whichever takes
 * longer, divided by how long it took. It may exceed 1 where what is moved lies in caches.
 * @module
 */
import type { Shape } from "../../kernels/kernel.ts";
import type { Peak } from "../device/peak.ts";
import type { ModelConfig } from "../model/config.ts";
import type { ProfiledDispatch, StepProfile } from "./step_profile.ts";

export interface ProfileReport {
  /** Of an ordinary step. */
  readonly stepMs: number;
  /** Of its dispatches, each by the median of the profiled steps. */
  readonly dispatchMs: number;
  /** The rest of the step; below 0 if the device overlaps what was timed one by one. */
  readonly betweenMs: number;
  readonly dispatches: number;
  readonly submits: number;
  readonly tokensPerSecond: number;
  /** Operations that the model needs, a second: 6N + 6LCT a token. */
  readonly modelGflops: number;
  /** Of the device's peak. */
  readonly mfu: number;
  /** Forward, backward and what is around them, in the order of the step. */
  readonly parts: readonly { readonly part: string; readonly ms: number; readonly share: number }[];
  /** The longest first. */
  readonly kernels: readonly KernelReport[];
}

/** Several dispatches together. */
export interface Rates {
  readonly count: number;
  /** Milliseconds a step. */
  readonly ms: number;
  /** Of all dispatches. */
  readonly share: number;
  readonly gflops: number;
  readonly gbps: number;
  /** What takes longer at the device's peaks. */
  readonly boundBy: "arithmetic" | "memory";
  readonly fractionOfPeak: number;
}

export interface KernelReport extends Rates {
  readonly kernel: string;
  /** The longest first. */
  readonly shapes: readonly ShapeReport[];
}

export interface ShapeReport extends Rates {
  /** As people read it: sizes, then switches that are on. */
  readonly shape: string;
}

interface Timed extends ProfiledDispatch {
  readonly part: string;
  readonly ms: number;
}

/** @param peak Of the device that the step was profiled on. */
export function reportProfile(profile: StepProfile, peak: Peak): ProfileReport {
  const { stepMs, programs, batch, model, parameterCount } = profile, timed = timedDispatches(profile);
  const dispatchMs = sum(timed.map(({ ms }) => ms));
  const tokensPerSecond = batch * model.contextLength / stepMs * 1000;
  const modelGflops = flopsOfToken(model, parameterCount) * tokensPerSecond / 1e9;
  const rates = (group: readonly Timed[]) => ratesOf(group, { peak, dispatchMs });
  return {
    stepMs,
    dispatchMs,
    betweenMs: stepMs - dispatchMs,
    dispatches: timed.length,
    submits: programs.length,
    tokensPerSecond,
    modelGflops,
    mfu: modelGflops / peak.gflops,
    parts: [...Map.groupBy(timed, ({ part }) => part)].map(([part, group]) => {
      const ms = sum(group.map(({ ms }) => ms));
      return { part, ms, share: ms / dispatchMs };
    }),
    kernels: longestFirst([...Map.groupBy(timed, ({ kernel }) => kernel)].map(([kernel, group]) => ({
      kernel,
      ...rates(group),
      shapes: longestFirst([...Map.groupBy(group, shapeText)].map(([shape, alike]) => ({ shape, ...rates(alike) }))),
    }))),
  };
}

/**
 * Operations of training on one token, forward and backward: six for each of N parameters, and attention's six for each
 * of L layers, C values and T positions. As llm.c counts, and PaLM (arXiv 2204.02311, appendix B) but for its factor 2 of
 * attention, half of which a causal mask saves.
 */
export function flopsOfToken({ layerCount, width, contextLength }: ModelConfig, parameterCount: number): number {
  return 6 * parameterCount + 6 * layerCount * width * contextLength;
}

/** "M 1024 N 384 K 128 TRANSPOSE_B BIAS": sizes, then switches that are on, then what is in f16. */
export function shapeText({ shape, f16 }: { readonly shape: Shape; readonly f16: readonly string[] }): string {
  const isSwitch = ([key, value]: readonly [string, number]) => {
    return key.length > 1 && key !== "COUNT" && (value === 0 || value === 1);
  };
  const entries = Object.entries(shape), sizes = entries.filter((entry) => !isSwitch(entry));
  const switches = entries.filter((entry) => isSwitch(entry) && entry[1] === 1);
  const parts = [...sizes.map(([key, value]) => `${key} ${value}`), ...switches.map(([key]) => key)];
  return [...parts, ...(f16.length > 0 ? [`f16: ${f16.join(" ")}`] : [])].join(" ");
}

/** Every dispatch of the step with the median of its times. */
function timedDispatches({ programs, times }: StepProfile): Timed[] {
  const dispatches = programs.flatMap(({ label, dispatches }) => {
    const part = label.replace(/ \d+$/, "");
    return dispatches.map((dispatch) => ({ ...dispatch, part }));
  });
  return dispatches.map((dispatch, i) => ({ ...dispatch, ms: median(times.map((step) => step[i]!)) }));
}

function ratesOf(
  group: readonly Timed[],
  { peak, dispatchMs }: { readonly peak: Peak; readonly dispatchMs: number },
): Rates {
  const ms = sum(group.map(({ ms }) => ms)), per = (amount: number) => ms === 0 ? 0 : amount / ms;
  const flops = sum(group.map(({ work }) => work.flops)), bytes = sum(group.map(({ work }) => work.bytes));
  const leastMs = group.map(({ work }) => ({
    arithmetic: work.flops / peak.gflops / 1e6,
    memory: work.bytes / peak.gbps / 1e6,
  }));
  const arithmeticMs = sum(leastMs.map(({ arithmetic }) => arithmetic)),
    memoryMs = sum(leastMs.map((one) => one.memory));
  return {
    count: group.length,
    ms,
    share: ms / dispatchMs,
    gflops: per(flops / 1e6),
    gbps: per(bytes / 1e6),
    boundBy: arithmeticMs > memoryMs ? "arithmetic" : "memory",
    fractionOfPeak: per(sum(leastMs.map(({ arithmetic, memory }) => Math.max(arithmetic, memory)))),
  };
}

function longestFirst<R extends Rates>(rows: readonly R[]): R[] {
  return rows.toSorted((a, b) => b.ms - a.ms);
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1]!;
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
