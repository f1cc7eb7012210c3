/**
 * The file that holds a peer's private key, readable by its owner alone: a header line, the seed in hexadecimal, and
 * the peer's id, which says whether the seed is still the one that was written.
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
  return text === null ? await createIdentity(path) : parseIdentity(path, text);
}

async function createIdentity(path: string): Promise<Identity> {
  const seed = crypto.getRandomValues(new Uint8Array(SEED_BYTES)), identity = identityFromSeed(seed);
  await onDisk(`write the key file ${path}`, async () => {
    const temporary = `${path}.writing`;
    await nullIfAbsent(Deno.remove(temporary));
    using file = await Deno.open(temporary, { write: true, createNew: true, mode: 0o600 });
    await writeAll(file, new TextEncoder().encode(`${HEADER}\n${toString(seed, "base16")}\npeer ${identity.peer}\n`));
    await file.sync();
    await Deno.rename(temporary, path);
    await syncFolder(dirname(path));
  });
  return identity;
}

function parseIdentity(path: string, text: string): Identity {
  const [header, seed, peer, ...rest] = text.trimEnd().split(/\r?\n/);
  if (header === HEADER && seed !== undefined && /^[0-9a-f]{64}$/.test(seed) && rest.length === 0) {
    const identity = identityFromSeed(fromString(seed, "base16"));
    if (peer === undefined || peer === `peer ${identity.peer}`) return identity; // version 0.1 wrote no id
  }
  throw new StorageError(
    `Cannot use the key file ${path}: it is damaged (found ${text.length} characters, wanted the line ` +
      `"${HEADER}", 64 hexadecimal digits, and the peer id that belongs to them). Restore it from a copy, or delete it to join as a new peer.`,
  );
}
