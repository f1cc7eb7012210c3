/**
 * The other process of `blobs.ts`: stores blobs, serves them until its standard input closes.
 *
 * Arguments: a folder, "open" or "private", how many blobs. Prints one line of JSON, a `Donor`, when it is ready, and at
 * its end another, a `DonorCost`.
 * @module
 */
import process from "node:process";
import { identityFromSeed } from "../p2p/identity.ts";
import { serveBlobs } from "../p2p/net/blob_server.ts";
import { startLibp2p } from "../p2p/net/libp2p.ts";
import { openDiskBlobStore } from "../p2p/store/disk.ts";
import type { Digest } from "../p2p/sync/types.ts";
import { chance } from "../tests/chance.ts";

export const SIZE_BYTES = 64 * 2 ** 20;
export const RUN = "ab".repeat(32) as Digest;
export const NETWORK_KEY = new Uint8Array(32).fill(7);

/** What the donor says when it is ready. */
export interface Donor {
  readonly address: string;
  readonly digests: readonly Digest[];
}

/** What serving has cost, once its standard input closes. */
export interface DonorCost {
  readonly cpuMs: number;
}

/** Time of all threads of this process on processors so far. */
export function cpuMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

if (import.meta.main) {
  const [folder, membership, count] = Deno.args;
  const store = await openDiskBlobStore(folder!);
  const random = chance(1).next, words = Uint32Array.from({ length: SIZE_BYTES / 4 }, () => random() * 2 ** 32);
  const digests: Digest[] = [];
  for (let blob = 0; blob < Number(count); blob++) {
    words[0] = blob;
    digests.push(await store.put(new Uint8Array(words.buffer)));
  }
  await using transport = await startLibp2p({
    identity: identityFromSeed(new Uint8Array(32).fill(2)),
    run: RUN,
    listen: ["/ip4/127.0.0.1/tcp/0"],
    networkKey: membership === "private" ? NETWORK_KEY : null,
  });
  serveBlobs(transport, store);
  console.log(JSON.stringify({ address: transport.addresses()[0]!, digests } satisfies Donor));
  const readyMs = cpuMs();
  for await (const _ of Deno.stdin.readable) { /* only its end matters */ }
  console.log(JSON.stringify({ cpuMs: cpuMs() - readyMs } satisfies DonorCost));
}
