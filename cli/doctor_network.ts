/**
 * What `starling doctor` asks a peer that it has met: how fast the line is, whether others can dial back, and whether
 * somebody else uses this machine's identity.
 * @module
 */
import { decode } from "@ipld/dag-cbor";
import { z } from "zod";
import { BLOBS_PROTOCOL, encodeBlobRequest } from "../p2p/net/blob_requests.ts";
import { reasonOf } from "../p2p/reason.ts";
import { CHUNK_BYTES } from "../p2p/store/blob_store.ts";
import type { Reachability, Transport } from "../p2p/net/transport.ts";
import type { Digest, PeerId } from "../p2p/sync/types.ts";
import { type Finding, ok, problem } from "./doctor_machine.ts";
import { bytes } from "./format.ts";

const ROUND_TRIPS = 5;
/** The line is measured for so long, with chunks of the run's data. */
const MEASURE_MS = 2_000, MOST_CHUNKS = 64;
/** Longer than a dial back may take, and a place at a relay after it. */
const REACHABILITY_MS = 9_000;

/** Round-trip time and bandwidth to a peer. */
export async function checkLine(transport: Transport, peer: PeerId, blob: Digest | undefined): Promise<Finding> {
  const times: number[] = [];
  try {
    for (let i = 0; i < ROUND_TRIPS; i++) {
      const before = performance.now();
      await transport.request(peer, "peers/1", new Uint8Array());
      times.push(performance.now() - before);
    }
  } catch (error) {
    const why = reasonOf(error);
    return problem("line", why, "The connection broke while it was measured. Try again.");
  }
  // A request is one round trip for the stream and one for the answer; the first also sets things up.
  const roundTripMs = Math.min(...times) / 2;
  const rate = blob === undefined ? null : await bytesPerSecond(transport, peer, blob);
  const speed = rate === null ? "speed not measured: this run has no data to fetch" : `${bytes(rate)} a second from it`;
  return ok("line", `round trip about ${roundTripMs.toFixed(roundTripMs < 10 ? 1 : 0)} ms, ${speed}`);
}

async function bytesPerSecond(transport: Transport, peer: PeerId, blob: Digest): Promise<number | null> {
  const since = performance.now();
  let received = 0;
  for (let i = 0; i < MOST_CHUNKS && performance.now() - since < MEASURE_MS; i++) {
    const request = encodeBlobRequest({ digest: blob, piece: { start: i * CHUNK_BYTES, end: (i + 1) * CHUNK_BYTES } });
    const chunk = await transport.request(peer, BLOBS_PROTOCOL, request).catch(() => null);
    if (chunk === null || chunk.length === 0) break;
    received += chunk.length;
  }
  return received === 0 ? null : received * 1000 / (performance.now() - since);
}

/** What peers that were asked to dial back found: the last that comes in time, or null. Call it once connected. */
export async function reachabilityWithin(
  transport: Transport,
  longestMs = REACHABILITY_MS,
): Promise<Reachability | null> {
  const { promise, resolve } = Promise.withResolvers<void>();
  let last: Reachability | null = null;
  const timer = setTimeout(resolve, longestMs);
  transport.onEvent((event) => {
    if (event.kind !== "reachability") return;
    last = event.reachability;
    if (last.verdict === "reachable" || last.relays.length > 0) resolve();
  });
  await promise;
  clearTimeout(timer);
  return last;
}

const lists = z.array(z.array(z.string()));

/** Whether a peer that was met is connected to the identity of this folder, whose own peer is not running. */
export async function identityElsewhere(transport: Transport, own: PeerId): Promise<Finding> {
  for (const peer of transport.peers()) {
    const answer = await transport.request(peer, "peers/1", new Uint8Array()).catch(() => null);
    if (answer !== null && addressesIn(answer).some((address) => address.endsWith(`/${own}`))) {
      return problem(
        "identity elsewhere",
        `${peer} is connected to ${own}, this folder's identity, though no peer runs here`,
        "Two copies of one identity spoil each other's work: stop the other, or give this one its own --state.",
      );
    }
  }
  return ok("identity elsewhere", "nobody that was met is connected to another copy of it");
}

/** What a peer's list names; nothing if it is no list. */
function addressesIn(answer: Uint8Array): readonly string[] {
  try {
    return lists.parse(decode(answer)).flat();
  } catch {
    return []; // it tells us nothing; others may
  }
}
