/**
 * `starling profile`: where the time of a training step goes on a device, kernel by kernel, and what of the device's peak
 * each of them reaches.
 *
 * It trains on made-up tokens: neither text nor peer is needed, and no run is changed.
 * @module
 */
import { basename, dirname } from "node:path";
import { onDisk } from "../p2p/store/storage_error.ts";
import type { RunConfig } from "../runtime/config.ts";
import type { Device } from "../runtime/device/device.ts";
import { selfTestF16 } from "../runtime/device/f16.ts";
import { type DeviceChoice, openDevice } from "../runtime/device/open.ts";
import { measurePeak, type Peak } from "../runtime/device/peak.ts";
import { type ProfileReport, type Rates, reportProfile } from "../runtime/profile/report.ts";
import { profileStep, type StepProfile } from "../runtime/profile/step_profile.ts";
import { traceOf } from "../runtime/profile/trace.ts";
import { isPreset, presets } from "../runtime/presets.ts";
import { hasRun, openRunFolder } from "../runtime/run_folder.ts";
import type { Precision } from "../runtime/train/training_graph.ts";
import { choiceOf } from "../runtime/tuning/tuned_products.ts";
import { PrecisionError } from "../runtime/worker/precision.ts";
import { UsageError } from "./exit.ts";
import { bytes, counted, grouped, percent, table } from "./format.ts";
import { json, line, type Manner, note } from "./print.ts";
import { loadTuned } from "./tuned_file.ts";

export interface ProfileFlags {
  /** A run's folder, its run.json, or the name of a preset. */
  readonly run: string;
  readonly device: DeviceChoice;
  readonly threads?: number;
  /** Sequences of a step. */
  readonly batch?: number;
  readonly precision: Precision;
  /** Profiled steps. */
  readonly steps: number;
  /** Where a trace goes. */
  readonly trace?: string;
  readonly manner: Manner;
}

/** Measures, prints, and writes the trace if one is wanted. */
export async function profile(flags: ProfileFlags): Promise<void> {
  const { manner, trace, batch, precision, steps, threads } = flags, isTold = manner === "live" || manner === "plain";
  const { model, training } = await chosenRun(flags.run);
  if (trace !== undefined) await expectFolderOf(trace);
  const { learningRate: rate, weightDecay: decay, beta1, beta2, epsilon, clip } = training;
  const settings = { rate, decay, beta1, beta2, epsilon, clip };

  const { device, reason } = await openDevice(flags.device, {
    ...(threads === undefined ? {} : { threads }),
    onNotice: (message) => isTold && note(message),
  });
  await using _ = device;
  if (precision === "f16") await expectF16(device);
  if (isTold) note(`Device: ${device.description}. ${reason}. Training some steps there …`);
  const found = await profileStep({
    device,
    model,
    settings,
    precision,
    steps,
    choice: choiceOf(device, await loadTuned((message) => isTold && note(message))),
    ...batch === undefined ? {} : { batch },
  });
  const peak = await measurePeak(device), report = reportProfile(found, peak);
  if (trace !== undefined) {
    await onDisk(`write the trace '${trace}'`, () => Deno.writeTextFile(trace, JSON.stringify(traceOf(found))));
  }
  if (manner === "json") return printJson({ found, peak, report, trace });
  for (const text of profileLines({ found, peak, report })) line(text);
  if (trace !== undefined) line(`Trace: ${trace}; ui.perfetto.dev draws it.`);
}

interface Profiled {
  readonly found: StepProfile;
  readonly peak: Peak;
  readonly report: ProfileReport;
}

