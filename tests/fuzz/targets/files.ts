/**
 * Files of a run's folder and of a peer's own, as a disk, a crash or a hand may leave them.
 * @module
 */
import { strict as assert } from "node:assert";
import { join } from "node:path";
import { chunkListOf } from "../../../p2p/store/chunks.ts";
import { openDiskBlobStore } from "../../../p2p/store/disk.ts";
import { openDiskJournal } from "../../../p2p/store/disk_journal.ts";
import { encodeEntries, JOURNAL_HEADER, parseJournal } from "../../../p2p/store/journal_file.ts";
import { openIdentity } from "../../../p2p/store/key_file.ts";
import { decodeJournalEntry, encodeJournalEntry } from "../../../p2p/wire.ts";
import { MetricsLog } from "../../../runtime/metrics_log.ts";
import { parseMetrics } from "../../../runtime/metrics_lines.ts";
import { createRunFolder, openAverage, openRunFolder, readStatus } from "../../../runtime/run_folder.ts";
import { ewaPieces, readEwa } from "../../../runtime/state/ewa_bytes.ts";
import { emptyStatus } from "../../../runtime/status.ts";
import type { Chance } from "../../chance.ts";
import { roundMetrics, runMetrics } from "../../metrics_lines.ts";
import { tinyRun } from "../../tiny_run.ts";
import { mutated } from "../bytes.ts";
import { entries } from "../samples.ts";
import { accepts, type Case, independent, type Probe, type Target } from "../target.ts";

const entryBytes = entries.map(encodeJournalEntry);
const journal = new Uint8Array([...JOURNAL_HEADER, ...encodeEntries([...entryBytes, ...entryBytes])]);
const metrics = [runMetrics(), roundMetrics(1), roundMetrics(2)].map((line) => `${JSON.stringify(line)}\n`).join("");
const average = Float32Array.from({ length: 64 }, (_, i) => i / 64);
const CHUNK = 262_144;

export const fileTargets: readonly Target[] = [
  independent("journal file", 30, (chance) => {
    const bytes = mutated(journal, chance);
    return {
      sizeBytes: bytes.length,
      run() {
        const parsed = parseJournal(bytes);
        for (const entry of parsed?.entries ?? []) decodeJournalEntry(entry);
        // What is damaged and what is whole is all there is.
        const damaged = parsed?.damages.reduce((sum, { start, end }) => sum + end - start, 0) ?? 0;
        const whole = parsed?.entries.reduce((sum, entry) => sum + 8 + entry.length, 0) ?? 0;
        if (parsed !== null) assert.ok([0, JOURNAL_HEADER.length].includes(bytes.length - damaged - whole));
        return parsed !== null && damaged === 0;
      },
    };
  }),
  { name: "files on disk", share: 4, episode: 300, begin: beginFolder },
];

interface FileOfPeer {
  readonly name: string;
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly open: () => Promise<boolean>;
}

/** A folder in which one file after the other is damaged, opened, and put back. */
async function beginFolder(): Promise<Probe> {
  const path = await Deno.makeTempDir();
  await createRunFolder(path, { config: tinyRun(), networkKey: new Uint8Array(32).fill(3) });
  await openIdentity(join(path, "identity.key"));
  await Deno.writeFile(join(path, "journal"), journal);
  await Deno.writeTextFile(join(path, "status.json"), JSON.stringify(emptyStatus));
  await Deno.writeTextFile(join(path, "metrics.jsonl"), metrics);
  await Deno.writeFile(
    join(path, "average"),
    ReadableStream.from(ewaPieces({ tokens: 9, steps: 3, mass: 0.5 }, average)),
  );
  const blobs = await openDiskBlobStore(join(path, "data")), content = new Uint8Array(CHUNK + 1000).fill(5);
  const digest = await blobs.put(content), { chunks } = await chunkListOf(content);
  const file = async (name: string, open: FileOfPeer["open"]): Promise<FileOfPeer> => ({
    ...{ name, open },
    bytes: await Deno.readFile(join(path, name)),
  });
  const openRun = () => accepts(() => openRunFolder(path), "ConfigError", "StorageError");
  const files = [
    await file("run.json", openRun),
    await file("network.key", openRun),
    await file("identity.key", () => accepts(() => openIdentity(join(path, "identity.key")), "StorageError")),
    await file("status.json", () => accepts(() => readStatus(path), "StorageError")),
    await file("metrics.jsonl", () => Promise.resolve(appendMetrics(join(path, "metrics.jsonl")))),
    await file("average", async () => {
      const found = new Float32Array(average.length), { ok } = await readEwa(openAverage(path)!, found);
      if (ok) assert.deepEqual(found, average);
      return ok;
    }),
    await file("journal", () => accepts(() => readJournal(join(path, "journal")), "StorageError")),
    await file(`data/${digest}`, async () => {
      const found = await (await openDiskBlobStore(join(path, "data"))).get(digest);
      if (found !== null) assert.deepEqual(found, content);
      return found !== null;
    }),
    {
      name: `data/partial/${digest}`,
      bytes: content,
      async open() {
        const store = await openDiskBlobStore(join(path, "data")),
          partial = await store.partial(digest, content.length);
        await partial.begin(chunks);
        const held = await partial.held();
        return held.length === chunks.length;
      },
    },
  ];
  return {
    next(chance: Chance): Case {
      const { name, bytes, open } = chance.pick(files), wrong = mutated(bytes, chance, chance.pick(files).bytes);
      return {
        sizeBytes: wrong.length,
        async run() {
          await Deno.writeFile(join(path, name), wrong);
          const accepted = await open();
          await Deno.writeFile(join(path, name), bytes);
          return accepted;
        },
      };
    },
    end: () => Deno.remove(path, { recursive: true }),
  };
}

/** Whatever the file holds, the next line is whole in it. */
function appendMetrics(path: string): boolean {
  using log = new MetricsLog(path);
  const line = roundMetrics((log.last()?.round ?? 0) + 1);
  log.append(line);
  assert.deepEqual(log.last(), line);
  const metrics = parseMetrics(Deno.readTextFileSync(path));
  return metrics !== null && metrics.damaged === 0;
}

async function readJournal(path: string): Promise<void> {
  await using journal = await openDiskJournal(path);
  const { dropped } = await journal.read();
  if (dropped !== null) assert.deepEqual((await journal.read()).dropped, null, "what was damaged is out of the way");
  if (dropped?.keptAt) await Deno.remove(dropped.keptAt);
}
