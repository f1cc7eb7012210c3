/**
 * `starling members`: who belongs to a run with a list of members; its owner changes the list.
 *
 * The owner's word is a signed change (`p2p/sync/members.ts`). This command signs it and leaves it in the owner's folder;
 * the peer that runs there, now or later, tells it to the others.
 * @module
 */
import { join } from "node:path";
import { runIdOf } from "../p2p/genesis.ts";
import { type Identity, isPeerId, verifySignature } from "../p2p/identity.ts";
import { readDiskJournal } from "../p2p/store/disk_journal.ts";
import { signChange, whyForgedChange } from "../p2p/sync/members.ts";
import type { Change, Digest, PeerId, Signed } from "../p2p/sync/types.ts";
import { decodeJournalEntry, encodeJournalEntry } from "../p2p/wire.ts";
import { genesisBytes } from "../runtime/config.ts";
import {
  defaultStatePath,
  isRunning,
  openRunFolder,
  readIdentity,
  readMembers,
  writeMembers,
} from "../runtime/run_folder.ts";
import { UsageError } from "./exit.ts";
import { json, line } from "./print.ts";

export interface MembersOptions {
  readonly folder: string;
  readonly allow: readonly string[];
  readonly remove: readonly string[];
  readonly state?: string;
  readonly json?: boolean;
}

/** A run's list as one folder knows it. */
interface List {
  readonly run: Digest;
  readonly owner: PeerId;
  /** 0 while only the owner belongs. */
  readonly number: number;
  readonly allowed: readonly PeerId[];
}

/** Changes the list, if asked to, and prints it. */
export async function members({ folder, allow, remove, state, json: asJson }: MembersOptions): Promise<void> {
  const path = state ?? defaultStatePath(folder);
  const identity = await readIdentity(path);
  const known = await readList(folder, path);
  const isChange = allow.length + remove.length > 0;
  const list = isChange ? await change(known, { folder, path, identity, allow, remove }) : known;
  const { owner, number, allowed } = list;
  if (asJson) return json({ kind: "members", owner, number, allowed, self: identity?.peer ?? null });
  const about = (peer: PeerId) => peer === identity?.peer ? "  (this folder's peer)" : "";
  line(`owner    ${owner}${about(owner)}`);
  for (const peer of allowed) line(`allowed  ${peer}${about(peer)}`);
  line(number === 0 ? "Nobody else belongs to the run yet." : `This is change ${number} of the list.`);
  if (!isChange) return;
  line(
    await isRunning(path)
      ? "The peer that runs here tells the others within seconds."
      : `The others are told when this peer runs: deno task starling start ${folder}`,
  );
}

async function readList(folder: string, path: string): Promise<List> {
  const { config } = await openRunFolder(folder), { owner, membership } = config;
  if (owner === undefined || !isPeerId(owner)) {
    throw new UsageError(
      `Cannot list the members of '${folder}': its membership is '${membership}', so ` +
        `${membership === "open" ? "anyone" : "whoever has the ticket"} belongs to it. ` +
        "Make a run with a list: starling init <folder> --membership allow",
    );
  }
  const run = await runIdOf(genesisBytes(config));
  const rules = { run, owner };
  const changes = [await readMembers(path), ...await readDiskJournal(join(path, "journal")) ?? []]
    .flatMap((bytes) => bytes === null ? [] : changesIn(bytes))
    .filter((change) => whyForgedChange(change, { rules, verify: verified }) === null)
    .sort((a, b) => b.body.number - a.body.number);
  return { run, owner, number: changes[0]?.body.number ?? 0, allowed: changes[0]?.body.allowed ?? [] };
}

/** Changes that a journal's entry says or shows; none if it is of another version. */
function changesIn(bytes: Uint8Array): readonly Signed<Change>[] {
  const decoded = decodeJournalEntry(bytes);
  if (!decoded.ok) return [];
  const entry = decoded.value;
  if (entry.kind === "change") return [entry.change];
  return entry.kind === "state" && entry.chain.members !== null ? [entry.chain.members] : [];
}

function verified(digest: Digest, signature: Uint8Array, author: PeerId): boolean {
  return verifySignature(author, digest, signature);
}

async function change(list: List, { folder, path, identity, allow, remove }: {
  readonly folder: string;
  readonly path: string;
  readonly identity: Identity | null;
  readonly allow: readonly string[];
  readonly remove: readonly string[];
}): Promise<List> {
  const { run, owner } = list;
  if (identity?.peer !== owner) {
    throw new UsageError(
      `Cannot change the members of '${folder}': only its owner ${owner} may, and the peer in ${path} is ` +
        `${identity?.peer ?? "not made yet"}. Ask the owner, or name the owner's folder with --state`,
    );
  }
  const allowed = new Set(list.allowed);
  for (const peer of allow.map(expectPeer)) if (peer !== owner) allowed.add(peer);
  for (const peer of remove.map(expectPeer)) {
    if (allowed.delete(peer)) continue;
    throw new UsageError(
      peer === owner
        ? `Cannot remove ${peer}: it owns the run, and always belongs to it`
        : `Cannot remove ${peer}: it is not on the list. 'starling members ${folder}' prints the list`,
    );
  }
  const signed = signChange({ run, number: list.number + 1, allowed: [...allowed] }, identity.sign);
  await writeMembers(path, encodeJournalEntry({ kind: "change", change: signed }));
  return { ...list, number: signed.body.number, allowed: signed.body.allowed };
}

function expectPeer(text: string): PeerId {
  if (isPeerId(text)) return text;
  throw new UsageError(
    `Cannot use '${text}' as a peer: wanted a peer id, 12D3KooW and 44 more characters. ` +
      "A peer that is not let in is told its own; 'starling members <folder>' prints that of the folder",
  );
}