/** What is printed for people. */
export function profileLines({ found, peak, report }: Profiled): string[] {
  const { model, parameterCount, batch, precision, timing, times } = found;
  const parts = report.parts.map(({ part, ms }) => `${part} ${figure(ms)}`).join(", ");
  const rows = report.kernels.flatMap(({ kernel, shapes, ...rates }) => {
    if (shapes.length === 1) return [row(kernel, shapes[0]!.shape, rates)];
    return [row(kernel, "", rates), ...shapes.map(({ shape, ...rates }) => row("", shape, rates))];
  });
  return [
    `${model.family} of ${counted(parameterCount)} parameters, ${batch} × ${model.contextLength} tokens a step in ` +
    `${precision}, on ${found.device}`,
    `peak there: ${figure(peak.gflops)} GFLOP/s of multiply-adds, ${figure(peak.gbps)} GB/s of a copy`,
    "",
    ...table(["kernel", "shape", " times", " ms", " share", " GFLOP/s", " GB/s", " of peak", "of"], rows),
    "",
    `a step ${figure(report.stepMs)} ms: in its ${report.dispatches} dispatches ` +
    `${figure(report.dispatchMs)} (${parts}), ${between(report)}`,
    `${grouped(report.tokensPerSecond)} tokens/s, ${figure(report.modelGflops)} GFLOP/s of the model: ` +
    `MFU ${percent(report.mfu)}; ${bytes(found.peakBytes)} of memory on the device`,
    `Dispatches by ${timing === "clock" ? "the clock" : "timestamps of the device"}, ${medianOf(times.length)}.`,
  ];
}

function row(kernel: string, shape: string, rates: Rates): string[] {
  const { count, ms, share, gflops, gbps, boundBy, fractionOfPeak } = rates;
  const speeds = [gflops === 0 ? "–" : figure(gflops), figure(gbps)];
  return [kernel, shape, `${count}`, figure(ms), percent(share), ...speeds, percent(fractionOfPeak), boundBy];
}

function between({ betweenMs, submits }: ProfileReport): string {
  if (betweenMs >= 0) return `between them and its ${submits} submits ${figure(betweenMs)}`;
  return `which overlap by ${figure(-betweenMs)} where they are not timed one by one`;
}

function medianOf(steps: number): string {
  return steps === 1 ? "of one step" : `the median of ${steps} steps`;
}

/** Three digits, and not below a thousandth. */
function figure(value: number): string {
  return value >= 99.95 ? value.toFixed(0) : value >= 9.995 ? value.toFixed(1) : value.toFixed(value >= 0.9995 ? 2 : 3);
}

function printJson({ found, peak, report, trace }: Profiled & { readonly trace: string | undefined }): void {
  const { kernels, parts, ...totals } = report, { device, timing, model, parameterCount, batch, precision } = found;
  for (const { kernel, shapes } of kernels) {
    for (const shape of shapes) json({ kind: "kernel", kernel, ...shape });
  }
  for (const part of parts) json({ kind: "part", ...part });
  const subject = { device, timing, family: model.family, parameterCount, contextLength: model.contextLength };
  const peaks = { peakGflops: peak.gflops, peakGbps: peak.gbps, peakBytes: found.peakBytes };
  json({ kind: "profile", ...subject, batch, precision, ...totals, ...peaks, trace: trace ?? null });
}

/** The model of a run and how it trains; of a preset without making a run. */
export async function chosenRun(source: string): Promise<Pick<RunConfig, "model" | "training">> {
  const path = basename(source) === "run.json" ? dirname(source) : source;
  if (isPreset(path) && !await hasRun(path)) return presets[path];
  return (await openRunFolder(path)).config;
}

/** Said before minutes are spent on what could not be written. */
async function expectFolderOf(file: string): Promise<void> {
  const folder = dirname(file),
    isFolder = async (path: string) => (await Deno.stat(path).catch(() => null))?.isDirectory;
  if (await isFolder(file)) {
    throw new UsageError(`Cannot write the trace to '${file}': it is a folder. Name a file in it`);
  }
  if (await isFolder(folder)) return;
  throw new UsageError(`Cannot write the trace to '${file}': there is no folder '${folder}'. Make it, or name another`);
}

async function expectF16(device: Device): Promise<void> {
  const problem = await selfTestF16(device);
  if (problem === null) return;
  throw new PrecisionError(`Cannot profile in f16 on ${device.description}: ${problem}. Use --precision f32`);
}
