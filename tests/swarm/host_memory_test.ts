/**
 * What the plan of a peer's host memory is worth: a real peer, of a model whose states are large beside the program.
 * @module
 */
import { strict as assert } from "node:assert";
import { planHost } from "../../runtime/host_memory.ts";
import { makeRunPlace } from "../run_place.ts";
import { Seat } from "../starling.ts";
import { tinyRun } from "../tiny_run.ts";

/** So many that whatever is kept of each of them beyond the plan shows. */
const ROUNDS = 10;
/**
 * The plan is a sum of bounds that are not reached together: what is stored is not encoded at that time, and collectors
 * leave less behind than they may. Half of it says that no large part is planned twice.
 */
const LEAST_USED = 0.5;

const { model, training, outer } = tinyRun();
/** 12.7 million parameters, with momentum: a state has 101 MB. */
const config = tinyRun({
  model: {
    ...model,
    width: 512,
    hiddenWidth: 2048,
    layerCount: 4,
    headCount: 4,
    keyValueHeadCount: 4,
    contextLength: 16,
  },
  training: { ...training, batch: 2 },
  outer: { ...outer, momentum: 0.9 },
  rounds: { firstMs: 2_000, leastMs: 2_000, longestMs: 20_000 },
});

Deno.test("a peer's process never takes more memory than device and host were planned to, and more than half of it", {
  ignore: Deno.build.os !== "linux", // nowhere else does a process tell the most that it ever had
}, async () => {
  await using place = await makeRunPlace(config);
  await using peer = new Seat(["start", place.run]);
  const { peakBytes, hostBytes, hostBytesPerContribution } = await peer.next("plan");
  const plan = planHost(config, 1);
  assert.deepEqual([hostBytes, hostBytesPerContribution], [plan.bytes, plan.bytesPerContribution]);
  await peer.round(({ round, loss }) => round >= ROUNDS && loss !== null);
  const { promise: isOver, resolve: end } = Promise.withResolvers<void>();
  peer.child.ended.then(() => end());
  peer.child.interrupt(); // and it writes its checkpoint
  let mostBytes = 0;
  for (let residentBytes: number | null = 0; residentBytes !== null;) {
    residentBytes = mostResidentBytes(peer.child.pid);
    mostBytes = Math.max(mostBytes, residentBytes ?? 0);
    await Promise.race([isOver, new Promise((resolve) => setTimeout(resolve, 20))]);
  }
  const plannedBytes = peakBytes + hostBytes + hostBytesPerContribution; // it is alone: a fold has its own work
  const found = `${megabytes(mostBytes)} of ${megabytes(plannedBytes)} planned`;
  assert.ok(mostBytes <= plannedBytes, found);
  assert.ok(mostBytes >= LEAST_USED * plannedBytes, found);
});

/** The most memory that a process has had so far; null if it is over. */
function mostResidentBytes(pid: number): number | null {
  try {
    const match = /^VmHWM:\s*(\d+) kB$/m.exec(Deno.readTextFileSync(`/proc/${pid}/status`));
    return match === null ? null : 1024 * Number(match[1]);
  } catch {
    return null;
  }
}

function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(0)} MB`;
}
