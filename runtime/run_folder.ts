/**
 * Folders on disk: what a run's folder and a peer's own folder hold. The only file that knows their names.
 *
 * ```
 * club/                the run: shared by everybody who has it
 *   run.json           what all peers agree on
 *   network.key        the pre-shared key of a run that is not open, hexadecimal, and its checksum; whoever has it can join
 *   data/              blobs of the run: token shards, the tokenizer
 *   peer/              one peer's own folder (--state names another)
 *     lock             held while the peer runs
 *     identity.key     who the peer is
 *     journal          records, offers and states, in the order it learnt them
 *     blobs/           contributions and weights
 *     device.json      how fast the device was, by micro-batch, and what it had no memory for
 *     optimizer        local moments and residual, to go on where it stopped
 *     average          the average of the run's weights, for `--ewa`
 *     status.json      what `starling status` shows
 *     events.jsonl     the last events, and before them `events-before.jsonl`
 *     metrics.jsonl    time, throughput, memory and convergence, a line a round
 *     port             the TCP port that its ticket names
 *     members          the owner's newest change of the list of members, for the running peer to tell
 * ```
 * A stopped peer's folder may be copied; two running peers must not share one.
 * @module
 */
import { dirname, join } from "node:path";
import { z } from "zod";
import type { Identity } from "../p2p/identity.ts";
import { sha256 } from "../p2p/store/chunks.ts";
import { openDiskBlobStore } from "../p2p/store/disk.ts";
import { openDiskJournal } from "../p2p/store/disk_journal.ts";
import type { BlobStore } from "../p2p/store/blob_store.ts";
import type { Journal } from "../p2p/store/journal.ts";
import { openIdentity } from "../p2p/store/key_file.ts";
import { isLocked, lockState } from "../p2p/store/lock.ts";
import type { PeerId } from "../p2p/sync/types.ts";
import { nullIfAbsent, removeIfThere, syncFolder, writeAll } from "../p2p/store/files.ts";
import { onDisk, StorageError, storageError } from "../p2p/store/storage_error.ts";
import { emptyStatus, type PeerStatus } from "./status.ts";
import type { DeviceSpeeds } from "./worker/messages.ts";
import type { ByteReader } from "./folder.ts";
import { openFile } from "./folder_disk.ts";
import type { Pieces } from "./state/sealed.ts";
import { ConfigError, parseRunConfig, type RunConfig } from "./config.ts";
import { MetricsLog } from "./metrics_log.ts";

/** A run's folder, read. */
export interface RunFolder {
  readonly path: string;
  readonly config: RunConfig;
  /** 32 bytes, or null in an open run. */
  readonly networkKey: Uint8Array<ArrayBuffer> | null;
  /** Shards and tokenizer. */
  readonly data: BlobStore;
}

/** A peer's own folder, locked until disposed. */
export interface StateFolder extends AsyncDisposable {
  readonly path: string;
  readonly identity: Identity;
  readonly journal: Journal;
  readonly blobs: BlobStore;
  loadOptimizer(): Promise<Uint8Array<ArrayBuffer> | null>;
  saveOptimizer(pieces: Pieces): Promise<void>;
  /** Null if nobody has measured the device, or the file is damaged: it is measured anew. */
  loadSpeeds(): Promise<DeviceSpeeds | null>;
  saveSpeeds(speeds: DeviceSpeeds): Promise<void>;
  saveAverage(pieces: Pieces): Promise<void>;
  writeStatus(status: PeerStatus): Promise<void>;
  /** @throws {StorageError} if the disk refuses; what was written before is whole. */
  appendEvent(event: unknown): void;
  readonly metrics: MetricsLog;
  /** The port used last, or null. */
  port(): number | null;
  keepPort(port: number): Promise<void>;
}

/** `events.jsonl` is begun anew beyond this. */
const LARGEST_EVENTS_BYTES = 16 * 1024 * 1024;

/** Where a peer keeps its own files if it is not told. */
export function defaultStatePath(runPath: string): string {
  return join(runPath, "peer");
}

