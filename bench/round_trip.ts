/**
 * What does it take to ask another peer? The time from a request to its answer, small ones and pieces of 1 MiB, over
 * libp2p on loopback between two processes; and how many MiB of pieces a second, one after the other and four at once.
 *
 * Nothing is hashed or stored: `blobs` measures that too.
 * @module
 */
import { identityFromSeed } from "../p2p/identity.ts";
import { startLibp2p } from "../p2p/net/libp2p.ts";
import type { Transport } from "../p2p/net/transport.ts";
import { reasonOf } from "../p2p/reason.ts";
import type { PeerId } from "../p2p/sync/types.ts";
import { NETWORK_KEY, RUN } from "./blobs_donor.ts";
import type { Bench, BenchLine } from "./line.ts";
import { readLines } from "./read_lines.ts";
import { PROTOCOL } from "./round_trip_answerer.ts";

const MIB = 2 ** 20;
const SMALL_BYTES = 100, SMALL_COUNT = 500, PIECE_COUNT = 100;
/** Requests that do not count: connections and code warm up. */
const WARM_COUNT = 50;

export const roundTripBench: Bench = {
  name: "round-trip",
  question: "How long does a request to another peer take, and how many pieces a second does it give?",
  async *run() {
    for (const membership of ["open", "private"] as const) yield* measure(membership);
  },
};

async function* measure(membership: "open" | "private"): AsyncGenerator<BenchLine> {
  const answerer = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--quiet", new URL("round_trip_answerer.ts", import.meta.url).href, membership],
    stdin: "piped", // its end ends the answerer
    stdout: "piped",
  }).spawn();
  try {
    const { value: address } = await readLines(answerer.stdout).next();
    if (address === undefined) throw new Error("Cannot measure: the other process ended; its message is above");
    await using transport = await startLibp2p({
      identity: identityFromSeed(new Uint8Array(32).fill(1)),
      run: RUN,
      listen: ["/ip4/127.0.0.1/tcp/0"],
      networkKey: membership === "private" ? NETWORK_KEY : null,
    });
    const peer = await transport.connect(address);
    const about = { run: membership, device: "libp2p over TCP on loopback" };
    await ask(transport, peer, { sizeBytes: SMALL_BYTES, count: WARM_COUNT, atOnce: 1 });
    for (
      const [name, sizeBytes, count, atOnce] of [
        ["100 bytes", SMALL_BYTES, SMALL_COUNT, 1],
        ["1 MiB", MIB, PIECE_COUNT, 1],
        ["1 MiB, four at once", MIB, PIECE_COUNT, 4],
      ] as const
    ) {
      const { times, ms, failedCount } = await ask(transport, peer, { sizeBytes, count, atOnce });
      times.sort((a, b) => a - b);
      yield {
        name,
        ...about,
        p50Ms: times[times.length >> 1] ?? null,
        p99Ms: times[Math.floor(times.length * 0.99)] ?? null,
        mibPerSecond: sizeBytes < MIB ? null : times.length / ms * 1000,
        failed: failedCount,
      };
    }
  } finally {
    await answerer.stdin.close();
    await answerer.status;
  }
}

/** Asks so many times, with some requests under way at once: how long each took that was answered, and all together. */
async function ask(
  transport: Transport,
  peer: PeerId,
  { sizeBytes, count, atOnce }: { readonly sizeBytes: number; readonly count: number; readonly atOnce: number },
): Promise<{ readonly times: number[]; readonly ms: number; readonly failedCount: number }> {
  const request = new Uint8Array(4), times: number[] = [];
  new DataView(request.buffer).setUint32(0, sizeBytes);
  let left = count, failedCount = 0;
  const askOn = async () => {
    while (left-- > 0) {
      const startedAtMs = performance.now();
      try {
        const { length } = await transport.request(peer, PROTOCOL, request);
        if (length !== sizeBytes) throw new Error(`${length} bytes were answered, not ${sizeBytes}`);
        times.push(performance.now() - startedAtMs);
      } catch (error) {
        if (failedCount++ === 0) console.error(`The first request that failed: ${reasonOf(error)}`);
      }
    }
  };
  const startedAtMs = performance.now();
  await Promise.all(Array.from({ length: atOnce }, askOn));
  return { times, ms: performance.now() - startedAtMs, failedCount };
}
