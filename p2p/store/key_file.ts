/**
 * The file that holds a peer's private key: a header line and the seed in hexadecimal, readable by its owner alone.
 *
 * A damaged file is never replaced: a new key would be another peer, and the old one's work would be orphaned.
 * @module
 */
import { fromString, toString } from "uint8arrays";
import { type Identity, identityFromSeed, SEED_BYTES } from "../identity.ts";
import { nullIfAbsent, syncFolder, writeAll } from "./files.ts";
import { onDisk, StorageError } from "./storage_error.ts";
import { dirname } from "node:path";

const HEADER = "starling identity 1: private key, keep it secret";

/**
 * The identity in the file, which is created with a new key if absent.
 * @throws {StorageError} if it is damaged or the disk refuses.
 */
export async function openIdentity(path: string): Promise<Identity> {
  const text = await onDisk(`read the key file ${path}`, () => nullIfAbsent(Deno.readTextFile(path)));
  return identityFromSeed(text === null ? await createSeed(path) : parseSeed(path, text));
}

async function createSeed(path: string): Promise<Uint8Array> {
  const seed = crypto.getRandomValues(new Uint8Array(SEED_BYTES));
  await onDisk(`write the key file ${path}`, async () => {
    const temporary = `${path}.writing`;
    await nullIfAbsent(Deno.remove(temporary));
    using file = await Deno.open(temporary, { write: true, createNew: true, mode: 0o600 });
    await writeAll(file, new TextEncoder().encode(`${HEADER}\n${toString(seed, "base16")}\n`));
    await file.sync();
    await Deno.rename(temporary, path);
    await syncFolder(dirname(path));
  });
  return seed;
}

function parseSeed(path: string, text: string): Uint8Array {
  const [header, seed, ...rest] = text.trimEnd().split(/\r?\n/);
  if (header === HEADER && seed !== undefined && /^[0-9a-f]{64}$/.test(seed) && rest.length === 0) {
    return fromString(seed, "base16");
  }
  throw new StorageError(
    `Cannot use the key file ${path}: it is damaged (found ${text.length} characters, wanted the line ` +
      `"${HEADER}" and 64 hexadecimal digits). Restore it from a copy, or delete it to join as a new peer.`,
  );
}