/** Where a peer keeps its metrics. */
export function metricsPath(statePath: string): string {
  return join(statePath, "metrics.jsonl");
}

/**
 * Makes a new run's folder.
 * @throws {ConfigError} if there is a run already.
 * @throws {StorageError} if the disk refuses.
 */
export async function createRunFolder(
  path: string,
  { config, networkKey }: { readonly config: RunConfig; readonly networkKey: Uint8Array | null },
): Promise<void> {
  await onDisk(`create the run's folder ${path}`, () => Deno.mkdir(join(path, "data"), { recursive: true }));
  if (networkKey !== null) {
    const hex = networkKey.toHex();
    await replaceFile(join(path, "network.key"), encode(`${hex}\n${await checksumOf(hex)}\n`), { mode: 0o600 });
  }
  // Last: a folder that has it has all.
  await replaceFile(join(path, "run.json"), encode(`${JSON.stringify(config, null, 2)}\n`), {});
}

/** Whether a folder holds a run. */
export async function hasRun(path: string): Promise<boolean> {
  return await readIfThere(join(path, "run.json")) !== null;
}

/** The blobs of a run's folder. */
export function openRunData(path: string): Promise<BlobStore> {
  return openDiskBlobStore(join(path, "data"));
}

/**
 * Reads a run's folder.
 * @throws {ConfigError} if it holds no run, or one that cannot be used.
 */
export async function openRunFolder(path: string): Promise<RunFolder> {
  const text = await readIfThere(join(path, "run.json"));
  if (text === null) {
    throw new ConfigError(
      `Cannot open the run '${path}': it has no run.json. Make a run with 'starling init ${path}', or join one with its ticket`,
    );
  }
  const config = parseRunConfig(text, join(path, "run.json"));
  return { path, config, networkKey: await readNetworkKey(path, config), data: await openRunData(path) };
}

/**
 * Locks and opens a peer's own folder, made if absent.
 * @throws {StateInUseError} if another peer runs on it.
 * @throws {StorageError} if the disk refuses.
 */
export async function openStateFolder(path: string, { now }: { readonly now: Date }): Promise<StateFolder> {
  await using opening = new AsyncDisposableStack();
  opening.use(await lockState(path, { now }));
  const identity = await openIdentity(join(path, "identity.key"));
  const journal = opening.use(await openDiskJournal(join(path, "journal")));
  const blobs = await openDiskBlobStore(join(path, "blobs"));
  const events = opening.use(
    await onDisk(`open ${join(path, "events.jsonl")}`, () => Promise.resolve(new EventLog(path))),
  );
  const metrics = opening.use(new MetricsLog(metricsPath(path)));
  const opened = opening.move();
  return {
    path,
    identity,
    journal,
    blobs,
    loadOptimizer: () => readBytesIfThere(join(path, "optimizer")),
    saveOptimizer: (pieces) => replaceFile(join(path, "optimizer"), pieces, {}),
    loadSpeeds: async () => parseSpeeds(await readIfThere(join(path, "device.json"))),
    saveSpeeds: (speeds) => replaceFile(join(path, "device.json"), encode(`${JSON.stringify(speeds)}\n`), {}),
    saveAverage: (pieces) => replaceFile(join(path, "average"), pieces, { durable: false }),
    writeStatus: async (status) =>
      await replaceFile(join(path, "status.json"), encode(await statusText(status)), { durable: false }),
    appendEvent: (event) => events.append(encode(`${JSON.stringify(event)}\n`)),
    metrics,
    port: () => parsePort(readTextIfThereSync(join(path, "port"))),
    keepPort: (port) => replaceFile(join(path, "port"), encode(`${port}\n`), {}),
    [Symbol.asyncDispose]: () => opened.disposeAsync(),
  };
}

/**
 * Makes or reads who a peer is, without starting it.
 * @throws {StorageError} if the key file is damaged or the disk refuses.
 */
export async function makeIdentity(statePath: string): Promise<Identity> {
  await onDisk(`create the peer's folder ${statePath}`, () => Deno.mkdir(statePath, { recursive: true }));
  return await openIdentity(join(statePath, "identity.key"));
}

