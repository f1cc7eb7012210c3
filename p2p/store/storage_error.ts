/**
 * What a disk refuses, said so that a person can act on it.
 * @module
 */
import { reasonOf } from "../reason.ts";

/** The disk is full, not writable, or failing. What was stored before is unharmed. */
export class StorageError extends Error {
  override readonly name = "StorageError";
  /** Whether room is all that it lacks. */
  readonly isFull: boolean;

  constructor(message: string, { isFull = false, ...options }: ErrorOptions & { readonly isFull?: boolean } = {}) {
    super(message, options);
    this.isFull = isFull;
  }
}

const FULL: ReadonlySet<string> = new Set(["ENOSPC", "EDQUOT"]);

const FORBIDDEN = "this user may not do that there. Change the permissions, or use another folder " +
  "(for a peer's own files: --state)";

const REMEDIES: Readonly<Record<string, string>> = {
  ENOSPC: "the disk is full. Free some space there, or use another disk (for a peer's own files: --state)",
  EDQUOT:
    "your quota on this disk is used up. Free some space there, or use another disk (for a peer's own files: --state)",
  EROFS: "the disk is mounted read-only. Use another folder (for a peer's own files: --state)",
  EACCES: FORBIDDEN,
  EPERM: FORBIDDEN,
  ENOTDIR: "a part of the path is a file, not a folder. Use another folder (for a peer's own files: --state)",
  ENOENT: "the folder is gone. Was it moved or deleted while a peer was using it?",
  EMFILE: "too many files are open. Raise the limit with `ulimit -n 4096`",
};

/** Does disk work; whatever fails becomes a `StorageError` that names `action`, path, cause and remedy. */
export async function onDisk<T>(action: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw storageError(action, error);
  }
}

export function storageError(action: string, cause: unknown): StorageError {
  if (cause instanceof StorageError) return cause;
  const code = cause instanceof Error && "code" in cause ? String(cause.code) : "";
  const message = reasonOf(cause);
  const remedy = REMEDIES[code];
  const why = remedy === undefined ? message : `${remedy} (${message})`;
  return new StorageError(`Cannot ${action}: ${why}.`, { cause, isFull: FULL.has(code) });
}
