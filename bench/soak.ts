/**
 * Three real peers for as long as one likes: do memory, handles and disk stay flat?
 *
 * Figures are the system's own, from /proc (Linux). A line a peer every half minute, then one with what each gained an
 * hour in the second half of the time, when caches are warm and old rounds go. `draw_soak.ts` draws them.
 * @module
 */
import { join } from "node:path";
import { agreement, type Flock, makeFlock } from "../tests/swarm/flock.ts";
import { demoConfig } from "./demo_flock.ts";
import type { Bench, BenchLine } from "./line.ts";

const NAMES = ["wren", "finch", "robin"];
const SAMPLE_MS = 30_000;
const MIB = 2 ** 20;

/** What is watched; each of them should stay flat. */
export const WATCHED = ["rssMiB", "handles", "threads", "diskMiB"] as const;

type Sample = BenchLine & Readonly<Record<typeof WATCHED[number] | "minute", number>>;

export const soakBench: Bench = {
  name: "soak",
  question: "do memory, handles and disk of three peers stay flat?",
  async *run({ minutes = 480 }) {
    await using flock = await makeFlock({
      names: NAMES,
      config: await demoConfig("soak"),
      flags: ["--throttle", "50"],
    });
    flock.names.forEach((name) => flock.start(name));
    await flock.together();
    const startedAtMs = Date.now(), samples: Sample[] = [];
    while (Date.now() - startedAtMs < minutes * 60_000) {
      await new Promise((resolve) => setTimeout(resolve, Math.min(SAMPLE_MS, minutes * 60_000 / 4)));
      for (const name of NAMES) {
        const sample = await look(flock, { name, minute: (Date.now() - startedAtMs) / 60_000 });
        samples.push(sample);
        yield sample;
      }
    }
    await agreement(flock.seats());
    for (const name of NAMES) {
      const late = samples.filter((sample) => sample.name === name && sample.minute >= minutes / 2);
      const gains = WATCHED.map((what) => [`${what}PerHour`, slopePerHour(late, what)] as const);
      yield { name: "gain", run: name, minutes, ...Object.fromEntries(gains) };
    }
  },
};

async function look(flock: Flock, { name, minute }: { name: string; minute: number }): Promise<Sample> {
  const { child } = flock.seat(name), state = flock.state(name);
  const status = await Deno.readTextFile(`/proc/${child.pid}/status`);
  const field = (key: string) => Number(new RegExp(`^${key}:\\s+(\\d+)`, "m").exec(status)?.[1]);
  return {
    name,
    minute,
    round: flock.seat(name).rounds().at(-1)!.round,
    rssMiB: field("VmRSS") / 1024,
    handles: [...Deno.readDirSync(`/proc/${child.pid}/fd`)].length,
    threads: field("Threads"),
    diskMiB: await sizeOf(state) / MIB,
    journalMiB: await sizeOf(join(state, "journal")) / MIB,
    blobsMiB: await sizeOf(join(state, "blobs")) / MIB,
    eventsMiB: await sizeOf(join(state, "events.jsonl")) / MIB,
  };
}

/** Bytes of a file, or of all in a folder; what goes away meanwhile is nothing. */
async function sizeOf(path: string): Promise<number> {
  try {
    const { isDirectory, size } = await Deno.lstat(path);
    if (!isDirectory) return size;
    const inside = Array.from(Deno.readDirSync(path), ({ name }) => sizeOf(join(path, name)));
    return (await Promise.all(inside)).reduce((sum, bytes) => sum + bytes, 0);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return 0;
    throw error;
  }
}

/** Of the line that fits best. */
function slopePerHour(samples: readonly Sample[], what: typeof WATCHED[number]): number {
  const mean = (of: (sample: Sample) => number) =>
    samples.reduce((sum, sample) => sum + of(sample), 0) / samples.length;
  const minute = mean((sample) => sample.minute), value = mean((sample) => sample[what]);
  const spread = mean((sample) => (sample.minute - minute) ** 2);
  return spread === 0 ? 0 : 60 * mean((sample) => (sample.minute - minute) * (sample[what] - value)) / spread;
}