/** Who a peer is, or null if none has been there. */
export async function readIdentity(statePath: string): Promise<Identity | null> {
  const path = join(statePath, "identity.key");
  return await readBytesIfThere(path) === null ? null : await openIdentity(path);
}

/** What `writeMembers` wrote, or null. */
export function readMembers(statePath: string): Promise<Uint8Array<ArrayBuffer> | null> {
  return readBytesIfThere(join(statePath, "members"));
}

/** Leaves a signed change of members for the peer of this folder to tell: at once if it runs, else when it starts. */
export function writeMembers(statePath: string, change: Uint8Array<ArrayBuffer>): Promise<void> {
  return replaceFile(join(statePath, "members"), change, {});
}

/** What `saveAverage` wrote last, or null: it is whole or damaged, never half. */
export function openAverage(statePath: string): ByteReader | null {
  try {
    return openFile(join(statePath, "average"));
  } catch (error) {
    if (isAbsent(error)) return null;
    throw error;
  }
}

/**
 * What a peer, running or stopped, wrote last, or null if it never ran.
 * @throws {StorageError} if it is damaged.
 */
export async function readStatus(statePath: string): Promise<PeerStatus | null> {
  const path = join(statePath, "status.json"), text = await readIfThere(path);
  if (text === null) return null;
  const parsed = parseJson(text);
  if (parsed !== null && parsed.check === await checksumOf(JSON.stringify(parsed.status))) {
    return { ...emptyStatus, ...parsed.status }; // an older version may have known less
  }
  throw new StorageError(`Cannot read ${path}: it is damaged. Start the peer: it writes its status anew.`);
}

/** What a peer's own folder takes on disk. */
export async function usedBytes(statePath: string): Promise<number> {
  return await onDisk(`measure ${statePath}`, async () => {
    let bytes = 0;
    const add = async (folder: string): Promise<void> => {
      for await (const { name, isDirectory } of Deno.readDir(folder)) {
        if (isDirectory) await add(join(folder, name));
        else bytes += (await nullIfAbsent(Deno.stat(join(folder, name))))?.size ?? 0;
      }
    };
    if (await nullIfAbsent(Deno.stat(statePath)) !== null) await add(statePath);
    return bytes;
  });
}

/** Whether a peer runs on this folder now. */
export function isRunning(statePath: string): Promise<boolean> {
  return isLocked(statePath);
}

/**
 * Who the peer of a folder is and which port it used last, without locking it; null if there has been none.
 * @throws {StorageError} if its key file is damaged.
 */
export async function readPeerFiles(
  statePath: string,
): Promise<{ readonly peer: PeerId; readonly port: number | null } | null> {
  const keyPath = join(statePath, "identity.key");
  if (await readBytesIfThere(keyPath) === null) return null;
  const { peer } = await openIdentity(keyPath);
  return { peer, port: parsePort(readTextIfThereSync(join(statePath, "port"))) };
}

async function readNetworkKey(path: string, { membership }: RunConfig): Promise<Uint8Array<ArrayBuffer> | null> {
  if (membership === "open") return null;
  const text = (await readIfThere(join(path, "network.key")))?.trim();
  const [hex = "", checksum, ...rest] = text?.split(/\r?\n/) ?? [];
  // Who writes the file by hand may leave the checksum out.
  const isWhole = /^[0-9a-f]{64}$/.test(hex) && rest.length === 0 &&
    (checksum === undefined || checksum === await checksumOf(hex));
  if (isWhole) return Uint8Array.fromHex(hex);
  throw new ConfigError(
    `Cannot open the run '${path}': it is ${membership === "allow" ? "for members only" : "private"} and ${
      join(path, "network.key")
    } is ` +
      `${text === undefined ? "missing" : "damaged (64 hexadecimal digits wanted)"}. Join again with a ticket`,
  );
}

async function checksumOf(text: string): Promise<string> {
  return `check ${(await sha256(encode(text))).slice(0, 8)}`;
}

