/**
 * A profiled step as a trace that ui.perfetto.dev and chrome://tracing draw: three tracks, of steps, programs and
 * dispatches. Pure.
 *
 * Format: "Trace Event Format" of Chromium, the JSON object form with complete ("X") and metadata ("M") events.
 *
 * The one thing to know: how long each dispatch took was measured, but not when it began. They are drawn one right after
 * the other, and what is between them in an ordinary step is not in the picture.
 * @module
 */
import { shapeText } from "./report.ts";
import type { StepProfile } from "./step_profile.ts";

export interface Trace {
  readonly displayTimeUnit: "ms";
  readonly otherData: Readonly<Record<string, string>>;
  readonly traceEvents: readonly TraceEvent[];
}

export type TraceEvent =
  | {
    readonly ph: "M";
    readonly name: "process_name" | "thread_name" | "thread_sort_index";
    readonly pid: number;
    readonly tid: number;
    readonly args: Readonly<Record<string, string | number>>;
  }
  | {
    readonly ph: "X";
    readonly name: string;
    readonly cat: (typeof TRACKS)[number];
    readonly pid: number;
    readonly tid: number;
    /** Microseconds. */
    readonly ts: number;
    readonly dur: number;
    readonly args: Readonly<Record<string, string | number>>;
  };

const TRACKS = ["steps", "programs", "dispatches"] as const;
const PROCESS = 1;

/** All profiled steps, one after another. */
export function traceOf(profile: StepProfile): Trace {
  const { device, timing, programs, times } = profile,
    traceEvents: TraceEvent[] = [
      { ph: "M", name: "process_name", pid: PROCESS, tid: 0, args: { name: device } },
      ...TRACKS.flatMap((name, i): TraceEvent[] => [
        { ph: "M", name: "thread_name", pid: PROCESS, tid: i + 1, args: { name } },
        { ph: "M", name: "thread_sort_index", pid: PROCESS, tid: i + 1, args: { sort_index: i + 1 } },
      ]),
    ];
  const add = (track: (typeof TRACKS)[number], name: string, { fromMs, toMs, args = {} }: Slice) => {
    const tid = TRACKS.indexOf(track) + 1, ts = microseconds(fromMs), dur = microseconds(toMs) - ts;
    traceEvents.push({ ph: "X", name, cat: track, pid: PROCESS, tid, ts, dur: microseconds(dur / 1000), args });
  };
  let atMs = 0;
  for (const [number, stepTimes] of times.entries()) {
    const stepFromMs = atMs;
    let i = 0;
    for (const { label, dispatches } of programs) {
      const programFromMs = atMs;
      for (const { kernel, work, ...dispatch } of dispatches) {
        const ms = stepTimes[i++]!, args = { shape: shapeText(dispatch), ...rates(work, ms) };
        add("dispatches", kernel, { fromMs: atMs, toMs: atMs += ms, args });
      }
      add("programs", label, { fromMs: programFromMs, toMs: atMs, args: { dispatches: dispatches.length } });
    }
    add("steps", `step ${number + 1}`, { fromMs: stepFromMs, toMs: atMs });
  }
  return { displayTimeUnit: "ms", otherData: { device, timing }, traceEvents };
}

interface Slice {
  readonly fromMs: number;
  readonly toMs: number;
  readonly args?: Readonly<Record<string, string | number>>;
}

function rates({ flops, bytes }: { readonly flops: number; readonly bytes: number }, ms: number) {
  if (ms === 0) return {};
  return { gflops: significant(flops / ms / 1e6), gbps: significant(bytes / ms / 1e6) };
}

function significant(value: number): number {
  return Number(value.toPrecision(4));
}

/** To the nanosecond, which is as exact as a GPU says it. */
function microseconds(ms: number): number {
  return Number((ms * 1000).toFixed(3));
}
