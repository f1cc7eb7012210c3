/**
 * How fast does a blob go from one peer's disk to another's, over libp2p on loopback, both hashing all of it?
 *
 * The donor is a process of its own (`blobs_donor.ts`) and holds a blob for each fetch; it hashed them when it stored
 * them. What it wrote is still in the page cache: its disk is not measured, the reader's is (written, synced, renamed).
 * Beside the speed is what both take of processors for a MiB, which other work on the machine changes less, and how late
 * timers of the reader's thread come meanwhile.
 * @module
 */
import { identityFromSeed } from "../p2p/identity.ts";
import { fetchBlob } from "../p2p/net/blobs.ts";
import { startLibp2p } from "../p2p/net/libp2p.ts";
import { openDiskBlobStore } from "../p2p/store/disk.ts";
import type { Bench, BenchLine } from "./line.ts";
import { cpuMs, type Donor, type DonorCost, NETWORK_KEY, RUN, SIZE_BYTES } from "./blobs_donor.ts";
import { watchLoop } from "./loop_lag.ts";
import { readLines } from "./read_lines.ts";
import { targetLine } from "./target.ts";

const BLOBS = 5;
const MIB = 2 ** 20;

export const blobsBench: Bench = {
  name: "blobs",
  question: `how fast does a blob of ${SIZE_BYTES / MIB} MiB go from disk to disk between two processes?`,
  async *run() {
    for (const membership of ["open", "private"] as const) {
      const line = await measure(membership), figure = Number(line["bestMibPerSecond"]), { device } = line;
      yield line;
      if (membership === "open") {
        yield targetLine("blobs, MiB per second", { device, figure, wanted: { atLeast: 150 } });
      }
    }
  },
};

async function measure(membership: "open" | "private"): Promise<BenchLine & { readonly device: string }> {
  const folder = await Deno.makeTempDir({ prefix: "starling-blobs-" });
  const donorProcess = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", new URL("blobs_donor.ts", import.meta.url).href, `${folder}/donor`, membership, String(BLOBS)],
    stdin: "piped", // its end ends the donor
    stdout: "piped",
  }).spawn();
  try {
    const lines = readLines(donorProcess.stdout), donor: Donor = await nextOf(lines);
    await using transport = await startLibp2p({
      identity: identityFromSeed(new Uint8Array(32).fill(1)),
      run: RUN,
      listen: ["/ip4/127.0.0.1/tcp/0"],
      networkKey: membership === "private" ? NETWORK_KEY : null,
    });
    const peer = await transport.connect(donor.address);
    const store = await openDiskBlobStore(`${folder}/reader`);
    const times: number[] = [], readyMs = cpuMs(), loop = watchLoop();
    for (const digest of donor.digests) {
      const startedAtMs = performance.now();
      const fetched = await fetchBlob({ transport, store }, { digest, sizeBytes: SIZE_BYTES }, { donors: [peer] });
      times.push(performance.now() - startedAtMs);
      if (!fetched.ok) throw new Error(`Cannot measure: ${fetched.reason}`);
    }
    const { p50Ms, p99Ms } = loop.stop(), readerMs = cpuMs() - readyMs, mib = BLOBS * SIZE_BYTES / MIB;
    await donorProcess.stdin.close();
    const cost: DonorCost = await nextOf(lines);
    times.sort((a, b) => a - b);
    return {
      name: `${SIZE_BYTES / MIB} MiB, disk to disk`,
      run: membership,
      device: "libp2p over TCP on loopback",
      mibPerSecond: SIZE_BYTES / MIB / times[BLOBS >> 1]! * 1000,
      bestMibPerSecond: SIZE_BYTES / MIB / times[0]! * 1000,
      readerCpuMsPerMib: readerMs / mib,
      donorCpuMsPerMib: cost.cpuMs / mib,
      readerLagP50Ms: p50Ms,
      readerLagP99Ms: p99Ms,
    };
  } finally {
    await donorProcess.stdin.close().catch(() => {}); // it was closed to ask for the cost
    await donorProcess.status;
    await Deno.remove(folder, { recursive: true });
  }
}

async function nextOf<T>(lines: AsyncGenerator<string>): Promise<T> {
  const { value, done } = await lines.next();
  if (done) throw new Error("Cannot measure: the donor ended before its time; its message is above");
  return JSON.parse(value) as T;
}