/** A status with its checksum as one more key. */
async function statusText(status: PeerStatus): Promise<string> {
  return `${JSON.stringify({ ...status, check: await checksumOf(JSON.stringify(status)) }, null, 2)}\n`;
}

/** Null if it is no JSON; what it claims to be, `check` alone can tell. */
function parseJson(text: string): { readonly status: PeerStatus; readonly check: string } | null {
  try {
    const { check, ...status } = JSON.parse(text) as PeerStatus & { readonly check: string };
    return { status, check };
  } catch {
    return null;
  }
}

const speedsSchema = z.object({
  subject: z.string(),
  points: z.array(z.object({ microBatch: z.int().min(1), tokensPerSecond: z.number().positive() })),
  refused: z.int().min(1).nullable(),
});

function parseSpeeds(text: string | null): DeviceSpeeds | null {
  try {
    return text === null ? null : speedsSchema.parse(JSON.parse(text));
  } catch {
    return null;
  }
}

function encode(text: string): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(text);
}

/** Events in files of bounded size: the one that is written, and the one before. */
class EventLog implements Disposable {
  readonly #path: string;
  readonly #before: string;
  #file: Deno.FsFile;
  #sizeBytes: number;

  constructor(folder: string) {
    this.#path = join(folder, "events.jsonl");
    this.#before = join(folder, "events-before.jsonl");
    this.#file = Deno.openSync(this.#path, { create: true, append: true });
    this.#sizeBytes = this.#file.statSync().size;
  }

  append(line: Uint8Array): void {
    try {
      if (this.#sizeBytes + line.length > LARGEST_EVENTS_BYTES) {
        Deno.renameSync(this.#path, this.#before);
        this.#sizeBytes = 0;
        const next = Deno.openSync(this.#path, { create: true, append: true }); // while it cannot be made, the old one serves
        this.#file.close();
        this.#file = next;
      }
      for (let written = 0; written < line.length;) written += this.#file.writeSync(line.subarray(written));
      this.#sizeBytes += line.length;
    } catch (error) {
      throw storageError(`write to ${this.#path}`, error);
    }
  }

  [Symbol.dispose](): void {
    this.#file.close();
  }
}

/**
 * Writes beside the file and renames, so that a reader sees the old or the new one, never half of it; `durable`: also
 * after a power cut.
 * @throws {StorageError} if the disk refuses; whatever the pieces throw, as it is. What was there before stays.
 */
async function replaceFile(
  path: string,
  pieces: Uint8Array<ArrayBuffer> | Pieces,
  { durable = true, mode }: { readonly durable?: boolean; readonly mode?: number },
): Promise<void> {
  const action = `write ${path}`, temporary = `${path}.writing`;
  try {
    {
      const options = { write: true, create: true, truncate: true, ...(mode === undefined ? {} : { mode }) };
      using file = await onDisk(action, () => Deno.open(temporary, options));
      for await (const piece of pieces instanceof Uint8Array ? [pieces] : pieces) {
        await onDisk(action, () => writeAll(file, piece));
      }
      if (durable) await onDisk(action, () => file.sync());
    }
    await onDisk(action, () => Deno.rename(temporary, path));
    if (durable) await onDisk(action, () => syncFolder(dirname(path)));
  } catch (error) {
    await removeIfThere(temporary).catch(() => {}); // the first error is the one to tell
    throw error;
  }
}

async function readIfThere(path: string): Promise<string | null> {
  const bytes = await readBytesIfThere(path);
  return bytes === null ? null : new TextDecoder().decode(bytes);
}

async function readBytesIfThere(path: string): Promise<Uint8Array<ArrayBuffer> | null> {
  try {
    return await Deno.readFile(path);
  } catch (error) {
    if (isAbsent(error)) return null;
    throw error;
  }
}

function isAbsent(error: unknown): boolean {
  return error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory;
}

function readTextIfThereSync(path: string): string {
  try {
    return Deno.readTextFileSync(path);
  } catch {
    return ""; // never started
  }
}

function parsePort(text: string): number | null {
  const port = Number(text);
  return Number.isInteger(port) && port > 0 && port < 65_536 ? port : null;
}
