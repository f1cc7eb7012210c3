/**
 * The scene of a newcomer that fetches a run's data while those who give it die.
 * @module
 */
import type { BlobStore } from "../../p2p/store/blob_store.ts";
import type { RunConfig } from "../../runtime/config.ts";
import { encodeShards } from "../../runtime/data/shards.ts";
import { bytesTokenizer } from "../../runtime/data/tokenizer.ts";
import { tinyRun } from "../tiny_run.ts";
import { type Flock, QUICK_ROUNDS } from "./flock.ts";

export interface Joined {
  readonly sizeBytes: number;
  /** All that reached the newcomer until it had the data. */
  readonly receivedBytes: number;
  /** From the first bytes of the data to the last. */
  readonly fetchMs: number;
  /** Held when the donors died. */
  readonly heldBytes: number;
}

/** A tiny run whose text has so many bytes. */
export function runWithText(bytes: number): (data: BlobStore) => Promise<RunConfig> {
  const line = "The quick brown fox jumps over the lazy dog. ";
  return async (data) => {
    const shards = [];
    for await (const { bytes: shard, tokenCount } of encodeShards(pieces(), { tokenizer: bytesTokenizer() })) {
      shards.push({ blob: await data.put(shard), sizeBytes: shard.length, tokenCount });
    }
    return tinyRun({ rounds: QUICK_ROUNDS, data: { kind: "shards", shards } });
  };

  async function* pieces() {
    for (let at = 0; at < bytes; at += 1 << 16) yield line.repeat(1 << 11).slice(0, Math.min(1 << 16, bytes - at));
  }
}

/** Joins, kills these peers when a quarter of the data is there, and waits until the newcomer has all of it. */
export async function joinUnderFire(flock: Flock, name: string, victims: readonly string[]): Promise<Joined> {
  await flock.together(flock.names.filter((other) => other !== name));
  const newcomer = await flock.join(name);
  await newcomer.next("fetching");
  const startedAtMs = Date.now();
  const { bytes: heldBytes } = await newcomer.next("fetching", ({ bytes, totalBytes }) => bytes >= totalBytes / 4);
  await Promise.all(victims.map((victim) => flock.kill(victim)));
  const { totalBytes: sizeBytes } = await newcomer.next("fetching", ({ bytes, totalBytes }) => bytes === totalBytes);
  return { sizeBytes, heldBytes, receivedBytes: flock.passed(name)!.back, fetchMs: Date.now() - startedAtMs };
}
