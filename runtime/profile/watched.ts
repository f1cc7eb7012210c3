/**
 * A device that remembers what its programs are made of, and which of them some work runs. All else is the device's.
 *
 * A trainer that is opened on it is the trainer that peers have; nothing is rebuilt for a measurement.
 * @module
 */
import type { Device, Dispatch, Program } from "../device/device.ts";

export interface WatchedDevice extends Device {
  /** What a program was prepared from. */
  dispatchesOf(program: Program): readonly Dispatch[];
  /** The programs that `work` runs, in order. They do run. */
  programsOf(work: () => void): readonly Program[];
}

/** Watches a device, which stays the caller's. */
export function watch(device: Device): WatchedDevice {
  const prepared = new WeakMap<Program, readonly Dispatch[]>();
  let running: Program[] | null = null;
  return {
    kind: device.kind,
    description: device.description,
    storesF16: device.storesF16,
    features: device.features,
    get timing() {
      return device.timing;
    },
    allocate: (words, label) => device.allocate(words, label),
    free: (buffer) => device.free(buffer),
    write: (span, values) => device.write(span, values),
    read: (spans, into) => device.read(spans, into),
    async prepare(dispatches, label) {
      const program = await device.prepare(dispatches, label);
      prepared.set(program, dispatches);
      return program;
    },
    run(program) {
      running?.push(program);
      device.run(program);
    },
    profile: (program) => device.profile(program),
    idle: () => device.idle(),
    memory: () => device.memory(),
    [Symbol.asyncDispose]: () => device[Symbol.asyncDispose](),
    dispatchesOf: (program) => prepared.get(program)!,
    programsOf(work) {
      const programs: Program[] = running = [];
      try {
        work();
      } finally {
        running = null;
      }
      return programs;
    },
  };
}
